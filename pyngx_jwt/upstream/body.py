"""Where a response body ends: after a number of bytes, after the last chunk, at the close.

A decoder is fed what the upstream sends; it appends body bytes to a list and returns what
comes after the body, or None as long as the body goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeAlias

from .errors import BadResponse
from .head import MAX_LENGTH, Headers, parse_fields

Matcher: TypeAlias = Callable[[bytes], re.Match[bytes] | None]

_SIZE = re.compile(rb"([0-9a-fA-F]+)(?:[; \t][^\r\n]*)?\r\n").match
_SIZE_START = re.compile(rb"(?:[0-9a-fA-F]+(?:[; \t][^\r\n]*)?\r?)?").fullmatch
_TRAILERS = re.compile(rb"(?:[^\r\n]+\r\n)*\r\n").match
_TRAILERS_START = re.compile(rb"(?:[^\r\n]+\r\n)*[^\r\n]*\r?").fullmatch
_KEPT_TRAILERS = re.compile(rb"(?:[^\r\n][^\n]*\n)*\r?\n").match
_KEPT_TRAILERS_START = re.compile(rb"(?:[^\r\n][^\n]*\n)*(?:[^\r\n][^\n]*|\r)?").fullmatch
_INVALID = "upstream sent invalid chunked response"


class Decoder(Protocol):
    @property
    def open_ended(self) -> bool:
        """Whether the close of the connection is a proper end."""

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None: ...


class Counted:
    """A body of known length."""

    __slots__ = ("left",)
    open_ended = False

    def __init__(self, length: int) -> None:
        self.left = length

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None:
        if len(data) < self.left:
            self.left -= len(data)
            out.append(data)
            return None
        out.append(data[: self.left])
        rest = data[self.left :]
        self.left = 0
        return rest


class UntilClose:
    """A body, or the bytes of another protocol, that only the close ends."""

    __slots__ = ()
    open_ended = True

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None:
        out.append(data)
        return None


class Chunked:
    """A chunked body (RFC 9112, 7.1), strict about CRLF as ngx_http_parse_chunked is.

    Trailers are put into the given list, or dropped if it is None.  A chunk line and all
    trailers together may take `limit` bytes.
    """

    __slots__ = ("_chunk_left", "_in_trailers", "_limit", "_pending", "_trailers")
    open_ended = False

    def __init__(self, trailers: Headers | None, limit: int) -> None:
        self._trailers, self._limit = trailers, limit
        self._pending = b""  # an unfinished line
        self._chunk_left = 0  # of the chunk and the CRLF behind it
        self._in_trailers = False

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None:
        """Raises BadResponse."""
        if self._pending:
            data, self._pending = self._pending + data, b""
        at = 0
        while not self._in_trailers:
            if self._chunk_left:
                at = self._take_chunk(data, at, out)
                if self._chunk_left:
                    return None
            line = _SIZE(data, at)
            if line is None:
                self._keep(data[at:], _SIZE_START, _INVALID)
                return None
            at = line.end()
            size = int(line[1], 16)
            if size > MAX_LENGTH - 9:
                raise BadResponse(_INVALID)
            self._chunk_left = size + 2
            self._in_trailers = not size
        return self._take_trailers(data[at:])

    def _take_chunk(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Takes what is there of the chunk; where to go on."""
        left = self._chunk_left
        end = at + left - 2
        if left > 2 and at < len(data):
            out.append(data if at == 0 and end >= len(data) else data[at:end])
        if end + 2 > len(data):
            return self._suspend_chunk(data, at)
        if data[end : end + 2] != b"\r\n":
            raise BadResponse(_INVALID)
        self._chunk_left = 0
        return end + 2

    def _suspend_chunk(self, data: bytes, at: int) -> int:
        taken = min(len(data) - at, self._chunk_left - 2)
        self._chunk_left -= taken
        self._pending = data[at + taken :]  # nothing, or a CR
        if self._pending not in (b"", b"\r"):
            raise BadResponse(_INVALID)
        return len(data)

    def _take_trailers(self, data: bytes) -> bytes | None:
        trailers = self._trailers
        block = (_TRAILERS if trailers is None else _KEPT_TRAILERS)(data)
        if block is None:
            start = _TRAILERS_START if trailers is None else _KEPT_TRAILERS_START
            self._keep(data, start, "upstream sent too big trailers")
            return None
        if trailers is not None:
            trailers += parse_fields(block[0].decode("latin-1").split("\n")[:-2])
        return data[block.end() :]

    def _keep(self, data: bytes, valid: Matcher, too_long: str) -> None:
        """Keeps an unfinished line for the next time, if it may become a proper one."""
        if not valid(data):
            raise BadResponse(_INVALID)
        if len(data) > self._limit:
            raise BadResponse(too_long)
        self._pending = data
