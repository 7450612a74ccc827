"""The chunked transfer coding of request bodies (RFC 9112, section 7.1).

Source: ngx_http_parse_chunked. Lines end in CRLF only, extensions and trailers are
thrown away, as in nginx.

Stricter than nginx
-------------------
- Blanks behind a size must be followed by ";" or the end of the line.
- A control character in an extension is refused.
- A line of a size with its extension may have 4096 bytes, all trailers together 8192;
  nginx has no limit.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_CHUNK_SIZE = 2**63 // 16 - 1  # nginx wants room for one more digit
MAX_LINE = 4096
MAX_TRAILERS = 8192


class Fed(NamedTuple):
    """What some bytes of a connection brought."""

    chunks: list[bytes]  # of the body
    done: bool = False
    end: int = 0  # where in the bytes that were fed the body ended, once done
    status: int = 0  # 400: log "client sent invalid chunked body", close


class ChunkedDecoder:
    """Takes a body apart as it comes; once done or failed it is used up."""

    __slots__ = ("_left", "_pending", "_step", "_trailers", "announced")

    def __init__(self) -> None:
        self._step = _size_line
        self._pending = b""  # an incomplete line
        self._left = 0  # bytes of the chunk still to come
        self._trailers = 0  # bytes of trailers seen
        self.announced = 0  # sum of the sizes seen, for client_max_body_size

    def feed(self, data: bytes, position: int = 0) -> Fed:
        """Takes the bytes from a position on."""
        kept = 0
        if self._pending:
            kept = len(self._pending) - position
            data, position = self._pending + data[position:], 0
            self._pending = b""
        chunks: list[bytes] = []
        size = len(data)
        while position < size:
            if self._left:
                chunk = data[position : position + self._left]
                chunks.append(chunk)
                position += len(chunk)
                self._left -= len(chunk)
                continue
            end = self._step(self, data, position)
            if end == _DONE:
                return Fed(chunks, True, position + 2 - kept)
            if end == _MORE:
                self._pending = data[position:]
                break
            if end == _BAD:
                return Fed(chunks, status=400)
            position = end
        return Fed(chunks)


# What a step answers instead of the position behind the line it read.
_DONE, _MORE, _BAD = -1, -2, -3


def _size_line(decoder: ChunkedDecoder, data: bytes, position: int) -> int:
    line = _SIZE_LINE(data, position)
    if line is None:
        is_beginning = len(data) - position < MAX_LINE and _SIZE_LINE_BEGINNING(data, position)
        return _MORE if is_beginning else _BAD
    digits = line[1].lstrip(b"0")
    if len(digits) > 16 or line.end() - position > MAX_LINE:
        return _BAD
    size = int(digits or b"0", 16)
    if size > MAX_CHUNK_SIZE:
        return _BAD
    decoder.announced += size
    decoder._left = size
    decoder._step = _after_data if size else _trailer_line
    return line.end()


def _after_data(decoder: ChunkedDecoder, data: bytes, position: int) -> int:
    end = data[position : position + 2]
    if end == b"\r\n":
        decoder._step = _size_line
        return position + 2
    return _MORE if end == b"\r" else _BAD


def _trailer_line(decoder: ChunkedDecoder, data: bytes, position: int) -> int:
    line = _TRAILER_LINE(data, position)
    if line is None:
        is_beginning = _TRAILER_LINE_BEGINNING(data, position)
        length = len(data) - position
        return _MORE if is_beginning and decoder._trailers + length < MAX_TRAILERS else _BAD
    length = line.end() - position
    if length == 2:
        return _DONE
    decoder._trailers += length
    return line.end() if decoder._trailers <= MAX_TRAILERS else _BAD


_SIZE = rb"([0-9A-Fa-f]+)[ \t]*(?:;[\t -~\x80-\xff]*)?"
_SIZE_LINE = re.compile(_SIZE + rb"\r\n").match
_SIZE_LINE_BEGINNING = re.compile(_SIZE + rb"\r?\Z").match
_TRAILER_LINE = re.compile(rb"[^\r\n]*\r\n").match
_TRAILER_LINE_BEGINNING = re.compile(rb"[^\r\n]*\r?\Z").match
