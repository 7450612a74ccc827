"""A stream of HTTP/3 from its first byte on: its head, which makes it a request, and its body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..http.head import RequestHead, new_head
from ..http.lifecycle import CLIENT_GONE
from ..http.location import ServerNames
from ..http.request import Server
from ..http1.head import find_head_end, parse_head
from ..http1.head_types import HeadOptions, RefusedHead
from ..http2.frames import Fault
from ..http2.request_head import read_head
from ..http3 import codes
from ..http3.message import MessageReader
from ..http3.qpack import Section, Table, TooLarge
from ..log import Severity
from .front_end import TIMED_OUT
from .stream import READING, RequestStream

VERSION = 3000
TOO_LARGE = "client sent too large header"
# A frame counts as so many bytes more than it is long: floods of the smallest ones cost Python
# most for each byte.
FRAME_COST = 56


class Reception(Protocol):
    """What an incoming stream needs of its connection."""

    options: HeadOptions

    @property
    def names(self) -> ServerNames[Server]:
        """The servers of the address."""

    def options_of(self, host: str) -> HeadOptions | None:
        """Those of a host's server, None if it does not speak the protocol."""

    def new_request(self, number: int) -> RequestStream:
        """The stream as one of a request."""

    def reset(self, number: int, code: int) -> None:
        """Ends a stream in our direction."""

    def section_read(self, number: int, section: Section) -> None:
        """A head has come whole."""

    def widen(self, number: int) -> None:
        """What has come on a stream has been used."""

    def count(self, total: int, payload: int) -> None:
        """So many bytes have come, with so many of a message."""

    def note(self, text: str, level: Severity = Severity.INFO) -> None:
        """Logs what happened before there is a request."""

    def over(self, number: int) -> None:
        """The stream ends before it is a request."""


