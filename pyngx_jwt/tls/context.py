"""The settings of TLS connections: a context of OpenSSL, as nginx sets it up (ngx_ssl_create)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol

from .certificate import encoded, one_line
from .credentials import Pair
from .errors import TlsError
from .library import openssl

_VERSIONS = {"SSLv3": 25, "TLSv1": 26, "TLSv1.1": 28, "TLSv1.2": 27, "TLSv1.3": 29}  # bits of NO_x
_TLS13 = 0x0304
_NO_TICKET, _SERVER_PREFERENCE, _NO_ANTI_REPLAY = 1 << 14, 1 << 22, 1 << 24
_NO_CERTIFICATE_COMPRESSION = (1 << 32) + (1 << 33)  # sent and received
_OPTIONS = sum(1 << bit for bit in (7, 17, 24, 30))  # see __init__
_MODE, _GROUPS, _MIN, _MAX, _CHAIN, _CHAIN_CERTIFICATE = 33, 92, 123, 124, 88, 89  # SSL_CTX_ctrl
_CACHE_SIZE, _CACHE_MODE, _FRAGMENT, _DH_AUTO = 42, 44, 52, 118
_RELEASE_BUFFERS, _NO_AUTO_CHAIN = 0x10, 0x08
VERIFY_PEER = 1
_CRL_CHECK, _CRL_CHECK_ALL = 0x4, 0x8
_FILE, _DIRECTORY = 2, 3  # SSL_CONF_TYPE
_CONF_FLAGS = 0x2 | 0x4 | 0x8 | 0x10 | 0x20  # file, client, server, show errors, certificate
_ACCEPTED, _FATAL = 0, 2  # what the choice of a protocol answers
RECORDS = range(512, 16385)  # bytes of a record


class Handshaking(Protocol):
    """The connection whose handshake calls back."""

    choose: Callable[[Iterable[bytes]], bytes | None]
    certify: Callable[[], int]


class Context:
    """What many connections have in common.  Setters raise TlsError in nginx's words."""

    def __init__(self, protocols: Iterable[str], *, is_server: bool = False) -> None:
        """Enables exactly these protocols; SSLv2 does not exist any more."""
        ffi = openssl.ffi
        method = openssl.TLS_server_method if is_server else openssl.TLS_client_method
        self.is_server = is_server
        self.pointer = ffi.gc(openssl.SSL_CTX_new(method()), openssl.SSL_CTX_free)
        self.current: Handshaking | None = None  # whose handshake calls back
        self.takes_early_data = False
        self.key_log: Callable[[bytes], object] | None = None
        self.pairs: list[Pair] = []
        self.kept: list[Any] = []  # callbacks, which OpenSSL does not keep
        self._authorities: list[Any] = []  # names that clients are told
        off = versions_off(protocols)
        # An end without goodbye is an end; no compression, no check of replays (nginx has none
        # either), no renegotiation.
        openssl.SSL_CTX_set_options(self.pointer, _OPTIONS | off)
        if openssl.has("SSL_CTX_compress_certs"):
            openssl.SSL_CTX_set_options(self.pointer, _NO_CERTIFICATE_COMPRESSION)
        self._control(_MIN, 0)
        self._control(_MAX, _TLS13)
        self._control(_MODE, _RELEASE_BUFFERS | _NO_AUTO_CHAIN)

    def _control(self, command: int, number: int, pointer: Any = None) -> int:
        pointer = openssl.ffi.NULL if pointer is None else pointer
        answer: int = openssl.SSL_CTX_ctrl(self.pointer, command, number, pointer)
        return answer

    def keep(self, kind: str, function: Callable[..., Any], error: Any = None) -> Any:
        """A C function; what it answers after an exception is `error`."""
        callback = openssl.ffi.callback(
            kind, function, **({} if error is None else {"error": error})
        )
        self.kept.append(callback)
        return callback

    # -- keys and ciphers ------------------------------------------------------------------

    def set_ciphers(self, ciphers: str) -> None:
        """Those of TLS 1.2 and below."""
        if not openssl.SSL_CTX_set_cipher_list(self.pointer, ciphers.encode("latin-1")):
            raise TlsError(f'SSL_CTX_set_cipher_list("{ciphers}") failed')

    def prefer_server_ciphers(self) -> None:
        openssl.SSL_CTX_set_options(self.pointer, _SERVER_PREFERENCE)

    def use(self, pair: Pair) -> None:
        """Adds a certificate; one that has a key of the same kind is replaced."""
        certificate, *issuers = pair.chain
        if not openssl.SSL_CTX_use_certificate(self.pointer, certificate):
            raise TlsError(f'SSL_CTX_use_certificate("{pair.name}") failed')
        self._control(_CHAIN, 0)
        for issuer in issuers:
            self._control(_CHAIN_CERTIFICATE, 1, issuer)
        if not openssl.SSL_CTX_use_PrivateKey(self.pointer, pair.key):
            raise TlsError(f'SSL_CTX_use_PrivateKey("{pair.key_name}") failed')
        self.pairs.append(pair)

    def ask_for_certificates(self) -> None:
        """Lets each connection say what certificate it shows."""
        openssl.SSL_CTX_set_cert_cb(
            self.pointer, self.keep("certificate_cb", self._certify, 0), openssl.ffi.NULL
        )

    def _certify(self, ssl: Any, _: Any) -> int:
        assert self.current is not None
        return self.current.certify()

    def set_curves(self, names: str) -> None:
        """Groups for the key exchange, separated by colons."""
        if not self._control(_GROUPS, 0, openssl.ffi.new("char[]", names.encode("latin-1"))):
            raise TlsError(f'SSL_CTX_set1_curves_list("{names}") failed')

    def set_dh_parameters(self, parameters: Any) -> None:
        """Takes the parameters over."""
        if not openssl.SSL_CTX_set0_tmp_dh_pkey(self.pointer, parameters):
            raise TlsError("SSL_CTX_set0_tmp_dh_pkey() failed")

    def set_record_size(self, size: int) -> None:
        """Limits what one record holds, in bytes."""
        self._control(_FRAGMENT, min(max(size, RECORDS[0]), RECORDS[-1]))

    def compress_certificates(self) -> bool:
        """False if this version of OpenSSL cannot."""
        if not openssl.has("SSL_CTX_compress_certs"):
            return False
        if not openssl.SSL_CTX_compress_certs(self.pointer, 0):
            raise TlsError("SSL_CTX_compress_certs() failed, ignored")
        openssl.SSL_CTX_clear_options(self.pointer, 1 << 32)
        return True

    def run_commands(
        self, commands: Iterable[tuple[str, str]], full_name: Callable[[str], str]
    ) -> None:
        """Runs configuration commands of OpenSSL (SSL_CONF_cmd)."""
        conf = openssl.ffi.gc(openssl.SSL_CONF_CTX_new(), openssl.SSL_CONF_CTX_free)
        openssl.SSL_CONF_CTX_set_flags(conf, _CONF_FLAGS)
        openssl.SSL_CONF_CTX_set_ssl_ctx(conf, self.pointer)
        for name, value in commands:
            key = name.encode("latin-1")
            if openssl.SSL_CONF_cmd_value_type(conf, key) in (_FILE, _DIRECTORY):
                value = full_name(value)
            if openssl.SSL_CONF_cmd(conf, key, value.encode("latin-1")) <= 0:
                raise TlsError(f'SSL_CONF_cmd("{name}", "{value}") failed')
        if openssl.SSL_CONF_CTX_finish(conf) != 1:
            raise TlsError("SSL_CONF_finish() failed")

    def log_keys(self, write: Callable[[bytes], object]) -> None:
        """Hands over what connections can be decrypted with, in lines of an SSLKEYLOGFILE."""
        self.key_log = write
        log = self.keep("keylog_cb", lambda _, line: self.note_keys(line))
        openssl.SSL_CTX_set_keylog_callback(self.pointer, log)

    def note_keys(self, line: Any) -> None:
        """OpenSSL has a line for that log, if there is one."""
        if self.key_log is not None:
            self.key_log(openssl.ffi.string(line) + b"\n")

    def allow_early_data(self) -> None:
        """Lets clients that resume a session send up to one record with their hello."""
        openssl.SSL_CTX_set_max_early_data(self.pointer, RECORDS[-1])
        self.takes_early_data = True
        openssl.SSL_CTX_set_max_early_data(self.pointer, RECORDS[-1])

    # -- verification ----------------------------------------------------------------------

    def verify(self, depth: int) -> None:
        """Asks for a certificate, or looks at the server's.

        A handshake succeeds in any case: the result says what is wrong with the certificate."""
        openssl.SSL_CTX_set_verify(self.pointer, VERIFY_PEER, accept_any())
        self.set_depth(depth)

    def set_depth(self, depth: int) -> None:
        openssl.SSL_CTX_set_verify_depth(self.pointer, depth)

    def trust(self, name: str, certificates: Iterable[Any]) -> None:
        """Adds authorities that certificates are verified with."""
        store = self.store
        for certificate in certificates:
            if openssl.X509_STORE_add_cert(store, certificate) != 1:
                raise TlsError(f'X509_STORE_add_cert("{name}") failed')

    def announce(self, certificates: Iterable[Any]) -> None:
        """Tells clients the names of these authorities."""
        names = openssl.OPENSSL_sk_new_null()
        for certificate in certificates:
            name = openssl.X509_get_subject_name(certificate)
            if any(not openssl.X509_NAME_cmp(name, other) for other in self._authorities):
                continue
            self._authorities.append(name)
            openssl.OPENSSL_sk_push(names, openssl.X509_NAME_dup(name))
        self.kept.append(certificates)  # whose names those are
        openssl.SSL_CTX_set_client_CA_list(self.pointer, names)

    def revoke(self, name: str, lists: Iterable[Any]) -> None:
        """Checks all certificates of a chain against these lists."""
        store = self.store
        for crl in lists:
            if openssl.X509_STORE_add_crl(store, crl) != 1:
                raise TlsError(f'X509_STORE_add_crl("{name}") failed')
        openssl.X509_STORE_set_flags(store, _CRL_CHECK | _CRL_CHECK_ALL)

    @property
    def store(self) -> Any:
        """The authorities that certificates are verified with."""
        return openssl.SSL_CTX_get_cert_store(self.pointer)

    def issuer_of(self, certificate: Any, chain: Iterable[Any]) -> Any:
        """Who has issued a certificate: one of the chain or a trusted one, else None."""
        for issuer in chain:
            if openssl.X509_check_issued(issuer, certificate) == 0:
                return issuer
        null = openssl.ffi.NULL
        search = openssl.ffi.gc(openssl.X509_STORE_CTX_new(), openssl.X509_STORE_CTX_free)
        found = openssl.ffi.new("X509 **")
        openssl.X509_STORE_CTX_init(search, self.store, null, null)
        if openssl.X509_STORE_CTX_get1_issuer(found, search, certificate) != 1:
            openssl.ERR_clear_error()
            return None
        return openssl.ffi.gc(found[0], openssl.X509_free)

    # -- protocols after TLS ---------------------------------------------------------------

    def choose_protocols(self) -> None:
        """Lets each connection choose the protocol that it speaks (ALPN)."""
        openssl.SSL_CTX_set_alpn_select_cb(
            self.pointer, self.keep("alpn_cb", self._choose, _FATAL), openssl.ffi.NULL
        )

    def _choose(self, _: Any, chosen: Any, length: Any, offered: Any, size: int, __: Any) -> int:
        assert self.current is not None
        names, start = bytes(openssl.ffi.buffer(offered, size)), 0
        places = dict[bytes, int]()
        while start < size:
            end = start + 1 + names[start]
            places.setdefault(names[start + 1 : end], start + 1)
            start = end
        name = self.current.choose(places.keys())
        if name is None:
            return _FATAL
        chosen[0], length[0] = offered + places[name], len(name)
        return _ACCEPTED

    # -- sessions --------------------------------------------------------------------------

    def set_session_timeout(self, seconds: int) -> None:
        openssl.SSL_CTX_set_timeout(self.pointer, seconds)

    def disable_tickets(self) -> None:
        openssl.SSL_CTX_set_options(self.pointer, _NO_TICKET)

    def set_cache(self, mode: int, size: int | None = None) -> None:
        """`mode` is made of OpenSSL's SSL_SESS_CACHE bits; `size` counts sessions."""
        self._control(_CACHE_MODE, mode)
        if size is not None:
            self._control(_CACHE_SIZE, size)

    def set_session_context(self, words: bytes) -> None:
        """A session is resumed only by a server with the same words, certificates and authorities
        (ngx_ssl_session_id_context)."""
        digest = hashlib.sha1(words, usedforsecurity=False)
        for pair in self.pairs:
            digest.update(hashlib.sha1(encoded(pair.chain[0]), usedforsecurity=False).digest())
        for name in self._authorities:
            digest.update(openssl.ffi.string(one_line(name)))
        openssl.SSL_CTX_set_session_id_context(self.pointer, digest.digest(), digest.digest_size)


def versions_off(protocols: Iterable[str]) -> int:
    """The options that turn off all but these protocols."""
    wanted = set(protocols)
    return sum(1 << bit for name, bit in _VERSIONS.items() if name not in wanted)


@cache
def accept_any() -> Any:
    """The result is looked at after the handshake (ngx_ssl_verify_callback)."""
    return openssl.ffi.callback("verify_cb", lambda ok, store: 1, error=0)
