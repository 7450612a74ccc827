"""The functions of OpenSSL that we call, as its headers declare them."""

from __future__ import annotations

FUNCTIONS = """
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_session_st SSL_SESSION;
typedef struct ssl_method_st SSL_METHOD;
typedef struct ssl_cipher_st SSL_CIPHER;
typedef struct ssl_conf_ctx_st SSL_CONF_CTX;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef struct x509_st X509;
typedef struct X509_crl_st X509_CRL;
typedef struct X509_name_st X509_NAME;
typedef struct x509_store_st X509_STORE;
typedef struct x509_store_ctx_st X509_STORE_CTX;
typedef struct stack_st STACK;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_st EVP_MD;
typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
typedef struct evp_mac_ctx_st EVP_MAC_CTX;
typedef struct asn1_string_st ASN1_STRING;
typedef struct engine_st ENGINE;
typedef struct ossl_store_ctx_st OSSL_STORE_CTX;
typedef struct ossl_store_info_st OSSL_STORE_INFO;
typedef struct ui_method_st UI_METHOD;
typedef struct ocsp_request_st OCSP_REQUEST;
typedef struct ocsp_response_st OCSP_RESPONSE;
typedef struct ocsp_basic_response_st OCSP_BASICRESP;
typedef struct ocsp_cert_id_st OCSP_CERTID;
typedef struct {
    const char *key; unsigned int data_type; void *data; size_t data_size; size_t return_size;
} OSSL_PARAM;
typedef struct { size_t length; char *data; size_t max; unsigned long flags; } BUF_MEM;
typedef int (*verify_cb)(int, X509_STORE_CTX *);
typedef int (*password_cb)(char *, int, int, void *);
typedef int (*alpn_cb)(SSL *, const unsigned char **, unsigned char *, const unsigned char *,
                       unsigned int, void *);
typedef int (*ticket_cb)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *,
                         int);
typedef int (*new_session_cb)(SSL *, SSL_SESSION *);
typedef void (*remove_session_cb)(SSL_CTX *, SSL_SESSION *);
typedef SSL_SESSION *(*get_session_cb)(SSL *, const unsigned char *, int, int *);
typedef int (*certificate_cb)(SSL *, void *);
typedef int (*status_cb)(SSL *, void *);
typedef void (*keylog_cb)(const SSL *, const char *);
typedef void (*message_cb)(int, int, int, const void *, size_t, SSL *, void *);
typedef int (*add_extension_cb)(SSL *, unsigned int, unsigned int, const unsigned char **,
                                size_t *, X509 *, size_t, int *, void *);
typedef void (*free_extension_cb)(SSL *, unsigned int, unsigned int, const unsigned char *, void *);
typedef int (*parse_extension_cb)(SSL *, unsigned int, unsigned int, const unsigned char *,
                                  size_t, X509 *, size_t, int *, void *);

unsigned long OpenSSL_version_num(void);

unsigned long ERR_get_error_all(const char **, int *, const char **, const char **, int *);
unsigned long ERR_peek_last_error(void);
void ERR_error_string_n(unsigned long, char *, size_t);
void ERR_clear_error(void);

BIO *BIO_new(const BIO_METHOD *);
BIO *BIO_new_file(const char *, const char *);
BIO *BIO_new_mem_buf(const void *, int);
const BIO_METHOD *BIO_s_mem(void);
int BIO_free(BIO *);
int BIO_read(BIO *, void *, int);
int BIO_write(BIO *, const void *, int);
size_t BIO_ctrl_pending(BIO *);
long BIO_ctrl(BIO *, int, long, void *);

const SSL_METHOD *TLS_server_method(void);
const SSL_METHOD *TLS_client_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *);
void SSL_CTX_free(SSL_CTX *);
long SSL_CTX_ctrl(SSL_CTX *, int, long, void *);
long SSL_CTX_callback_ctrl(SSL_CTX *, int, void (*)(void));
uint64_t SSL_CTX_set_options(SSL_CTX *, uint64_t);
uint64_t SSL_CTX_clear_options(SSL_CTX *, uint64_t);
int SSL_CTX_set_cipher_list(SSL_CTX *, const char *);
int SSL_CTX_use_certificate(SSL_CTX *, X509 *);
int SSL_CTX_use_PrivateKey(SSL_CTX *, EVP_PKEY *);
void SSL_CTX_set_verify(SSL_CTX *, int, verify_cb);
void SSL_CTX_set_verify_depth(SSL_CTX *, int);
int SSL_CTX_get_verify_mode(const SSL_CTX *);
X509_STORE *SSL_CTX_get_cert_store(const SSL_CTX *);
void SSL_CTX_set_client_CA_list(SSL_CTX *, STACK *);
long SSL_CTX_set_timeout(SSL_CTX *, long);
int SSL_CTX_set_session_id_context(SSL_CTX *, const unsigned char *, unsigned int);
void SSL_CTX_set_alpn_select_cb(SSL_CTX *, alpn_cb, void *);
int SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX *, ticket_cb);
void SSL_CTX_sess_set_new_cb(SSL_CTX *, new_session_cb);
void SSL_CTX_sess_set_get_cb(SSL_CTX *, get_session_cb);
void SSL_CTX_sess_set_remove_cb(SSL_CTX *, remove_session_cb);
int SSL_CTX_remove_session(SSL_CTX *, SSL_SESSION *);
int SSL_CTX_set0_tmp_dh_pkey(SSL_CTX *, EVP_PKEY *);
int SSL_CTX_set_max_early_data(SSL_CTX *, uint32_t);
void SSL_CTX_set_cert_cb(SSL_CTX *, certificate_cb, void *);
int SSL_CTX_compress_certs(SSL_CTX *, int);
void SSL_CTX_set_keylog_callback(SSL_CTX *, keylog_cb);
int SSL_CTX_add_custom_ext(SSL_CTX *, unsigned int, unsigned int, add_extension_cb,
                           free_extension_cb, void *, parse_extension_cb, void *);

SSL_CONF_CTX *SSL_CONF_CTX_new(void);
void SSL_CONF_CTX_free(SSL_CONF_CTX *);
unsigned int SSL_CONF_CTX_set_flags(SSL_CONF_CTX *, unsigned int);
void SSL_CONF_CTX_set_ssl_ctx(SSL_CONF_CTX *, SSL_CTX *);
int SSL_CONF_cmd(SSL_CONF_CTX *, const char *, const char *);
int SSL_CONF_cmd_value_type(SSL_CONF_CTX *, const char *);
int SSL_CONF_CTX_finish(SSL_CONF_CTX *);

SSL *SSL_new(SSL_CTX *);
void SSL_free(SSL *);
void SSL_set_bio(SSL *, BIO *, BIO *);
void SSL_set_accept_state(SSL *);
void SSL_set_msg_callback(SSL *, message_cb);
int SSL_set_max_early_data(SSL *, uint32_t);
void SSL_set_connect_state(SSL *);
int SSL_do_handshake(SSL *);
int SSL_read(SSL *, void *, int);
int SSL_write(SSL *, const void *, int);
int SSL_read_early_data(SSL *, void *, size_t, size_t *);
int SSL_write_early_data(SSL *, const void *, size_t, size_t *);
int SSL_get_early_data_status(const SSL *);
int SSL_shutdown(SSL *);
void SSL_set_shutdown(SSL *, int);
void SSL_set_quiet_shutdown(SSL *, int);
int SSL_is_init_finished(const SSL *);
int SSL_get_error(const SSL *, int);
int SSL_pending(const SSL *);
long SSL_ctrl(SSL *, int, long, void *);
uint64_t SSL_get_options(const SSL *);
uint64_t SSL_set_options(SSL *, uint64_t);
void SSL_certs_clear(SSL *);
void SSL_set_verify(SSL *, int, verify_cb);
void SSL_set_verify_depth(SSL *, int);
size_t SSL_get_client_random(const SSL *, unsigned char *, size_t);
int SSL_version(const SSL *);
const char *SSL_get_version(const SSL *);
const SSL_CIPHER *SSL_get_current_cipher(const SSL *);
const char *SSL_CIPHER_get_name(const SSL_CIPHER *);
uint16_t SSL_CIPHER_get_protocol_id(const SSL_CIPHER *);
const SSL_CIPHER *SSL_CIPHER_find(SSL *, const unsigned char *);
int SSL_session_reused(const SSL *);
void SSL_get0_alpn_selected(const SSL *, const unsigned char **, unsigned int *);
int SSL_set_alpn_protos(SSL *, const unsigned char *, unsigned int);
const char *SSL_get_servername(const SSL *, int);
long SSL_get_verify_result(const SSL *);
X509 *SSL_get1_peer_certificate(const SSL *);
STACK *SSL_get_peer_cert_chain(const SSL *);
STACK *SSL_get0_verified_chain(const SSL *);
X509 *SSL_get_certificate(const SSL *);
int SSL_use_certificate(SSL *, X509 *);
int SSL_use_PrivateKey(SSL *, EVP_PKEY *);
int SSL_get_sigalgs(SSL *, int, int *, int *, int *, unsigned char *, unsigned char *);
const char *SSL_group_to_name(SSL *, int);

SSL_SESSION *SSL_get_session(const SSL *);
SSL_SESSION *SSL_get1_session(SSL *);
int SSL_set_session(SSL *, SSL_SESSION *);
void SSL_SESSION_free(SSL_SESSION *);
int SSL_SESSION_is_resumable(const SSL_SESSION *);
const unsigned char *SSL_SESSION_get_id(const SSL_SESSION *, unsigned int *);
int i2d_SSL_SESSION(SSL_SESSION *, unsigned char **);
SSL_SESSION *d2i_SSL_SESSION(SSL_SESSION **, const unsigned char **, long);

const char *OBJ_nid2sn(int);
int X509_get_signature_nid(const X509 *);
EVP_PKEY *X509_get0_pubkey(const X509 *);
int EVP_PKEY_get_base_id(const EVP_PKEY *);
int EVP_PKEY_get_bits(const EVP_PKEY *);
int X509_NAME_get_index_by_NID(X509_NAME *, int, int);
void *X509_NAME_get_entry(X509_NAME *, int);
ASN1_STRING *X509_NAME_ENTRY_get_data(void *);
int ASN1_STRING_to_UTF8(unsigned char **, const ASN1_STRING *);
void OPENSSL_sk_free(STACK *);
STACK *OPENSSL_sk_new_null(void);
int OPENSSL_sk_num(const STACK *);
int OPENSSL_sk_push(STACK *, const void *);
void *OPENSSL_sk_value(const STACK *, int);
void *CRYPTO_malloc(size_t, const char *, int);
void CRYPTO_free(void *, const char *, int);

X509 *PEM_read_bio_X509(BIO *, X509 **, password_cb, void *);
X509 *PEM_read_bio_X509_AUX(BIO *, X509 **, password_cb, void *);
X509_CRL *PEM_read_bio_X509_CRL(BIO *, X509_CRL **, password_cb, void *);
EVP_PKEY *PEM_read_bio_PrivateKey(BIO *, EVP_PKEY **, password_cb, void *);
EVP_PKEY *PEM_read_bio_Parameters(BIO *, EVP_PKEY **);
int PEM_write_bio_X509(BIO *, X509 *);
void X509_free(X509 *);
int X509_up_ref(X509 *);
int i2d_X509(X509 *, unsigned char **);
X509 *d2i_X509(X509 **, const unsigned char **, long);
EVP_PKEY *d2i_AutoPrivateKey(EVP_PKEY **, const unsigned char **, long);
int i2d_PrivateKey(const EVP_PKEY *, unsigned char **);
X509_STORE *X509_STORE_new(void);
void X509_STORE_free(X509_STORE *);
void X509_CRL_free(X509_CRL *);
void EVP_PKEY_free(EVP_PKEY *);
X509_NAME *X509_get_subject_name(const X509 *);
X509_NAME *X509_get_issuer_name(const X509 *);
X509_NAME *X509_NAME_dup(const X509_NAME *);
int X509_NAME_cmp(const X509_NAME *, const X509_NAME *);
void X509_NAME_free(X509_NAME *);
int X509_NAME_print_ex(BIO *, const X509_NAME *, int, unsigned long);
char *X509_NAME_oneline(const X509_NAME *, char *, int);
ASN1_STRING *X509_get_serialNumber(X509 *);
int i2a_ASN1_INTEGER(BIO *, const ASN1_STRING *);
const ASN1_STRING *X509_get0_notBefore(const X509 *);
const ASN1_STRING *X509_get0_notAfter(const X509 *);
int ASN1_TIME_print(BIO *, const ASN1_STRING *);
int X509_check_host(X509 *, const char *, size_t, unsigned int, char **);
int X509_STORE_add_cert(X509_STORE *, X509 *);
int X509_STORE_add_crl(X509_STORE *, X509_CRL *);
int X509_STORE_set_flags(X509_STORE *, unsigned long);
const char *X509_verify_cert_error_string(long);

const EVP_CIPHER *EVP_aes_128_cbc(void);
const EVP_CIPHER *EVP_aes_256_cbc(void);
int EVP_EncryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *, const unsigned char *,
                       const unsigned char *);
int EVP_DecryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *, const unsigned char *,
                       const unsigned char *);
int EVP_MAC_init(EVP_MAC_CTX *, const unsigned char *, size_t, const OSSL_PARAM *);
OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char *, char *, size_t);
OSSL_PARAM OSSL_PARAM_construct_end(void);

void ENGINE_load_builtin_engines(void);
ENGINE *ENGINE_by_id(const char *);
int ENGINE_free(ENGINE *);
int ENGINE_set_default(ENGINE *, unsigned int);
EVP_PKEY *ENGINE_load_private_key(ENGINE *, const char *, UI_METHOD *, void *);
OSSL_STORE_CTX *OSSL_STORE_open(const char *, const UI_METHOD *, void *, void *, void *);
OSSL_STORE_INFO *OSSL_STORE_load(OSSL_STORE_CTX *);
int OSSL_STORE_eof(OSSL_STORE_CTX *);
int OSSL_STORE_close(OSSL_STORE_CTX *);
int OSSL_STORE_INFO_get_type(const OSSL_STORE_INFO *);
EVP_PKEY *OSSL_STORE_INFO_get1_PKEY(const OSSL_STORE_INFO *);
void OSSL_STORE_INFO_free(OSSL_STORE_INFO *);
UI_METHOD *UI_UTIL_wrap_read_pem_callback(password_cb, int);
void UI_destroy_method(UI_METHOD *);

OCSP_REQUEST *OCSP_REQUEST_new(void);
void OCSP_REQUEST_free(OCSP_REQUEST *);
OCSP_CERTID *OCSP_cert_to_id(const EVP_MD *, const X509 *, const X509 *);
void OCSP_CERTID_free(OCSP_CERTID *);
void *OCSP_request_add0_id(OCSP_REQUEST *, OCSP_CERTID *);
int i2d_OCSP_REQUEST(OCSP_REQUEST *, unsigned char **);
OCSP_RESPONSE *d2i_OCSP_RESPONSE(OCSP_RESPONSE **, const unsigned char **, long);
int i2d_OCSP_RESPONSE(OCSP_RESPONSE *, unsigned char **);
void OCSP_RESPONSE_free(OCSP_RESPONSE *);
int OCSP_response_status(OCSP_RESPONSE *);
const char *OCSP_response_status_str(long);
OCSP_BASICRESP *OCSP_response_get1_basic(OCSP_RESPONSE *);
void OCSP_BASICRESP_free(OCSP_BASICRESP *);
int OCSP_basic_verify(OCSP_BASICRESP *, STACK *, X509_STORE *, unsigned long);
int OCSP_resp_find_status(OCSP_BASICRESP *, OCSP_CERTID *, int *, int *, ASN1_STRING **,
                          ASN1_STRING **, ASN1_STRING **);
int OCSP_check_validity(ASN1_STRING *, ASN1_STRING *, long, long);
const char *OCSP_cert_status_str(long);
STACK *X509_get1_ocsp(X509 *);
void X509_email_free(STACK *);
int X509_check_issued(X509 *, X509 *);
X509_STORE_CTX *X509_STORE_CTX_new(void);
void X509_STORE_CTX_free(X509_STORE_CTX *);
int X509_STORE_CTX_init(X509_STORE_CTX *, X509_STORE *, X509 *, STACK *);
int X509_STORE_CTX_get1_issuer(X509 **, X509_STORE_CTX *, X509 *);
int X509_verify_cert(X509_STORE_CTX *);
STACK *X509_STORE_CTX_get0_chain(const X509_STORE_CTX *);
"""
