"""nginx's cache files, version 5: a binary header, the key, the response as it came.

The header is ngx_http_file_cache_header_t as compilers for 64-bit little-endian machines lay
it out.  Nothing read from a file is trusted, and nothing raises.
"""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from hashlib import md5
from typing import NamedTuple

from ..log import Severity

VERSION = 5
MAX_ETAG = MAX_VARY = 128  # bytes
NO_VARIANT = bytes(16)

_HEADER = struct.Struct("<Q 5q I 3H B128s B128s 16s 4x")
HEADER_SIZE = _HEADER.size
_KEY_LINE = b"\nKEY: "
_KEY_START = HEADER_SIZE + len(_KEY_LINE)
_MAX_START = 0xFFFF  # header_start and body_start are 16 bits wide


class Header(NamedTuple):
    """The binary header.  Times are seconds since the epoch, the ``updating_sec`` and
    ``error_sec`` seconds after ``valid_sec``; ``last_modified`` is -1 if there was none.

    The response's header is at ``header_start``, its body at ``body_start``.
    """

    version: int
    valid_sec: int
    updating_sec: int
    error_sec: int
    last_modified: int
    date: int
    crc32: int
    valid_msec: int
    header_start: int
    body_start: int
    etag_len: int
    etag_bytes: bytes
    vary_len: int
    vary_bytes: bytes
    variant: bytes

    @property
    def etag(self) -> str:
        return self.etag_bytes[: self.etag_len].decode("latin-1")

    @property
    def vary(self) -> str:
        return self.vary_bytes[: self.vary_len].decode("latin-1")


class CacheKey:
    """What a response is kept under: the text of proxy_cache_key with its values put in."""

    __slots__ = ("crc32", "header_start", "md5", "text")

    def __init__(self, text: bytes) -> None:
        self.text, self.crc32, self.md5 = text, zlib.crc32(text), md5(text).digest()
        self.header_start = _KEY_START + len(text) + 1

    @classmethod
    def of(cls, text: str) -> CacheKey:
        return CacheKey(text.encode("latin-1"))


class Fault(Enum):
    """Why a file is of no use, with the level and nginx's words."""

    SMALL = (Severity.CRIT, "is too small")
    VERSION = (Severity.INFO, "version mismatch")
    COLLISION = (Severity.CRIT, "has md5 collision")
    LONG_HEADER = (Severity.CRIT, "has too long header")
    VARY_LENGTH = (Severity.CRIT, "has incorrect vary length")
    VARY_HASH = (Severity.CRIT, "has incorrect vary hash")
    INVALID_HEADER = (Severity.CRIT, "contains invalid header")
    PURGED = (Severity.INFO, "has been purged")

    @property
    def level(self) -> Severity:
        return self.value[0]

    @property
    def text(self) -> str:
        return self.value[1]


def new_header(
    key: CacheKey,
    body_start: int,
    *,
    valid_sec: int,
    updating_sec: int = 0,
    error_sec: int = 0,
    last_modified: int = -1,
    date: int = 0,
    etag: str = "",
    vary: str = "",
    variant: bytes = NO_VARIANT,
) -> Header | None:
    """The header of a response to be kept, None if it has no room for the lengths.

    An etag that is too long is left out and a Vary cut, as nginx does.
    """
    if body_start > _MAX_START:
        return None
    etag_bytes, vary_bytes = etag.encode("latin-1"), vary.encode("latin-1")[:MAX_VARY]
    if len(etag_bytes) > MAX_ETAG:
        etag_bytes = b""
    return Header(
        VERSION,
        valid_sec,
        updating_sec,
        error_sec,
        last_modified,
        date,
        key.crc32,
        0,
        key.header_start,
        body_start,
        len(etag_bytes),
        etag_bytes,
        len(vary_bytes),
        vary_bytes,
        variant if vary_bytes else NO_VARIANT,
    )


def pack(header: Header) -> bytes:
    """The first HEADER_SIZE bytes of a file."""
    return _HEADER.pack(*header)


def key_line(key: CacheKey) -> bytes:
    """What stands between the binary header and the response."""
    return b"%s%s\n" % (_KEY_LINE, key.text)


def unpack(data: bytes) -> Header | None:
    """The header of a file that begins with ``data``, None if it is too short."""
    if len(data) < HEADER_SIZE:
        return None
    return Header._make(_HEADER.unpack_from(data))


def key_of(data: bytes, header: Header) -> bytes:
    """The text of the key of a file that begins with ``data``."""
    return data[_KEY_START : header.header_start - 1]


def check(data: bytes, key: CacheKey, longest: int, length: int) -> Header | Fault:
    """The header, if the file that begins with ``data`` holds an answer for the key.

    ``longest`` is how far the response's header may reach, ``length`` the size of the file;
    both in bytes.  In the order of ngx_http_file_cache_read; the variant is the caller's to
    compare, for it takes the request.
    """
    if len(data) < key.header_start:
        return Fault.SMALL
    header = Header._make(_HEADER.unpack_from(data))
    if header.version != VERSION:
        return Fault.VERSION
    if header.crc32 != key.crc32 or header.header_start != key.header_start:
        return Fault.COLLISION
    if key_of(data, header) != key.text:
        return Fault.COLLISION
    if header.body_start > longest:
        return Fault.LONG_HEADER
    if header.vary_len > MAX_VARY:
        return Fault.VARY_LENGTH
    # nginx relies on the two that follow without looking.
    if header.etag_len > MAX_ETAG or not key.header_start <= header.body_start <= length:
        return Fault.INVALID_HEADER
    return header
