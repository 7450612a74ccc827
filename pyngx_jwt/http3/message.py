"""What a request stream carries: a head, a body, trailers (RFC 9114, 4.1).

Sources: ngx_http_v3_parse_headers, ngx_http_v3_parse_data.
"""

from __future__ import annotations

from typing import Protocol

from ..http2.frames import Fault
from . import codes
from .frames import varint_at
from .qpack import Section, Table

_NOT_HERE = codes.OF_HTTP2 | {
    *(codes.CANCEL_PUSH, codes.SETTINGS, codes.PUSH_PROMISE, codes.GOAWAY, codes.MAX_PUSH_ID)
}
BROKEN_HEAD, BROKEN_BODY = "client sent invalid header", "client sent invalid body"


class Receiver(Protocol):
    """What takes a request."""

    def take_head(self, section: Section, length: int, end: bool) -> None:
        """The head has come whole; `length` is that of all bytes so far, `end` that of the
        stream, so that there is no body."""

    def take_body(self, data: bytes) -> None:
        """Bytes of the body."""


class MessageReader:
    """Takes a request apart.  `feed` raises Fault, which is the end of this stream only."""

    __slots__ = (
        *("_at", "_buffer", "_kind", "_left", "_most", "_receiver", "_dynamic", "has_head"),
        *("frames", "is_over", "length", "section"),
    )

    def __init__(self, receiver: Receiver, table: Table, most_string: int, most: int) -> None:
        """`most_string` and `most` are the limits of the head (Section)."""
        self._receiver, self._dynamic = receiver, table
        self._most = most_string, most
        self._buffer, self._at = b"", 0  # what has come, and where what is not read yet begins
        self._kind = -1  # of the current frame, -1 between frames
        self._left = 0  # bytes of it
        self.section: Section | None = None  # while the head arrives
        self.has_head = False
        self.is_over = False  # trailers end a message; what they say is not read
        self.length = self.frames = 0  # bytes of frames that were no body, and all frames

    @property
    def is_blocked(self) -> bool:
        """Whether the head waits for the client's table."""
        return self.section is not None and self.section.is_blocked

    @property
    def is_inside_body(self) -> bool:
        """Whether a frame of the body has not come whole."""
        return self._kind == codes.DATA

    def feed(self, data: bytes, *, end: bool) -> None:
        """Takes what has come, or goes on when the table has what was missing.  Raises Fault,
        TooLarge."""
        if self._at < len(self._buffer):
            data = self._buffer[self._at :] + data
        self._buffer, self._at = data, 0
        while self._has_more and not (self.is_over or self.is_blocked):
            if not self._step(end):
                return
        if self.is_over:
            self._buffer = b""

    @property
    def _has_more(self) -> bool:
        return self._at < len(self._buffer)

    def _step(self, end: bool) -> bool:
        """Reads a part; False if it has not come whole."""
        if self._kind < 0:
            return self._begin_frame()
        part = self._buffer[self._at : self._at + self._left]
        self._left -= len(part)
        self._at += len(part)
        kind = self._kind
        if not self._left:
            self._kind = -1
        if kind == codes.DATA:
            self._receiver.take_body(part)
            return True
        self.length += len(part)
        if kind == codes.HEADERS:
            self._read_section(part, end)
        return True

    def _begin_frame(self) -> bool:
        kind = varint_at(self._buffer, self._at)
        if kind is None:
            return False
        if kind[0] in _NOT_HERE or (kind[0] == codes.DATA and not self.has_head):
            raise self._broken(codes.FRAME_UNEXPECTED)
        if kind[0] == codes.HEADERS and self.has_head:
            self.is_over = True
            return True
        size = varint_at(self._buffer, kind[1])
        if size is None:
            return False
        self.length += size[1] - self._at
        self.frames += 1
        self._at = size[1]
        if kind[0] == codes.HEADERS:
            if not size[0]:
                raise self._broken(codes.FRAME_ERROR)
            self.section = Section(self._dynamic, *self._most)
        if size[0]:
            self._kind, self._left = kind[0], size[0]
        return True

    def _read_section(self, part: bytes, end: bool) -> None:
        assert self.section is not None
        self.section.feed(part, last=self._kind < 0)
        self._finish_section(end)

    def _finish_section(self, end: bool) -> None:
        section = self.section
        if section is None or section.is_blocked or self._kind >= 0:
            return
        self.section, self.has_head = None, True
        self._receiver.take_head(section, self.length, end and not self._has_more)

    def resume(self, *, end: bool) -> None:
        """Goes on with a head that the table has the entries for now.  Raises Fault, TooLarge."""
        if self.section is not None and not self.section.is_blocked:
            self.section.feed(b"", last=self._kind < 0)
            self._finish_section(end)
            self.feed(b"", end=end)

    def _broken(self, code: int) -> Fault:
        return Fault(code, BROKEN_BODY if self.has_head else BROKEN_HEAD)