class IncomingStream:
    """One stream that the client has opened; `stream` is its request, once there is one."""

    __slots__ = ("_home", "_late", "ended", "number", "reader", "stream")

    def __init__(
        self,
        home: Reception,
        number: int,
        table: Table,
        loop: asyncio.AbstractEventLoop,
        patience: float,
    ) -> None:
        """`patience`: seconds in which the head must come."""
        count, size = home.options.large_client_header_buffers
        self._home, self.number = home, number
        self.reader = MessageReader(self, table, size, count * size)
        self.stream: RequestStream | None = None
        self.ended = False  # the client has said all
        self._late: asyncio.TimerHandle | None = loop.call_later(patience, self._timed_out)

    @property
    def was_read(self) -> bool:
        """Whether all that the client has said was looked at."""
        return self.ended and (self.reader.has_head or self.reader.section is None)

    @property
    def is_blocked(self) -> bool:
        """Whether the head waits for the client's table."""
        return self.stream is None and self.reader.is_blocked

    def feed(self, data: bytes, *, end: bool) -> None:
        """Takes what has come."""
        self.ended = self.ended or end
        before = self.reader.frames
        self._read(lambda: self.reader.feed(data, end=end))
        self._home.count(len(data) + FRAME_COST * (self.reader.frames - before), 0)

    def resume(self) -> None:
        """The client's table has grown."""
        self._read(lambda: self.reader.resume(end=self.ended))

    def _read(self, step: Callable[[], None]) -> None:
        try:
            step()
        except TooLarge:
            refused = RefusedHead(494, TOO_LARGE + READING, _empty_head())
            self._begin(refused, end=self.ended)
            return
        except Fault as fault:
            self._break(fault)
            return
        stream = self.stream
        if stream is None:
            if self.is_blocked:
                return  # what comes is kept: no more than the window has room for
            self._home.widen(self.number)
            if self.ended:
                self._end_early()
        elif (self.ended or self.reader.is_over) and not stream.in_closed:
            self._end_body(stream)
        elif stream.body is not None and stream.body.is_awaited:
            self._home.widen(self.number)  # for what was no part of the body

    # -- the head --------------------------------------------------------------------------

    def take_head(self, section: Section, length: int, end: bool) -> None:
        home = self._home
        home.section_read(self.number, section)
        head = read_head(
            section.fields, length, home.options, home.options_of, end=end, version=VERSION
        )
        home.count(0, sum(len(name) + len(value) for name, value in section.fields))
        self._begin(head, end=end)

    def _begin(self, head: RequestHead | RefusedHead, *, end: bool) -> None:
        self.stop_waiting()
        self.stream = stream = self._home.new_request(self.number)
        stream.begin(head, self._home.names, end=end)

    def stop_waiting(self) -> None:
        """The head is there, or will not come."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end_early(self) -> None:
        """The client has said all, and it was no head."""
        if not self.reader.length:
            self._home.note("client closed connection")
            self._give_up(codes.INTERNAL_ERROR)
            return
        self._fail(codes.INTERNAL_ERROR, 400, CLIENT_GONE + READING)

    def _timed_out(self) -> None:
        self._late = None
        if not self.reader.length:
            self._home.note(TIMED_OUT)
            self._give_up(codes.GENERAL_PROTOCOL_ERROR)
        else:
            self._fail(codes.GENERAL_PROTOCOL_ERROR, 408, TIMED_OUT + READING)

    def _give_up(self, code: int) -> None:
        self.stop_waiting()
        self._home.reset(self.number, code)
        self._home.over(self.number)

    def was_reset(self) -> None:
        """The client has given the stream up before it was a request."""
        if self.is_blocked:  # then nginx answers
            self._begin(RefusedHead(400, CLIENT_GONE + READING, _empty_head()), end=True)
        elif not self.reader.length:
            self._give_up(codes.INTERNAL_ERROR)
        else:
            self._fail(codes.INTERNAL_ERROR, 400, CLIENT_GONE + READING)

    def _break(self, fault: Fault) -> None:
        if fault.args[0]:
            self._home.note(fault.args[0])
        stream = self.stream
        if stream is None:
            self._fail(fault.code, 400, "client sent invalid header" + READING)
        elif not stream.reset_sent:
            stream.request.log(Severity.ERR, "client sent invalid body")
            self._home.reset(self.number, fault.code)
            stream.reset_sent = True
            stream.break_off(400)

    def _fail(self, code: int, status: int, text: str) -> None:
        """Logs a request that cannot be answered any more."""
        self._home.reset(self.number, code)
        self.stop_waiting()
        self.stream = stream = self._home.new_request(self.number)
        stream.reset_sent = True
        stream.forget()
        stream.begin(RefusedHead(status, text, _empty_head()), self._home.names, end=False)

    # -- the body --------------------------------------------------------------------------

    def take_body(self, data: bytes) -> None:
        stream = self.stream
        assert stream is not None
        self._home.count(0, len(data))
        if stream.gone:
            return
        stream.take_data(data, False)
        body = stream.body
        if body is None or body.discarding or stream.unlimited:
            self._home.widen(self.number)

    def _end_body(self, stream: RequestStream) -> None:
        if self.reader.is_inside_body and not self.reader.is_over:
            stream.refuse_body("client prematurely closed stream")
            stream.in_closed = True
            stream.break_off(400)
        else:
            stream.take_data(b"", True)


class PlainStream:
    """A stream of hq-interop: the head of an HTTP/0.9 request, and nothing else."""

    __slots__ = ("_buffer", "_home", "ended", "number", "stream")

    def __init__(self, home: Reception, number: int) -> None:
        self._home, self.number = home, number
        self._buffer = b""
        self.ended = False
        self.stream: RequestStream | None = None

    def feed(self, data: bytes, *, end: bool) -> None:
        """Takes what has come."""
        self.ended = self.ended or end
        self._home.count(len(data), len(data))
        self._home.widen(self.number)
        if self.stream is not None:
            if end:
                self.stream.in_closed = True
            return
        self._buffer += data
        options = self._home.options
        if find_head_end(self._buffer) < 0 and len(self._buffer) <= options.most:
            if end:
                self._home.reset(self.number, codes.INTERNAL_ERROR)
                self._home.over(self.number)
            return
        head = parse_head(self._buffer, options)
        self.stream = stream = self._home.new_request(self.number)
        stream.begin(head, self._home.names, end=True)


def _empty_head() -> RequestHead:
    head = new_head(0, "")
    head.http_version = VERSION
    return head
