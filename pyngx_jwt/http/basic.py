"""User and password of Basic authentication (RFC 7617), and passwords as files keep them."""

from __future__ import annotations

import base64
import binascii
import ctypes
import errno
import hashlib
import hmac
import os
import re
from functools import cache

from .request import Request

_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_APR1 = "$apr1$"
_CRYPT_DATA = 262144  # bytes; more than struct crypt_data of any C library


def credentials(r: Request) -> tuple[str, str] | None:
    """What the Authorization field says, Proxy-Authorization of those who want a tunnel; None if
    it is missing or malformed (ngx_http_auth_basic_user)."""
    text = r.index.get("proxy-authorization" if r.method == "CONNECT" else "authorization")
    if text is None or text[:6].lower() != "basic ":
        return None
    decoded = decode_base64(text[6:].lstrip(" "))
    user, colon, password = decoded.partition(":") if decoded else ("", "", "")
    return (user, password) if user and colon else None


def decode_base64(text: str) -> str | None:
    """What is after an "=" does not count; None if there are strange characters."""
    text = text.partition("=")[0]
    if not _BASE64.fullmatch(text) or len(text) % 4 == 1:
        return None
    return base64.b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")


def decode_base64url(text: str) -> str | None:
    """The same for the URL-safe alphabet (ngx_decode_base64url)."""
    if "+" in text or "/" in text:
        return None
    return decode_base64(text.replace("-", "+").replace("_", "/"))


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one that a password file keeps (ngx_crypt).

    Raises OSError when crypt(3) does not know the method."""
    key = password.partition("\0")[0].encode("latin-1")
    return hmac.compare_digest(_encrypted(key, kept).encode("latin-1"), kept.encode("latin-1"))


def _encrypted(key: bytes, kept: str) -> str:
    if kept.startswith(_APR1):
        return _apr1(key, kept[len(_APR1) :].partition("$")[0][:8])
    if kept.startswith("{PLAIN}"):
        return "{PLAIN}" + key.decode("latin-1")
    if kept.startswith("{SSHA}"):
        return "{SSHA}" + _salted_sha1(key, kept[6:])
    if kept.startswith("{SHA}"):
        return "{SHA}" + _encoded(hashlib.sha1(key).digest())
    return crypt(key, kept)


def _encoded(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _salted_sha1(key: bytes, text: str) -> str:
    decoded = (decode_base64(text) or "").encode("latin-1")
    salt = decoded[20:]
    return _encoded(hashlib.sha1(key + salt).digest() + salt)


def _apr1(key: bytes, salt_text: str) -> str:
    """Apache's variant of MD5 crypt, by Poul-Henning Kamp."""
    salt, md5 = salt_text.encode("latin-1"), hashlib.md5
    mixed = md5(key + salt + key).digest()
    start = key + _APR1.encode() + salt + (mixed * (len(key) // 16 + 1))[: len(key)]
    length = len(key)
    while length:
        start += b"\0" if length & 1 else key[:1]
        length >>= 1
    final = md5(start).digest()
    for turn in range(1000):
        text = key if turn & 1 else final
        text += salt if turn % 3 else b""
        text += key if turn % 7 else b""
        final = md5(text + (final if turn & 1 else key)).digest()
    return f"{_APR1}{salt_text}${_apr1_text(final)}"


def _apr1_text(final: bytes) -> str:
    words = [(final[i] << 16 | final[i + 6] << 8 | final[i + 12], 4) for i in range(4)]
    words += [(final[4] << 16 | final[10] << 8 | final[5], 4), (final[11], 2)]
    return "".join(
        _ALPHABET[word >> 6 * place & 63] for word, size in words for place in range(size)
    )


def crypt(key: bytes, salt: str) -> str:
    """crypt_r(3) of the C library, with all methods it has; raises OSError if it refuses."""
    function = _crypt_r()
    data = ctypes.create_string_buffer(_CRYPT_DATA)
    ctypes.set_errno(0)
    encrypted: bytes | None = function(key, salt.partition("\0")[0].encode("latin-1"), data)
    if encrypted is None:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return encrypted.decode("latin-1")


@cache
def _crypt_r() -> ctypes._NamedFuncPointer:
    """Python's own module for it is gone since 3.13; libcrypt or the C library has it."""
    for name in ("libcrypt.so.1", "libcrypt.so.2", None):
        try:
            function = ctypes.CDLL(name, use_errno=True).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p]
        function.restype = ctypes.c_char_p
        return function
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
