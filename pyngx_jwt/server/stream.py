"""A request of an HTTP/2 or HTTP/3 connection: the sink of its response, and its body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import Protocol

from ..http.client import Tunnel
from ..http.engine import conclude
from ..http.head import RequestHead
from ..http.incoming import request_of, status_of_choice
from ..http.lifecycle import leave, note_dropped, start
from ..http.location import ServerNames
from ..http.request import Request, Server
from ..http.runner import Runner
from ..http.status import CLIENT_CLOSED, CLOSE
from ..http1.head_types import RefusedHead
from ..http2.frames import MAX_WINDOW, Fault
from ..http2.stream import Line, Stream
from ..log import Severity
from .connection import ClientConnection
from .deadline import Deadline
from .framing import drop_body
from .front_end import TIMED_OUT, FrontEnd
from .input import StreamBody

Field = tuple[str, str]
READING = " while reading client request headers"


class Why(Enum):
    """Why a stream ends before both sides have said all; each protocol has a code for it."""

    TOO_SLOW = "the client has not done its part, or is not to hear more"
    FAILED = "the response is not whole"
    ANSWERED = "the rest of the request is of no use"


class Home(Protocol):
    """What a stream needs of its connection."""

    worker: FrontEnd
    sent: int

    @property
    def link(self) -> Line:
        """What takes its frames."""

    @property
    def preread(self) -> int:
        """Bytes of a body that a client may send before it is read."""

    def largest_part(self, r: Request) -> int:
        """Bytes of a response's body in one frame, at the most."""

    def response_block(self, r: Request) -> bytes:
        """The head of a response as a header block."""

    def field_block(self, fields: Iterable[Field]) -> bytes:
        """Other fields as a header block."""

    def cut_stream(self, stream: Stream, why: Why) -> None:
        """Resets a stream, or lets the client stop sending.  Raises Fault."""

    def widen_stream(self, stream: Stream, window: int) -> None:
        """Lets the client send so many bytes of a body.  Raises Fault."""

    def drop(self, stream: Stream) -> None:
        """Forgets a stream that is over."""

    def tcp_info(self) -> bytes:
        """The kernel's struct tcp_info."""

    def end(self, fault: Fault) -> None:
        """Ends the connection."""

    def log(self, level: Severity, text: str) -> None:
        """Logs what concerns no request."""

    def stream_ended(self) -> None:
        """A stream is over."""


class StreamConnection(ClientConnection):
    """The connection as the request of a stream sees it: the client can leave a stream alone."""

    __slots__ = ("_home", "_stream")

    def __init__(self, home: Home, real: ClientConnection, stream: Stream) -> None:
        self._home, self._stream = home, stream
        self.number, self.start, self.requests = real.number, real.start, real.requests
        self.remote_addr, self.remote_port = real.remote_addr, real.remote_port
        self.binary_remote_addr = real.binary_remote_addr
        self.server_addr, self.server_port = real.server_addr, real.server_port
        self.proxy_protocol, self.ssl, self.sni = real.proxy_protocol, real.ssl, real.sni
        self.sent = 0

    @property
    def closed(self) -> bool:
        """Whether the client has given the stream up."""
        return self._stream.gone

    def tcp_info(self) -> bytes:
        return self._home.tcp_info()


