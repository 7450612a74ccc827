"""HTTP/1 connections: reads requests, runs them one after the other, writes the answers."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import Any, Final

from ..http.client import Tunnel, TunnelSide
from ..http.engine import conclude
from ..http.head import RequestHead, new_head
from ..http.incoming import request_of, status_of_choice
from ..http.lifecycle import CLIENT_GONE, leave, note_dropped, serve
from ..http.ports import Port
from ..http.request import Request, Server
from ..http.runner import Runner, run_eagerly
from ..http.status import TO_HTTPS
from ..http1.head_types import HeadOptions, RefusedHead
from ..http1.reader import HeadReader
from ..http1.response_head import build_head
from ..log import Severity
from .connection import SocketConnection
from .framing import delimit
from .front_end import TIMED_OUT, FrontEnd
from .input import ClientBody

PIPELINE_LIMIT: Final = 65536  # bytes of further requests kept while one is being served
WRITE_BUFFER: Final = 1  # bytes that wait for the kernel before the transport says so
TURN: Final = 32  # pipelined requests served before other connections have their turn
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpProtocol(SocketConnection):
    """One client connection.  It is the sink of its request's answer, and feeds its body.

    What it does at a time, by what is set:

    | state | request | body | answered | lingering | waits for, at the most |
    |---|---|---|---|---|---|
    | idle | - | - | - | - | a request, keepalive_timeout (the first: client_header_timeout) |
    | reading a head | - | - | - | - | its end, client_header_timeout (`head_begun`) |
    | reading a body | yes | incomplete | no | - | more of it, client_body_timeout |
    | serving | yes | any | no | - | the handlers, and drain(): send_timeout |
    | sending | yes | any | yes | - | the kernel, send_timeout |
    | discarding | - | incomplete | - | - | the rest of a body, lingering_time |
    | lingering | - | - | - | until then | whatever comes, lingering_time |
    | tunnel | yes | - | no | - | either side, proxy_read_timeout (`upgraded`) |

    `closed` ends all of them; `must_close` makes the one request the last; while `turn` is set
    more pipelined requests are about to be served.
    """

    __slots__ = (
        *("_drain_waiter", "_processing", "answered", "body", "discards_until", "half_closed"),
        *("head_begun", "head_out", "held_back", "idle_until", "is_mistaken", "keepalive_timeout"),
        *("lingering", "lingering_timeout", "must_close", "options", "paused", "pipelined"),
        *("reader", "running", "turn", "unsent", "upgraded"),
    )

    def __init__(self, worker: FrontEnd, port: Port, options: HeadOptions, number: int) -> None:
        super().__init__(worker, port, number)
        self.options = options
        self.is_mistaken = False  # plain HTTP where TLS is spoken
        self.reader = HeadReader(None)
        self.head_begun = False
        self.running: Runner | None = None
        self.body: ClientBody | None = None
        self.head_out: bytes = b""
        self.must_close = False
        self.lingering = 0.0  # seconds since the epoch when that ends
        self.discards_until = 0.0  # the rest of a request body that is not wanted
        self.paused = False  # the kernel has not taken all that was written
        self.unsent = 0  # bytes of that when the clock was last looked at
        self.answered = False  # the answer is made; it is over when all of it is sent
        self.turn: asyncio.Handle | None = None
        self.half_closed = False  # the client sends no more
        self.pipelined = False  # the request came while the one before it was served
        self.held_back = False  # too much was pipelined: reading is paused
        self.upgraded: TunnelSide | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._processing = False
        # Seconds; and on the loop's clock: not closed before, even if the worker is to quit.
        self.lingering_timeout, self.keepalive_timeout, self.idle_until = 5.0, 75.0, 0.0

    # -- the connection --------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        if self.arrive(transport):
            self.await_head()

    def arrive(self, transport: Any) -> bool:
        """Takes over a connection; False if its client is gone already."""
        # Without a buffer of its own the transport says at once what the kernel has not taken:
        # the next request waits for that, and so does the end of the connection.
        if not self.take_transport(transport, WRITE_BUFFER):
            return False
        self.options = self.worker.options_of(self.server)
        if not self.address.names.only_default:
            self.reader = HeadReader(self._options_of)
        self.is_mistaken = self.address.tls is not None and self.ssl is None
        return True

    def await_first_head(self) -> None:
        """The same, unless a head has come with the connection, or has begun to."""
        if not (self.requests or self.head_begun or self.closed):
            self.await_head()

    def await_head(self) -> None:
        """The client has its time to send a head."""
        self.deadline.set(self.server.core.client_header_timeout)

    def _options_of(self, host: str) -> HeadOptions:
        """How the server of a host wants its heads to be read."""
        server = self.address.names.find_without_request(host)
        return self.options if server is None else self.worker.options_of(server)

    def choose_server(self, server: Server) -> None:
        super().choose_server(server)
        self.options = self.worker.options_of(server)
        self.deadline.set(server.core.client_header_timeout)

    @property
    def writing(self) -> int:
        return self.request is not None or self.lingering > 0

    @property
    def reading(self) -> int:
        return self.request is None and not self.lingering and bool(self.reader.buffer)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost()
        if self.body is not None:
            self.body.fail(400)
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.upgraded is not None:
            self.upgraded.client_closed()
        if self.answered:
            self._finished()
        self._client_gone()
        self.reader.end()

    def eof_received(self) -> bool:
        """A client that closes its side is gone, as far as nginx is concerned."""
        if self.upgraded is not None:
            self.upgraded.client_eof()
            return True
        if self.body is not None and not self.body.complete:
            r = self.request
            if r is not None:
                r.log(Severity.INFO, CLIENT_GONE)
            self.must_close = True
            self.body.fail(400)
            return self.request is not None
        if self.turn is not None:
            self.half_closed = True
            return True
        if self.request is None:
            if self.reader.buffer and not self.lingering:
                self._give_up(400, CLIENT_GONE)
            return False
        self.half_closed = True  # a request may go on regardless
        self._client_gone()
        return True

    def _client_gone(self) -> None:
        r, running = self.request, self.running
        if r is None or running is None or (self.body is not None and self.body.failed):
            return
        if leave(r, running):
            self.must_close = True

    def shut_down(self) -> None:
        """Closes if it idles between requests; otherwise it will be after the next one.

        A connection that has not brought a request yet may, as in nginx."""
        idles = self.request is None and self.body is None and not self.reader.buffer
        if not (self.requests and idles) or self.lingering:
            return
        left = self.idle_until - self.worker.loop.time()
        if left > 0:
            self.deadline.set(left)
        else:
            self.close()

    # -- time ------------------------------------------------------------------------------

    def _timed_out(self) -> None:
        r = self.request
        if r is None:
            if self.reader.buffer and not self.lingering:
                self._give_up(408, TIMED_OUT)
                return
            self.reset() if self.resets else self.close()
            return
        if self.paused:
            unsent = self.transport.get_write_buffer_size()
            if unsent < self.unsent:
                self._await_sending(r)
                return
            r.log(Severity.INFO, f"{TIMED_OUT} while sending response to client")
            self.must_close = self.closed = True
            self.reset() if r.location.core.reset_timedout_connection else self.transport.abort()
            self.resume_writing()
            return
        r.log(Severity.INFO, TIMED_OUT)
        if self.body is None:
            return
        self.must_close = True
        self.body.fail(408)

    def _give_up(self, status: int, why: str) -> None:
        """Ends a connection whose request head has not come whole; it is logged as a request."""
        unread = self.reader.take(self.reader.unread)
        part = "headers" if b"\n" in unread else "line"
        line = unread.partition(b"\n")[0].decode("latin-1").rstrip("\r")
        head = new_head(len(unread), line)
        r = self._new_request(head)
        r.server, r.location = self.server, self.server.location
        r.status, r.keep_alive = status, False
        r.log(Severity.INFO, f"{why} while reading client request {part}")
        self.must_close, self.request = True, r
        self.requests += 1
        self._finished()

    # -- reading ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.request is None:
            if self.lingering or self.body is not None:
                data = self._throw_away(data)
                if not data:
                    return
            reader = self.reader
            if reader.buffer:
                self._keep(data)
            else:
                reader.buffer = data  # add() for the many
            if self.turn is None:
                self._process()
            return
        if self.upgraded is not None:
            self.upgraded.client_data(data)
            return
        body = self.body
        if body is not None and not body.complete:
            end = body.feed(data)
            data = data[end:]
            if not body.complete and self.deadline.at != inf:
                self.deadline.set(self._body_timeout)
        if data:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Keeps bytes until they can be served; of those that wait there is a limit."""
        self.reader.add(data)
        waits = self.request is not None or self.turn is not None
        if waits and self.reader.unread > PIPELINE_LIMIT:
            self.held_back = True
            self.transport.pause_reading()

    def _throw_away(self, data: bytes) -> bytes:
        """What comes after the answer: the rest of a body, or whatever, before closing."""
        if self.lingering:
            if time.time() > self.lingering:
                self.close()
            self.deadline.set(self.lingering_timeout)
            return b""
        body = self.body
        assert body is not None
        end = body.feed(data)
        left = self.discards_until - time.time()
        if body.complete:
            self.body = None
            if self.worker.stopping:
                self.close()
                return b""
            self.deadline.set(self.keepalive_timeout)
            return data[end:]
        if body.failed or left <= 0:
            self.close()
        else:
            self.deadline.set(min(self.lingering_timeout, left))
        return b""

    @property
    def _body_timeout(self) -> float:
        assert self.request is not None
        timeout: float = self.request.location.core.client_body_timeout
        return timeout

    def _process(self) -> None:
        """Serves the requests in the buffer as far as they need no waiting, some at a time."""
        if self._processing:
            return
        self._processing = True
        self.turn = None
        try:
            for _ in range(TURN):
                if self.request is not None or self.closed or self.lingering:
                    break
                if not self.reader.buffer:
                    break
                if not self._next_request():
                    break
            else:
                if self.request is None and self.reader.buffer:
                    self.turn = self.worker.loop.call_soon(self._process)
        finally:
            self._processing = False
        if self.request is not None or self.turn is not None:
            return
        if self.held_back and not self.closed:
            self.held_back = False
            self.transport.resume_reading()
        if self.half_closed:
            self.close()

    def _next_request(self) -> bool:
        """Starts one request; False when its head is not complete."""
        head = self.reader.next(self.options)
        if head is None:
            if self.reader.buffer and not self.head_begun:
                self.head_begun = True
                self.await_head()
            return False
        self.head_begun = False
        self.requests += 1
        if isinstance(head, RefusedHead):
            self._refuse(head)
            return False
        r = self._new_request(head)
        names = self.address.names
        if names.has_regexes and (status := status_of_choice(r, names)):
            self._answer(r, status)
            return True
        if head.content_length > 0 or head.chunked:
            self._take_body(r, head)
        if head.dropped:
            note_dropped(r)
        if self.is_mistaken:
            self._refuse_plain(r)
        else:
            self._start(r)
        return True

    def _new_request(self, head: RequestHead) -> Request:
        r = request_of(head, self, self, self.address.names)
        if self.pipelined:
            r.pipelined = True
        return r

    def _refuse_plain(self, r: Request) -> None:
        """Answers plain HTTP on a TLS port (ngx_http_process_request)."""
        text = "client sent plain HTTP request to HTTPS port"
        r.log(Severity.INFO, f"{text} while reading client request headers")
        r.keep_alive, self.must_close = False, True
        self._start(r, TO_HTTPS)

    def _start(self, r: Request, status: int = 0) -> None:
        """Serves the request, or answers it with a status."""
        self.deadline.clear()
        self.request = r
        rest = serve(r, status)
        if rest is None:
            self.running = None
        else:
            self.running = run_eagerly(rest, self.worker.loop, self._done)
        if self.running is None:
            self._end_request()

    def _answer(self, r: Request, status: int) -> None:
        """Answers a request that is not served, and closes."""
        r.keep_alive, self.must_close = False, True
        self.reader.forget()
        self._start(r, status)

    def _take_body(self, r: Request, head: RequestHead) -> None:
        body = self.body = ClientBody(self, -1 if head.chunked else head.content_length)
        r.body_in = body
        reader = self.reader
        if reader.buffer:
            reader.take(body.feed(reader.buffer, reader.at) - reader.at)
        if self.held_back and not body.complete:
            self.held_back = False  # the rest of the body is what comes next
            if not body.is_paused:
                self.transport.resume_reading()

    def _refuse(self, refused: RefusedHead) -> None:
        """Answers a head that cannot be served, and closes.

        Its body is not read, so none is announced to where an error page may lead."""
        r = self._new_request(refused.head)
        if not refused.names_server:  # it is still the one that the handshake chose
            r.server, r.location = self.server, self.server.location
        r.content_length_in, r.chunked_in = -1, False
        status = status_of_choice(r, self.address.names) or refused.status
        if refused.message:
            r.log(Severity.INFO, refused.message)
        self._answer(r, status)

    # -- the body --------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if not self.closed:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not (self.closed or self.held_back):
            self.transport.resume_reading()

    def before_read(self) -> None:
        """A reader waits for the body: watch the clock."""
        if self.request is not None:
            self.deadline.set(self._body_timeout)

    def after_read(self) -> None:
        self.deadline.clear()

    # -- the answer (Sink) -----------------------------------------------------------------

    def send_continue(self) -> None:
        self.put(CONTINUE)

    def header(self, r: Request) -> None:
        if r.http_version < 1000:
            self.must_close = True
            return
        if r.keep_alive and not self._keeps_alive(r):
            r.keep_alive = False
        delimit(r)
        self.head_out = build_head(r, self.worker.clock, self._connection_line(r))
        r.header_size = len(self.head_out)

    def _keeps_alive(self, r: Request) -> bool:
        if self.must_close or self.worker.stopping:
            return False
        if self.body is not None and self.body.failed:
            return False
        kept = r.location.keepalive
        if self.requests >= kept.requests or r.start - self.start >= kept.seconds:
            return False
        disabled = kept.disabled
        if disabled is None or not (kept.any_method or r.head.method == "POST"):
            return True
        return not disabled(r)

    def _connection_line(self, r: Request) -> str:
        if r.upgraded and r.status == 101:
            return "Connection: upgrade\r\n"
        if not r.keep_alive:
            return "Connection: close\r\n"
        return r.location.keepalive.field

    def write(self, data: bytes) -> None:
        r = self.request
        if r is None or (r.header_only and not r.upgraded):
            return
        if r.chunked_out:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self.head_out:
            data, self.head_out = self.head_out + data, b""
        self.sent += len(data)
        r.bytes_sent += len(data)
        self.put(data)

    def flush(self) -> None:
        """Sends the head now, before there is a body."""
        if self.head_out and self.request is not None:
            self.sent += len(self.head_out)
            self.request.bytes_sent += len(self.head_out)
            self.put(self.head_out)
            self.head_out = b""

    def hint(self, fields: list[tuple[str, str]]) -> None:
        r = self.request
        if r is None or r.http_version < 1001 or not fields:
            return
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
        data = f"HTTP/1.1 103 Early Hints\r\n{lines}\r\n".encode("latin-1")
        self.sent += len(data)
        r.bytes_sent += len(data)
        self.put(data)

    @property
    def tunnel(self) -> Tunnel:
        return self

    def start_tunnel(self, side: TunnelSide) -> None:
        """From now on the client's bytes go to `side`."""
        self.upgraded = side
        if self.held_back:
            self.held_back = False  # `side` says from now on when it is too much
            self.transport.resume_reading()
        if self.reader.buffer:
            side.client_data(self.reader.take(self.reader.unread))
        if self.closed:
            side.client_closed()
        elif self.half_closed:
            side.client_eof()

    def stop_tunnel(self) -> None:
        self.upgraded = None

    async def drain(self) -> None:
        if self.closed:
            raise ConnectionResetError
        if not self.paused:
            return
        r = self.request
        assert r is not None
        self._await_sending(r)
        self._drain_waiter = self.worker.loop.create_future()
        try:
            await self._drain_waiter
        finally:
            self._drain_waiter = None
            self.deadline.clear()
        if self.closed:
            raise ConnectionResetError

    def _await_sending(self, r: Request) -> None:
        """The client has its time to take some more."""
        self.unsent = self.transport.get_write_buffer_size()
        self.deadline.set(r.location.core.send_timeout)

    def end(self) -> None:
        r = self.request
        if r is None:
            return
        if r.chunked_out and not r.header_only:
            trailers = "".join(f"{n}: {v}\r\n" for n, v in r.trailers)
            tail = b"0\r\n" + trailers.encode("latin-1") + b"\r\n"
            data = self.head_out + tail
            self.head_out = b""
            self.sent += len(data)
            r.bytes_sent += len(data)
            self.put(data)
        elif self.head_out:
            self.flush()

    def whole(self, r: Request, data: bytes) -> None:
        self.header(r)
        if r.header_only:  # the status may say so
            data = b""
        if not self.head_out or r.chunked_out:
            if data:
                self.write(data)
            self.end()
            return
        data, self.head_out = self.head_out + data, b""
        self.sent += len(data)
        r.bytes_sent += len(data)
        if not (self.closed or self.transport.is_closing()):
            self.transport.write(data)

    def abort(self) -> None:
        self.must_close = True
        if self.request is not None:
            self.request.keep_alive = False
        self.flush()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.answered:
            self._finished()
            self._process()

    # -- between requests ------------------------------------------------------------------

    def _done(self, error: BaseException | None) -> None:
        """The request waited, and has come to its end."""
        self.running = None
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.log(Severity.ALERT, f"a request failed: {error!r}")
            self.must_close = True
        self._end_request()
        if self.request is None:
            self._process()

    def _end_request(self) -> None:
        """The answer is made; it is over once the kernel has all of it."""
        if self.paused and not self.closed:
            assert self.request is not None
            self.answered = True
            self._await_sending(self.request)
        else:
            self._finished()

    def _finished(self) -> None:
        """The answer is on its way: log, and get ready for what comes next."""
        r, body = self.request, self.body
        assert r is not None
        conclude(r)
        self.answered = False
        self.deadline.clear()
        self.request = self.body = None
        self.pipelined = bool(self.reader.buffer)
        if self.closed:
            return
        unread = body is not None and not body.complete
        if body is not None:
            body.discard()  # reading may have been paused for it
        if not r.keep_alive or self.must_close or self.worker.stopping:
            self._close_or_linger(r, unread)
            return
        kept = r.location.keepalive
        self.keepalive_timeout = kept.idle
        if kept.idle_at_least:
            self.idle_until = self.worker.loop.time() + kept.idle_at_least
        if unread and body is not None:
            core = r.location.core
            self.body, self.lingering_timeout = body, core.lingering_timeout
            self.discards_until = time.time() + core.lingering_time
            self.deadline.set(min(core.lingering_timeout, core.lingering_time))
            return
        self.deadline.set(self.keepalive_timeout)

    def _close_or_linger(self, r: Request, unread: bool) -> None:
        """Reads on for a while, so that the client can read the answer before a reset."""
        core = r.location.core
        wanted = core.lingering_close == "always" or (
            core.lingering_close == "on" and (unread or bool(self.reader.buffer)) and r.header_sent
        )
        if not wanted or self.closed:
            self._close_as_configured(r)
            return
        self.lingering_timeout = core.lingering_timeout
        self.lingering = time.time() + core.lingering_time
        self.reader.forget()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.deadline.set(min(core.lingering_timeout, core.lingering_time))

    def _close_as_configured(self, r: Request) -> None:
        """A connection that gets no answer may be reset instead of closed."""
        if not r.header_sent and r.location.core.reset_timedout_connection:
            self.reset()
        else:
            self.close()
