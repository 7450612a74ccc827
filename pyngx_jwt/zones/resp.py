"""The protocol of Redis and Valkey servers (RESP2): commands as bytes, and replies from a stream.

A reply is read within bounds, whatever the server sends: of its bytes, its elements and how deep
lists are nested.  What it announces is checked before anything is reserved for it, and a reply
that arrives byte by byte is not read again from its beginning.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

Word = bytes | str | int

LONGEST_LINE: Final = 4096  # bytes
DEEPEST: Final = 8  # lists in lists
BYTES_PER_ELEMENT: Final = 64  # how many bytes of the bound allow for one element
CHUNK: Final = 65_536
ASTERISK, DOLLAR, COLON, PLUS, MINUS = 42, 36, 58, 43, 45
_NUMBER = re.compile(rb"-?[0-9]{1,19}").fullmatch
_UNPRINTABLE = re.compile(r"[^ -~]")


class BadReply(Exception):
    """A reply that no Redis server gives to this question."""

    def __init__(self) -> None:
        super().__init__("unexpected response")


class ServerError(Exception):
    """An error that the server replies with; its text is printable."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(_UNPRINTABLE.sub("?", raw.decode("latin-1")))


def is_ok(reply: Any) -> bool:
    """Whether a command was carried out."""
    return bool(reply == b"OK")


def pack(commands: Iterable[Sequence[Word]]) -> bytes:
    """Commands as they are sent."""
    parts: list[bytes] = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        for word in words:
            raw = word if isinstance(word, bytes) else str(word).encode("latin-1")
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


class Replies:
    """Those of one connection; none has more bytes than `longest`."""

    def __init__(self, stream: asyncio.StreamReader, longest: int) -> None:
        self._stream, self._longest = stream, longest
        self._buffer = bytearray()
        self._at = 0  # where the next byte is
        self._bytes_left = 0  # of the reply that is being read
        self.received = 0  # bytes, since the beginning
        self._elements_left = 0

    @property
    def is_empty(self) -> bool:
        """Whether the server has sent nothing that has not been read."""
        return self._at == len(self._buffer)

    async def read(self) -> Any:
        """The next reply: a string, a number, None or a list of such.  Raises ServerError, BadReply
        or ConnectionError."""
        self._bytes_left = self._longest
        self._elements_left = self._longest // BYTES_PER_ELEMENT
        lists: list[list[Any]] = []
        lengths: list[int] = []
        while True:
            line = self._line()
            if line is None:
                await self._fill()
                continue
            kind, rest = line[0] if line else 0, line[1:]
            value: Any = None
            if kind == ASTERISK:
                length = _number(rest)
                if length > 0:
                    self._enter(length, len(lists))
                    lists.append([])
                    lengths.append(length)
                    continue
                value = self._empty(length, [])
            elif kind == DOLLAR:
                length = _number(rest)
                value = self._empty(length, b"") if length < 0 else await self._string(length)
            elif kind == COLON:
                value = _number(rest)
            elif kind == PLUS:
                value = rest
            elif kind == MINUS and not lists:
                raise ServerError(rest)
            else:
                raise BadReply
            while lists:
                lists[-1].append(value)
                if len(lists[-1]) < lengths[-1]:
                    break
                value = lists.pop()
                lengths.pop()
            else:
                return value

    def _enter(self, length: int, depth: int) -> None:
        """A list begins, of so many elements and in so many lists."""
        self._elements_left -= length
        if self._elements_left < 0 or depth >= DEEPEST:
            raise BadReply

    def _empty(self, length: int, value: Any) -> Any:
        if length < -1:
            raise BadReply
        return None if length else value

    def _line(self) -> bytes | None:
        """The next line, None if it is not there yet."""
        end = self._buffer.find(b"\r\n", self._at, self._at + LONGEST_LINE + 2)
        if end < 0:
            if len(self._buffer) - self._at >= LONGEST_LINE + 2:
                raise BadReply
            return None
        line = bytes(self._buffer[self._at : end])
        self._consume(end + 2)
        return line

    async def _string(self, length: int) -> bytes:
        if length + 2 > self._bytes_left:
            raise BadReply
        while len(self._buffer) - self._at < length + 2:
            await self._fill()
        end = self._at + length
        if self._buffer[end : end + 2] != b"\r\n":
            raise BadReply
        value = bytes(self._buffer[self._at : end])
        self._consume(end + 2)
        return value

    def _consume(self, end: int) -> None:
        self._bytes_left -= end - self._at
        if self._bytes_left < 0:
            raise BadReply
        self._at = end

    async def _fill(self) -> None:
        data = await self._stream.read(CHUNK)
        if not data:
            raise ConnectionError("the connection was closed")
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data
        self.received += len(data)


def _number(raw: bytes) -> int:
    if _NUMBER(raw) is None:
        raise BadReply
    return int(raw)
