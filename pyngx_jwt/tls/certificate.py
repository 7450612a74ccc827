"""What certificates say: that of the other side, as nginx's variables show it, and ours."""

from __future__ import annotations

import base64
import hashlib
from calendar import timegm
from collections.abc import Callable
from typing import Any

from .library import openssl

DAY = 86400  # seconds
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC2253 = 0x1110317  # XN_FLAG_RFC2253
_COMMON_NAME = 13  # NID_commonName
_KEYS = {6: "RSA", 912: "RSA", 408: "EC", 116: "DSA"}  # EVP_PKEY_RSA, _RSA_PSS, _EC, _DSA
# Errors that stand for an unknown issuer (ngx_ssl_verify_error_optional).
_NO_AUTHORITY = frozenset({18, 19, 20, 21, 27})


class PeerCertificate:
    """A certificate; texts are latin-1."""

    __slots__ = ("_pointer",)

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer

    @property
    def pem(self) -> str:
        return _written(lambda bio: openssl.PEM_write_bio_X509(bio, self._pointer))

    @property
    def der(self) -> bytes:
        return encoded(self._pointer)

    @property
    def sha1(self) -> str:
        """The fingerprint, in hexadecimal."""
        return hashlib.sha1(self.der, usedforsecurity=False).hexdigest()

    @property
    def thumbprint(self) -> str:
        """The SHA-256 in base64url without padding (RFC 8705, 3.1: x5t#S256)."""
        digest = hashlib.sha256(self.der).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    @property
    def subject(self) -> str:
        return _name(openssl.X509_get_subject_name(self._pointer))

    @property
    def issuer(self) -> str:
        return _name(openssl.X509_get_issuer_name(self._pointer))

    @property
    def subject_line(self) -> str:
        """The subject as it was written before RFC 2253."""
        return _line(openssl.X509_get_subject_name(self._pointer))

    @property
    def issuer_line(self) -> str:
        """The issuer as it was written before RFC 2253."""
        return _line(openssl.X509_get_issuer_name(self._pointer))

    @property
    def common_name(self) -> bytes | None:
        """The first one of the subject, in UTF-8."""
        name, ffi = openssl.X509_get_subject_name(self._pointer), openssl.ffi
        index = openssl.X509_NAME_get_index_by_NID(name, _COMMON_NAME, -1)
        if index < 0:
            return None
        value = openssl.X509_NAME_ENTRY_get_data(openssl.X509_NAME_get_entry(name, index))
        text = ffi.new("unsigned char **")
        size = openssl.ASN1_STRING_to_UTF8(text, value)
        if size < 0:
            return None
        data = bytes(ffi.buffer(text[0], size))
        openssl.CRYPTO_free(text[0], b"", 0)
        return data

    @property
    def signature(self) -> str:
        """The algorithm with which it is signed, as OpenSSL calls it."""
        number = openssl.X509_get_signature_nid(self._pointer)
        text: str = openssl.ffi.string(openssl.OBJ_nid2sn(number)).decode()
        return text

    @property
    def key_kind(self) -> str:
        """The kind of its key and its bits, as "EC256"; "" for other kinds than the usual."""
        key = openssl.X509_get0_pubkey(self._pointer)
        kind = _KEYS.get(openssl.EVP_PKEY_get_base_id(key)) if key != openssl.ffi.NULL else None
        return f"{kind}{openssl.EVP_PKEY_get_bits(key)}" if kind else ""

    @property
    def serial(self) -> str:
        """The serial number in hexadecimal."""
        number = openssl.X509_get_serialNumber(self._pointer)
        return _written(lambda bio: openssl.i2a_ASN1_INTEGER(bio, number))

    @property
    def start(self) -> str:
        """When it becomes valid, as "Nov 30 07:00:00 2026 GMT"."""
        return _time(openssl.X509_get0_notBefore(self._pointer))

    @property
    def end(self) -> str:
        """When it ends."""
        return _time(openssl.X509_get0_notAfter(self._pointer))

    def days_left(self, now: float) -> int:
        """Whole days until it ends, 0 if it has ended."""
        end = seconds_of(openssl.X509_get0_notAfter(self._pointer))
        return max(int((end - int(now)) // DAY), 0)

    def is_for(self, host: str) -> bool:
        """Whether it is a host's (X509_check_host)."""
        name = host.encode("latin-1")
        return (
            bool(host)
            and openssl.X509_check_host(self._pointer, name, len(name), 0, openssl.ffi.NULL) == 1
        )


def is_optional(error: int) -> bool:
    """Whether only the issuer is unknown."""
    return error in _NO_AUTHORITY


def error_text(error: int) -> str:
    """What a verification error means, in OpenSSL's words."""
    text: str = openssl.ffi.string(openssl.X509_verify_cert_error_string(error)).decode()
    return text


def seconds_of(time: Any) -> float:
    """A time of OpenSSL, in seconds since the epoch."""
    month, day, clock, year, *_ = _time(time).split()
    hour, minute, second = map(int, clock.split(":"))
    number = _MONTHS.index(month) + 1
    return float(timegm((int(year), number, int(day), hour, minute, second)))


def _written(write: Callable[[Any], Any]) -> str:
    bio = openssl.ffi.gc(openssl.BIO_new(openssl.BIO_s_mem()), openssl.BIO_free)
    write(bio)
    size = openssl.BIO_ctrl_pending(bio)
    data = openssl.ffi.new("char[]", size or 1)
    openssl.BIO_read(bio, data, size)
    return bytes(openssl.ffi.buffer(data, size)).decode("latin-1")


def _name(name: Any) -> str:
    return _written(lambda bio: openssl.X509_NAME_print_ex(bio, name, 0, _RFC2253))


def _line(name: Any) -> str:
    text: str = openssl.ffi.string(one_line(name)).decode("latin-1")
    return text


def _time(time: Any) -> str:
    return _written(lambda bio: openssl.ASN1_TIME_print(bio, time))


def encoded(certificate: Any) -> bytes:
    """A certificate in DER."""
    ffi = openssl.ffi
    size = openssl.i2d_X509(certificate, ffi.NULL)
    data = ffi.new("unsigned char[]", size)
    openssl.i2d_X509(certificate, ffi.new("unsigned char **", data))
    return bytes(ffi.buffer(data, size))


def one_line(name: Any) -> Any:
    """A distinguished name as OpenSSL used to write it."""
    text = openssl.X509_NAME_oneline(name, openssl.ffi.NULL, 0)
    return openssl.ffi.gc(text, lambda text: openssl.CRYPTO_free(text, b"", 0))