class RequestStream(Stream):
    """One request.  Its states are those of HTTP/1's connection (http1.py): serving, reading a
    body, sending; and `gone` when the client has left, or is not to hear more."""

    __slots__ = (
        *("answered", "body", "connection", "deadline", "home", "left", "request"),
        *("reset_sent", "running", "timed_out"),
    )
    request: Request  # set as soon as there is one

    def __init__(self, home: Home, number: int, real: ClientConnection) -> None:
        super().__init__(home.link, number, home.preread)
        self.home = home
        self.connection = StreamConnection(home, real, self)
        self.deadline = Deadline(home.worker.loop, self._timed_out)
        self.running: Runner | None = None
        self.body: StreamBody | None = None
        self.left = -1  # bytes of the response body, -1 if its length is not known
        self.answered = False  # the response is made; it is over when all of it is sent
        self.reset_sent = self.timed_out = False

    # -- the request -----------------------------------------------------------------------

    def begin(
        self, head: RequestHead | RefusedHead, names: ServerNames[Server], *, end: bool
    ) -> None:
        """Serves the request of a head; `end`: there is no body."""
        refused = head if isinstance(head, RefusedHead) else None
        good = refused.head if refused is not None else head
        assert isinstance(good, RequestHead)
        r = self.request = request_of(good, self.connection, self, names)
        self.in_closed = end
        if r.head.dropped:
            note_dropped(r)
        status = status_of_choice(r, names)
        if refused is not None:
            r.log(Severity.INFO, refused.message)
            r.content_length_in, r.chunked_in = -1, False
            self.serve(status or refused.status)
            return
        if status:
            self.serve(status)
            return
        if not end:
            self.take_body(good.content_length)
        self.serve()

    def serve(self, status: int = 0) -> None:
        """Serves the request, or answers it with a status."""
        self.running = start(self.request, self.home.worker.loop, self._done, status)
        if self.running is None:
            self._end_request()

    def take_body(self, length: int) -> None:
        """A body follows, of that length or -1."""
        self.body = self.request.body_in = StreamBody(self, length)

    def take_data(self, data: bytes, end: bool) -> None:
        """Bytes of the body have come."""
        self.in_closed = end
        if self.body is not None:
            if self.deadline.at != inf and self.body.is_awaited:
                self.before_read()
            self.body.feed(data, end=end)

    def break_off(self, status: int) -> None:
        """The body cannot be had, and the client is not to hear more."""
        if self.body is not None:
            self.body.fail(status)
        self.leave()

    def leave(self) -> None:
        """The client has given up, or the connection is over."""
        if self.gone:
            return
        body, awaited = self.body, False
        if body is not None and not body.complete:
            awaited = body.is_awaited
            body.fail(CLIENT_CLOSED)
        self.forget()
        if self.answered:
            self._finished()
        elif awaited:
            self.request.log(Severity.INFO, "client prematurely closed stream")
        elif self.running is not None:
            leave(self.request, self.running)

    def _done(self, error: BaseException | None) -> None:
        """The request waited, and has come to its end."""
        self.running = None
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.home.log(Severity.ALERT, f"a request failed: {error!r}")
        self._end_request()

    def _end_request(self) -> None:
        """The response is made; it is over once the kernel has all of it."""
        if not self.gone and (self.unsent or (self.link.paused and self.out_closed)):
            self.answered = True
            self.link.waiting.add(self)
            self._await_sending()
        else:
            self._finished()

    def wake(self) -> None:
        super().wake()
        if self.answered and not self.unsent and not self.link.paused:
            self._finished()

    def _finished(self) -> None:
        conclude(self.request)
        if self.answered:
            self.answered = False
            self.link.waiting.discard(self)
        self.deadline.stop()
        try:
            self._reset()
        except Fault as fault:
            self.home.end(fault)
        self.home.drop(self)
        self.gone = True
        self.home.stream_ended()

    def _reset(self) -> None:
        """Tells the client what it cannot see: that the response is not whole, or that the rest
        of the body is of no use."""
        if self.reset_sent or (self.gone and not self.timed_out):
            return
        if not self.out_closed:
            blames = self.timed_out or self.request.status == CLOSE
            self.home.cut_stream(self, Why.TOO_SLOW if blames else Why.FAILED)
        elif not self.in_closed:
            self.home.cut_stream(self, Why.ANSWERED)

    def _timed_out(self) -> None:
        body = self.body
        if body is not None and body.is_awaited:
            if self.recv_window <= 0 and not self.unlimited:  # it cannot send
                self.before_read()
                return
            self.timed_out = True
            self.request.log(Severity.INFO, TIMED_OUT)
            body.fail(408)
            return
        self.timed_out = True
        self.request.log(Severity.INFO, f"{TIMED_OUT} while sending response to client")
        self.forget()
        if self.answered:
            self._finished()

    # -- the body --------------------------------------------------------------------------

    def before_read(self) -> None:
        """A reader waits for the body: watch the clock."""
        self.deadline.set(self.request.location.core.client_body_timeout)

    def after_read(self) -> None:
        self.deadline.clear()

    def widen(self, window: int | None) -> None:
        """Lets the client send more of the body (ngx_http_v2_read_request_body)."""
        if self.gone or self.in_closed or self.unlimited:
            return
        if window is None:
            self.unlimited, window = True, MAX_WINDOW
        else:
            most = self.request.location.core.client_body_buffer_size
            window = max(min(window or most, most), self.home.preread)
        try:
            self.home.widen_stream(self, min(window, MAX_WINDOW))
        except Fault as fault:
            self.home.end(fault)

    def refuse_body(self, text: str) -> None:
        """Logs what is wrong with the body."""
        self.request.log(Severity.INFO, text)

    # -- the response (Sink) ---------------------------------------------------------------

    @property
    def tunnel(self) -> Tunnel | None:
        """A stream is no connection."""
        return None

    def send_continue(self) -> None:
        """nginx does not say it in HTTP/2 or HTTP/3."""

    def header(self, r: Request) -> None:
        self._prepare(r)
        self._send_head(r)

    def _prepare(self, r: Request) -> None:
        drop_body(r)
        self.largest = self.home.largest_part(r)
        if not (r.expect_trailers or r.passes_trailers):
            self.left = r.content_length

    def _send_head(self, r: Request) -> None:
        if not self.gone:
            end = r.header_only or (r.content_length == 0 and not r.expect_trailers)
            self.send_headers(self.home.response_block(r), end=end)

    def write(self, data: bytes) -> None:
        if self.request.header_only:
            return
        self.left -= len(data)
        if self.left or self.request.unbuffered:
            self.send(data)
        else:
            self.send_last(data)

    def end(self) -> None:
        trailers = self.request.trailers
        self.send_end(self.home.field_block(trailers) if trailers else b"")

    def whole(self, r: Request, data: bytes) -> None:
        self._prepare(r)
        if not data or r.header_only or not r.content_length:
            self._send_head(r)
            self.end()
        elif not self.gone:
            self.send_message(self.home.response_block(r), data)

    def abort(self) -> None:
        """What has been sent stays incomplete, and a reset says so."""

    def flush(self) -> None:
        """Nothing is held back for longer than a turn of the event loop."""

    def hint(self, fields: list[tuple[str, str]]) -> None:
        if fields and not self.gone:
            self.send_headers(self.home.field_block([(":status", "103"), *fields]), end=False)

    @property
    def paused(self) -> bool:
        return self.gone or self.unsent or self.link.paused

    async def drain(self) -> None:
        if not self.gone:
            self._await_sending()
            try:
                await self.wait_sent()
            finally:
                self.deadline.clear()
        if self.gone:
            raise ConnectionResetError

    def _await_sending(self) -> None:
        """The client has its time to take some more."""
        self.deadline.set(self.request.location.core.send_timeout)

    def sent(self, size: int, payload: int) -> None:
        r = self.request
        r.bytes_sent += size
        r.header_size += size - payload
        self.connection.sent += size
        self.home.sent += size
        if self.deadline.at != inf:
            self._await_sending()
