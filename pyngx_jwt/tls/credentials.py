"""Certificates, keys and revocation lists from files, "data:", "store:" and "engine:"."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from .errors import LIBRARY_PEM, TlsError, library_of, reason_of
from .library import openssl

DATA, STORE, ENGINE = "data:", "store:", "engine:"
_NO_START_LINE = 108  # of a PEM file: nothing follows
_STORE_KEY = 4  # OSSL_STORE_INFO_PKEY
Passwords = Sequence[bytes] | None  # None: the terminal is asked


class Pair(NamedTuple):
    """A certificate with those that follow it in the file, and its key."""

    name: str
    chain: tuple[Any, ...]
    key_name: str
    key: Any


def load_chain(name: str) -> tuple[Any, ...]:
    """A certificate and those of its issuers."""
    aux, plain = "PEM_read_bio_X509_AUX", "PEM_read_bio_X509"
    return _read_all(name, "certificate", aux, plain, openssl.X509_free)


def load_authorities(name: str) -> tuple[Any, ...]:
    """Certificates that are trusted."""
    aux = "PEM_read_bio_X509_AUX"
    return _read_all(name, "certificate", aux, aux, openssl.X509_free)


def parse_chain(data: bytes) -> tuple[Any, ...]:
    """Certificates in DER, one after the other; raises TlsError."""
    ffi, found = openssl.ffi, list[Any]()
    memory = ffi.new("unsigned char[]", data)
    at = ffi.new("const unsigned char **", memory)
    while (left := len(data) - int(at[0] - ffi.cast("const unsigned char *", memory))) > 0:
        certificate = openssl.d2i_X509(ffi.NULL, at, left)
        if certificate == ffi.NULL:
            raise TlsError("d2i_X509_bio() failed")
        found.append(ffi.gc(certificate, openssl.X509_free))
    if not found:
        raise TlsError("d2i_X509_bio() failed")
    return tuple(found)


def parse_key(data: bytes) -> Any:
    """A key in DER; raises TlsError."""
    ffi = openssl.ffi
    memory = ffi.new("unsigned char[]", data)
    at = ffi.new("const unsigned char **", memory)
    key = openssl.d2i_AutoPrivateKey(ffi.NULL, at, len(data))
    if key == ffi.NULL:
        raise TlsError("d2i_PrivateKey_bio() failed")
    return ffi.gc(key, openssl.EVP_PKEY_free)


def encoded_key(key: Any) -> bytes:
    """A key in DER."""
    ffi = openssl.ffi
    memory = ffi.new("unsigned char[]", openssl.i2d_PrivateKey(key, ffi.NULL))
    length = openssl.i2d_PrivateKey(key, ffi.new("unsigned char **", memory))
    return bytes(ffi.buffer(memory, length))


def load_crls(name: str) -> tuple[Any, ...]:
    """Lists of revoked certificates."""
    read = "PEM_read_bio_X509_CRL"
    return _read_all(name, "CRL", read, read, openssl.X509_CRL_free)


def _read_all(name: str, what: str, first: str, then: str, free: Any) -> tuple[Any, ...]:
    ffi, failed = openssl.ffi, f'cannot load {what} "{name}"'
    bio, found, reader = _open(name, failed), list[Any](), first
    while True:
        item = getattr(openssl, reader)(bio, ffi.NULL, ffi.NULL, ffi.NULL)
        if item == ffi.NULL:
            code = openssl.ERR_peek_last_error()
            ends = (library_of(code), reason_of(code)) == (LIBRARY_PEM, _NO_START_LINE)
            if not (found and ends):
                raise TlsError(f"{failed}: {reader}() failed")
            openssl.ERR_clear_error()
            return tuple(found)
        found.append(ffi.gc(item, free))
        reader = then


def load_key(name: str, passwords: Passwords = None) -> Any:
    """A private key; every password is tried."""
    failed = f'cannot load certificate key "{name}"'
    if name.startswith(ENGINE):
        return _engine_key(name.removeprefix(ENGINE), failed)
    if passwords is not None and not passwords:
        passwords = [b""]
    for password in [openssl.ffi.NULL] if passwords is None else passwords:
        openssl.ERR_clear_error()
        load = _store_key if name.startswith(STORE) else _pem_key
        key, why = load(name, password, failed)
        if key != openssl.ffi.NULL:
            return openssl.ffi.gc(key, openssl.EVP_PKEY_free)
    raise TlsError(f"{failed}: {why}")


def _pem_key(name: str, password: Any, failed: str) -> tuple[Any, str]:
    """OpenSSL takes the password from the last argument if there is no function for it."""
    ffi, bio = openssl.ffi, _open(name, failed)
    key = openssl.PEM_read_bio_PrivateKey(bio, ffi.NULL, ffi.NULL, _chars(password))
    return key, "PEM_read_bio_PrivateKey() failed"


def _store_key(name: str, password: Any, failed: str) -> tuple[Any, str]:
    """The first key of a store (RFC 7512 describes URIs of tokens)."""
    ffi = openssl.ffi
    uri, secret = name.removeprefix(STORE).encode("latin-1"), _chars(password)
    method = openssl.UI_UTIL_wrap_read_pem_callback(ffi.NULL, 0)
    store = openssl.OSSL_STORE_open(uri, method, secret, ffi.NULL, ffi.NULL)
    if store == ffi.NULL:
        openssl.UI_destroy_method(method)
        return ffi.NULL, "OSSL_STORE_open() failed"
    key = ffi.NULL
    while key == ffi.NULL and not openssl.OSSL_STORE_eof(store):
        info = openssl.OSSL_STORE_load(store)
        if info == ffi.NULL:
            continue
        if openssl.OSSL_STORE_INFO_get_type(info) == _STORE_KEY:
            key = openssl.OSSL_STORE_INFO_get1_PKEY(info)
        openssl.OSSL_STORE_INFO_free(info)
    openssl.OSSL_STORE_close(store)
    openssl.UI_destroy_method(method)
    return key, "OSSL_STORE_load() failed"


def _engine_key(name: str, failed: str) -> Any:
    ffi = openssl.ffi
    identity, colon, key_name = name.partition(":")
    if not colon:
        raise TlsError(f"{failed}: invalid syntax")
    if not openssl.has("ENGINE_by_id"):
        raise TlsError(f'{failed}: loading "engine:..." certificate keys is not supported')
    engine = openssl.ENGINE_by_id(identity.encode("latin-1"))
    if engine == ffi.NULL:
        raise TlsError(f"{failed}: ENGINE_by_id() failed")
    key = openssl.ENGINE_load_private_key(engine, key_name.encode("latin-1"), ffi.NULL, ffi.NULL)
    openssl.ENGINE_free(engine)
    if key == ffi.NULL:
        raise TlsError(f"{failed}: ENGINE_load_private_key() failed")
    return ffi.gc(key, openssl.EVP_PKEY_free)


def load_parameters(name: str) -> Any:
    """Parameters for a Diffie-Hellman exchange; they are the context's that they are given to."""
    bio = openssl.BIO_new_file(name.encode("latin-1"), b"r")
    if bio == openssl.ffi.NULL:
        raise TlsError(f'BIO_new_file("{name}") failed')
    bio = openssl.ffi.gc(bio, openssl.BIO_free)
    parameters = openssl.PEM_read_bio_Parameters(bio, openssl.ffi.NULL)
    if parameters == openssl.ffi.NULL:
        raise TlsError(f'PEM_read_bio_DHparams("{name}") failed')
    return parameters


def is_encrypted(name: str) -> bool:
    """Whether a key needs a password; what needs one is not kept."""
    if name.startswith((STORE, ENGINE)):
        return True
    if name.startswith(DATA):
        return "ENCRYPTED" in name
    if not os.path.isfile(name):  # a pipe gives what it has once only
        return False
    try:
        with open(name, "rb") as file:
            return b"ENCRYPTED" in file.read()
    except OSError:
        return False


def _chars(password: Any) -> Any:
    return password if password == openssl.ffi.NULL else openssl.ffi.new("char[]", password)


def _open(name: str, failed: str) -> Any:
    ffi = openssl.ffi
    if name.startswith(DATA):
        data = name.removeprefix(DATA).encode("latin-1")
        memory = ffi.new("char[]", data)  # lives as long as the BIO that reads it
        bio = openssl.BIO_new_mem_buf(memory, len(data))
        return ffi.gc(bio, lambda bio: (openssl.BIO_free(bio), memory)[0])
    bio = openssl.BIO_new_file(name.encode("latin-1"), b"r")
    if bio == ffi.NULL:
        raise TlsError(f"{failed}: BIO_new_file() failed")
    return ffi.gc(bio, openssl.BIO_free)
