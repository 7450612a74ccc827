"""HTTP/1 connections: reads requests, runs them one after the other, writes the answers."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..compile import Address, Port
from ..http.engine import answer, begin, conclude
from ..http.location import Server
from ..http.regex import RegexFailed
from ..http.request import Request
from ..http.runner import Runner, run_eagerly
from ..http.status import CLIENT_CLOSED, TO_HTTPS
from ..http1.head import (
    BadRequest,
    Head,
    HeadOptions,
    PartialHead,
    find_head_end,
    parse_head,
    parse_next,
    skip_empty_lines,
)
from ..http1.head_types import new_head
from ..http1.requests import head_options
from ..http1.response_head import Clock, build_head
from ..log import Level
from ..modules.stub_status import Counts
from .input import ClientBody

NEVER = float("inf")
CLIENT_GONE = "client prematurely closed connection"
TIMED_OUT = "client timed out (110: Connection timed out)"
PIPELINE_LIMIT = 65536  # bytes of further requests kept while one is being served
WRITE_BUFFER = 1  # bytes that wait for the kernel before the transport says so
TURN = 32  # pipelined requests served before other connections have their turn
TCP_INFO = (socket.IPPROTO_TCP, getattr(socket, "TCP_INFO", 11))
KEPT = "Connection: keep-alive\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Worker:
    """What all connections of a worker share."""

    loop: asyncio.AbstractEventLoop
    clock: Clock = field(default_factory=Clock)
    connections: set[HttpProtocol] = field(default_factory=set)
    handshakes: set[Any] = field(default_factory=set)  # what will be connections
    numbers: Any = field(default_factory=lambda: count(1))
    stopping: bool = False
    accepted: int = 0
    requests_before: int = 0  # those of connections that have ended
    options: dict[Server, HeadOptions] = field(default_factory=dict)

    def options_of(self, server: Server) -> HeadOptions:
        """How a server wants request heads to be read."""
        found = self.options.get(server)
        if found is None:
            found = self.options[server] = head_options(server)
        return found

    def count(self) -> Counts:
        """The connections by what they do now."""
        writing = sum(c.request is not None or c.lingering > 0 for c in self.connections)
        reading = sum(c.reads_head for c in self.connections)
        active = len(self.connections) + len(self.handshakes)
        requests = sum(c.requests for c in self.connections)
        return Counts(
            active=active,
            reading=reading,
            writing=writing,
            waiting=active - reading - writing,
            accepted=self.accepted + len(self.handshakes),
            requests=self.requests_before + requests + reading,
        )


class HttpProtocol(asyncio.Protocol):
    """One client connection.  It is the sink of its request's answer, and feeds its body."""

    transport: Any
    remote_addr = "unix:"
    remote_port = ""
    binary_remote_addr = b""
    server_addr = ""
    server_port = ""
    proxy_protocol: Any = None
    ssl: Any = None

    def __init__(self, worker: Worker, port: Port, options: HeadOptions) -> None:
        self.worker, self.port, self.options = worker, port, options
        self.address: Address = port.address
        self.server: Server = port.address.names.default  # until Host is known
        self.is_mistaken = False  # plain HTTP where TLS is spoken
        self.number = next(worker.numbers)
        self.requests = 0
        self.sent = 0
        self.closed = False
        self.buffer = b""  # what has come and was not taken begins at `at`; b"" if all was
        self.at = 0
        self.partial: PartialHead | None = None  # of a head that has not come whole
        self.request: Request | None = None
        self.task: Runner | None = None
        self.body: ClientBody | None = None
        self.head_out: bytes = b""
        self.must_close = False
        self.last_data: bytes | None = None
        self.last_lines = b""
        self.last_head: Head | None = None
        self.last_fields: dict[str, Any] = {}
        self.lingering = 0.0
        self.discards_until = 0.0  # the rest of a request body that nobody wants
        self.paused = False  # the kernel has not taken all that was written
        self.unsent = 0  # bytes of that when the clock was last looked at
        self.answered = False  # the answer is made; it is over when all of it is sent
        self.turn: asyncio.Handle | None = None  # more pipelined requests are to be served
        self.half_closed = False  # the client sends no more
        self.pipelined = False  # the request came while the one before it was served
        self.held_back = False  # too much was pipelined: reading is paused
        self.upgraded: Any = None
        self.deadline = NEVER
        self.timer_at = NEVER
        self.timer: asyncio.TimerHandle | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._processing = False

    # -- the connection --------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        # Without a buffer of its own the transport says at once what the kernel has not taken:
        # the next request waits for that, and so does the end of the connection.
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.start = time.time()
        self.worker.connections.add(self)
        self.worker.accepted += 1
        self.ssl = transport.get_extra_info("ssl_object")
        peer = transport.get_extra_info("peername")
        if self.port.listen.family != socket.AF_UNIX and peer:
            self._take_addresses(peer, transport.get_extra_info("sockname"))
        elif self.port.listen.family == socket.AF_UNIX:
            self.server_addr = f"unix:{self.port.listen.host}"
        self.is_mistaken = self.address.tls is not None and self.ssl is None
        self._set_deadline(self.server.core.client_header_timeout)

    def choose_server(self, server: Server) -> None:
        """Takes the server that the client has named in its handshake."""
        self.server, self.options = server, self.worker.options_of(server)
        self._set_deadline(server.core.client_header_timeout)

    def _take_addresses(self, peer: tuple[Any, ...], own: tuple[Any, ...]) -> None:
        self.remote_addr, self.remote_port = peer[0], str(peer[1])
        self.server_addr, self.server_port = own[0], str(own[1])
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        self.binary_remote_addr = socket.inet_pton(family, peer[0].partition("%")[0])
        if self.port.others:
            self.address = self.port.address_of(own)
            self.server = self.address.names.default
            self.options = self.worker.options_of(self.server)

    @property
    def reads_head(self) -> bool:
        """Whether a request has begun that cannot be served yet."""
        return self.request is None and not self.lingering and bool(self.buffer)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.worker.connections.discard(self)
        self.worker.requests_before += self.requests
        if self.timer is not None:
            self.timer.cancel()
        if self.body is not None:
            self.body.fail(400)
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.upgraded is not None:
            self.upgraded.client_closed()
        if self.answered:
            self._finished()
        self._client_gone()

    def eof_received(self) -> bool:
        """A client that closes its side is gone, as far as nginx is concerned."""
        if self.upgraded is not None:
            self.upgraded.client_eof()
            return True
        if self.body is not None and not self.body.complete:
            r = self.request
            if r is not None:
                r.log(Level.INFO, CLIENT_GONE)
            self.must_close = True
            self.body.fail(400)
            return self.request is not None
        if self.turn is not None:
            self.half_closed = True
            return True
        if self.request is None:
            if self.buffer and not self.lingering:
                self._give_up(400, CLIENT_GONE)
            return False
        self._client_gone()
        return True

    def _client_gone(self) -> None:
        r, task = self.request, self.task
        if r is None or task is None or r.ignore_abort:
            return
        if self.body is not None and self.body.failed:
            return
        if not r.header_sent:
            r.status = CLIENT_CLOSED
        r.log(Level.INFO, CLIENT_GONE)
        self.must_close = True
        for clean in r.cleanups:  # not when the cancelled task gets to run
            clean()
        r.cleanups = ()
        task.cancel()

    def tcp_info(self) -> bytes:
        """The kernel's struct tcp_info, b"" where there is none."""
        sock = self.transport.get_extra_info("socket")
        try:
            return b"" if sock is None else sock.getsockopt(*TCP_INFO, 104)
        except OSError:
            return b""

    def close(self) -> None:
        """Closes once everything has been written."""
        self.transport.close()

    def shut_down(self) -> None:
        """Closes if it idles between requests; otherwise it will be after the next one.

        A connection that has not brought a request yet may, as in nginx."""
        if not self.requests or self.request is not None or self.buffer or self.body is not None:
            return
        if self.lingering:
            return
        left = self.idle_until - self.worker.loop.time()
        if left > 0:
            self._set_deadline(left)
        else:
            self.close()

    # -- time ------------------------------------------------------------------------------

    def _set_deadline(self, seconds: float) -> None:
        """One timer per connection, moved only when it fires too early."""
        now = self.worker.loop.time()
        self.deadline = deadline = now + seconds
        if deadline < self.timer_at:
            if self.timer is not None:
                self.timer.cancel()
            self.timer_at = deadline
            self.timer = self.worker.loop.call_at(deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self.timer, self.timer_at = None, NEVER
        if self.deadline == NEVER or self.closed:
            return
        now = self.worker.loop.time()
        if now < self.deadline:
            self.timer_at = self.deadline
            self.timer = self.worker.loop.call_at(self.deadline, self._check_deadline)
        else:
            self.deadline = NEVER
            self._timed_out()

    def _timed_out(self) -> None:
        r = self.request
        if r is None:
            if self.buffer and not self.lingering:
                self._give_up(408, TIMED_OUT)
                return
            self._reset() if self._resets else self.close()
            return
        if self.paused:
            unsent = self.transport.get_write_buffer_size()
            if unsent < self.unsent:
                self._await_sending(r)
                return
            r.log(Level.INFO, f"{TIMED_OUT} while sending response to client")
            self.must_close = self.closed = True
            self._reset() if r.location.core.reset_timedout_connection else self.transport.abort()
            self.resume_writing()
            return
        r.log(Level.INFO, TIMED_OUT)
        if self.body is None:
            return
        self.must_close = True
        self.body.fail(408)

    def _give_up(self, status: int, why: str) -> None:
        """Ends a connection whose request head has not come whole; it is logged as a request."""
        unread = self.buffer[self.at :]
        part = "headers" if b"\n" in unread else "line"
        line = unread.partition(b"\n")[0].decode("latin-1").rstrip("\r")
        head = new_head(len(unread), line)
        r = self._new_request(head)
        r.server, r.location = self.server, self.server.location
        r.status, r.keep_alive = status, False
        r.log(Level.INFO, f"{why} while reading client request {part}")
        self._forget_input()
        self.must_close, self.request = True, r
        self.requests += 1
        self._finished()

    @property
    def _resets(self) -> bool:
        reset: bool = self.server.core.reset_timedout_connection
        return reset

    # -- reading ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.request is None:
            if self.lingering or self.body is not None:
                data = self._throw_away(data)
                if not data:
                    return
            self._keep(data)
            if self.turn is None:
                self._process()
            return
        if self.upgraded is not None:
            self.upgraded.client_data(data)
            return
        body = self.body
        if body is not None and not body.complete:
            data = data[body.feed(data) :]
            if not body.complete and self.deadline != NEVER:
                self.deadline = self.worker.loop.time() + self._body_timeout
        if data:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Keeps bytes until they can be served; of those that wait there is a limit."""
        self.buffer = self.buffer[self.at :] + data if self.buffer else data
        self.at = 0
        waits = self.request is not None or self.turn is not None
        if waits and len(self.buffer) > PIPELINE_LIMIT:
            self.held_back = True
            self.transport.pause_reading()

    def _take(self, length: int) -> bytes:
        """The next bytes of the buffer; they are read then."""
        buffer, start = self.buffer, self.at
        end = start + length
        if end < len(buffer):
            self.at = end
            return buffer[start:end]
        self._forget_input()
        return buffer[start:] if start else buffer

    def _forget_input(self) -> None:
        self.buffer, self.at = b"", 0

    def _throw_away(self, data: bytes) -> bytes:
        """What comes after the answer: the rest of a body, or whatever, before closing."""
        if self.lingering:
            if time.time() > self.lingering:
                self.close()
            self._set_deadline(self.lingering_timeout)
            return b""
        body = self.body
        assert body is not None
        end = body.feed(data)
        left = self.discards_until - time.time()
        if body.complete:
            self.body = None
            self._set_deadline(self.keepalive_timeout)
            return data[end:]
        if body.failed or left <= 0:
            self.close()
        else:
            self._set_deadline(min(self.lingering_timeout, left))
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
                if self.request is not None or not self.buffer or self.closed or self.lingering:
                    break
                if not self._next_request():
                    break
            else:
                if self.request is None and self.buffer:
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
        same = self.last_data
        if same is not None and self.buffer.startswith(same, self.at):  # the same request again
            self._take(len(same))
            self.requests += 1
            r = Request()
            r.__dict__.update(self.last_fields)
            if self.pipelined:
                r.pipelined = True
            self._start(r)
            return True
        head = self._read_head()
        if head is None:
            return False
        self.requests += 1
        if isinstance(head, BadRequest):
            self._refuse(head, len(self.buffer) - self.at)
            return False
        data = self._take(head.length)
        if not self.address.names.only_default:
            chosen = self._read_as_chosen(head, data)
            if isinstance(chosen, BadRequest):
                self._refuse(chosen, head.length)
                return False
            head = chosen
        self._remember(head, data)
        self._begin(head)
        return True

    def _read_head(self) -> Head | BadRequest | None:
        """The head the buffer begins with, None if it is not complete."""
        if self.partial is not None:
            return self._read_more(self.partial)
        buffer, at = self.buffer, self.at
        if self.last_head is not None:
            end = buffer.find(b"\n", at) + 1
            if end and buffer.startswith(self.last_lines, end):
                head = parse_next(buffer[at:end], self.last_head, self.options)
                if head is not None:
                    return head
        if buffer[at] < 14:
            at = self.at = skip_empty_lines(buffer, at)
            if at == len(buffer):
                self._forget_input()
                return None
        end = find_head_end(buffer, at, self.options.most)
        if end >= 0:
            return parse_head(buffer[at:end], self.options)
        self.buffer, self.at = buffer[at:], 0
        self.partial = PartialHead(self.options)
        self._set_deadline(self.server.core.client_header_timeout)
        return self._read_more(self.partial)

    def _read_more(self, partial: PartialHead) -> Head | BadRequest | None:
        """Goes on with a head that comes in pieces."""
        end = partial.feed(self.buffer)
        if end == -1:
            return None
        self.partial = None
        return parse_head(self.buffer[:end], self.options) if isinstance(end, int) else end

    def _read_as_chosen(self, head: Head, data: bytes) -> Head | BadRequest:
        """The server that Host names may take other header names than the one before it."""
        server = self.address.names.find(head.host, None)
        if server is None or server is self.server:
            return head
        options = self.worker.options_of(server)
        return head if options == self.options else parse_head(data, options, self.options)

    def _remember(self, head: Head, data: bytes) -> None:
        """Keeps what a client that repeats itself will send again: most send the same
        header lines with every request of a connection."""
        plain = not (head.content_length > 0 or head.chunked or head.dropped)
        # a host in the request line is not that of the header lines
        plain = plain and head.request_line.startswith("/", len(head.method) + 1)
        if not plain or self.names_capture:
            self.last_head = self.last_data = None
            return
        if head.headers is not (self.last_head and self.last_head.headers):
            self.last_lines = data[data.find(b"\n") + 1 :]
        self.last_head, self.last_data = head, data
        self.last_fields = self._fields(head)

    def _fields(self, head: Head) -> dict[str, Any]:
        """What a head makes of a request, as its attributes."""
        names = self.address.names
        server = names.default
        if not (names.only_default or self.names_capture):
            server = names.find(head.host, None) or server
        fields = {
            "connection": self,
            "sink": self,
            "server": server,
            "location": server.location,
            "request_line": head.request_line,
            "method": head.method,
            "original_method": head.method,
            "http_version": head.http_version,
            "unparsed_uri": head.unparsed_uri,
            "uri": head.uri,
            "args": head.args,
            "host": head.host,
            "headers_in": head.headers,
            "index": head.index,
            "host_header": head.index.get("host", ""),
            "keep_alive": head.keep_alive,
            "valid_unparsed_uri": head.valid_unparsed_uri,
            "header_length": head.length,
        }
        if head.quoted_uri or head.plus_in_uri:
            fields["quoted_uri"], fields["plus_in_uri"] = head.quoted_uri, head.plus_in_uri
        if head.port:
            fields["port"] = head.port
        if head.content_length >= 0 or head.chunked:
            fields["content_length_in"], fields["chunked_in"] = head.content_length, head.chunked
        if "expect" in head.index:
            fields["expect_continue"] = head.expect_continue
        return fields

    def _begin(self, head: Head) -> None:
        r = self._new_request(head)
        if self.names_capture and not self._choose_server(r, head.host):
            self._answer(r, 500)
            return
        if head.content_length > 0 or head.chunked:
            self._take_body(r, head)
        for line in head.dropped:
            r.log(
                Level.INFO,
                f'client sent invalid header line: "{line}" while reading client request headers',
            )
        if self.is_mistaken:
            self._refuse_plain(r)
        else:
            self._start(r)

    def _refuse_plain(self, r: Request) -> None:
        """Answers plain HTTP on a TLS port (ngx_http_process_request)."""
        text = "client sent plain HTTP request to HTTPS port"
        r.log(Level.INFO, f"{text} while reading client request headers")
        r.keep_alive, self.must_close = False, True
        self.deadline, self.request = NEVER, r
        self._continue(answer(r, TO_HTTPS))

    def _choose_server(self, r: Request, host: str) -> bool:
        """Finds the server by expressions that capture; False if one gave up."""
        try:
            found = self.address.names.find(host, r)
        except RegexFailed:
            return False
        if found is not None:
            r.server, r.location = found, found.location
        return True

    def _start(self, r: Request) -> None:
        self.deadline = NEVER
        self.request = r
        rest = begin(r)
        if rest is None:
            self._end_request()
        else:
            self._continue(rest)

    def _continue(self, rest: Coroutine[Any, Any, None]) -> None:
        self.task = run_eagerly(rest, self.worker.loop, self._task_done)
        if self.task is None:
            self._end_request()

    def _answer(self, r: Request, status: int) -> None:
        """Answers a request that is not served, and closes."""
        r.keep_alive = False
        self._forget_input()
        self.must_close = True
        self.deadline = NEVER
        self.request = r
        self._continue(answer(r, status))

    @property
    def names_capture(self) -> bool:
        """Whether choosing the server leaves captures in the request."""
        return self.address.names.has_regexes

    def _new_request(self, head: Head) -> Request:
        r = Request()
        r.__dict__.update(self._fields(head))
        r.pipelined = self.pipelined
        return r

    def _take_body(self, r: Request, head: Head) -> None:
        body = self.body = ClientBody(self, -1 if head.chunked else head.content_length)
        r.body_in = body
        if self.buffer:
            self._take(body.feed(self.buffer, self.at) - self.at)

    def _refuse(self, refused: BadRequest, length: int) -> None:
        """Answers a head that cannot be served, and closes.

        Its body is not read, so none is announced to where an error page may lead."""
        r = self._new_request(refused.head)
        r.header_length = length
        r.content_length_in, r.chunked_in = -1, False
        if refused.message:
            r.log(Level.INFO, refused.message)
        self._answer(r, refused.status)

    # -- the body --------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if not self.closed:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not (self.closed or self.held_back):
            self.transport.resume_reading()

    def before_read(self) -> None:
        """Somebody waits for the body: watch the clock."""
        if self.request is not None:
            self._set_deadline(self._body_timeout)

    def after_read(self) -> None:
        self.deadline = NEVER

    # -- the answer (Sink) -----------------------------------------------------------------

    def send_continue(self) -> None:
        self._put(CONTINUE)

    def header(self, r: Request) -> None:
        if r.http_version < 1000:
            self.must_close = True
            return
        if r.keep_alive and not self._keeps_alive(r):
            r.keep_alive = False
        if r.status in (204, 304) or 100 <= r.status < 200:
            r.header_only = True
            if r.status != 304:
                r.content_length = r.last_modified = -1
                if r.status_line is None:  # an upstream's is passed on
                    r.content_type = None
        elif (r.content_length < 0 or r.expect_trailers) and not r.header_only:
            if r.http_version > 1000 and r.location.core.chunked_transfer_encoding:
                r.chunked_out, r.content_length = True, -1
            elif r.content_length < 0:
                r.keep_alive = False
        self.head_out = build_head(r, self.worker.clock, self._connection_line(r))
        r.header_size = len(self.head_out)

    def _keeps_alive(self, r: Request) -> bool:
        if self.must_close or self.worker.stopping:
            return False
        if self.body is not None and self.body.failed:
            return False
        requests, seconds, disabled = r.location.keepalive
        return (
            self.requests < requests
            and r.start - self.start < seconds
            and not (disabled is not None and disabled(r))
        )

    def _connection_line(self, r: Request) -> str:
        if r.upgraded:
            return "Connection: upgrade\r\n"
        if not r.keep_alive:
            return "Connection: close\r\n"
        header = r.location.core.keepalive_timeout[1]
        return f"Connection: keep-alive\r\nKeep-Alive: timeout={header}\r\n" if header else KEPT

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
        self._put(data)

    def _put(self, data: bytes) -> None:
        """Writes, unless the client is gone: nobody is there to be told."""
        if not (self.closed or self.transport.is_closing()):
            self.transport.write(data)

    def flush(self) -> None:
        """Sends the head now, before there is a body."""
        if self.head_out and self.request is not None:
            self.sent += len(self.head_out)
            self.request.bytes_sent += len(self.head_out)
            self._put(self.head_out)
            self.head_out = b""

    def hint(self, fields: list[tuple[str, str]]) -> None:
        r = self.request
        if r is None or r.http_version < 1001 or not fields:
            return
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
        data = f"HTTP/1.1 103 Early Hints\r\n{lines}\r\n".encode("latin-1")
        self.sent += len(data)
        r.bytes_sent += len(data)
        self._put(data)

    def start_tunnel(self, side: Any) -> None:
        """From now on the client's bytes go to `side`."""
        self.upgraded = side
        if self.buffer:
            side.client_data(self._take(len(self.buffer) - self.at))

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
            self._drain_waiter, self.deadline = None, NEVER
        if self.closed:
            raise ConnectionResetError

    def _await_sending(self, r: Request) -> None:
        """The client has its time to take some more."""
        self.unsent = self.transport.get_write_buffer_size()
        self._set_deadline(r.location.core.send_timeout)

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
            self._put(data)
        elif self.head_out:
            self.flush()

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

    def _task_done(self, error: BaseException | None) -> None:
        self.task = None
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.log(Level.ALERT, f"a request failed: {error!r}")
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
        self.answered, self.deadline = False, NEVER
        self.request = self.body = None
        self.pipelined = bool(self.buffer)
        if self.closed:
            return
        unread = body is not None and not body.complete
        if not r.keep_alive or self.must_close or self.worker.stopping:
            self._close_or_linger(r, unread)
            return
        core = r.location.core
        self.keepalive_timeout = core.keepalive_timeout[0]
        if core.keepalive_min_timeout:
            self.idle_until = self.worker.loop.time() + core.keepalive_min_timeout
        if unread and body is not None:
            body.discard()
            self.body, self.lingering_timeout = body, core.lingering_timeout
            self.discards_until = time.time() + core.lingering_time
            self._set_deadline(min(core.lingering_timeout, core.lingering_time))
            return
        self._set_deadline(self.keepalive_timeout)

    def _close_or_linger(self, r: Request, unread: bool) -> None:
        """Reads on for a while, so that the client can read the answer before a reset."""
        core = r.location.core
        wanted = core.lingering_close == "always" or (
            core.lingering_close == "on" and (unread or bool(self.buffer)) and r.header_sent
        )
        if not wanted or self.closed:
            self._close_as_configured(r)
            return
        self.lingering_timeout = core.lingering_timeout
        self.lingering = time.time() + core.lingering_time
        self._forget_input()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self._set_deadline(min(core.lingering_timeout, core.lingering_time))

    def _close_as_configured(self, r: Request) -> None:
        """A connection that gets no answer may be reset instead of closed."""
        if not r.header_sent and r.location.core.reset_timedout_connection:
            self._reset()
        else:
            self.close()

    def _reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    lingering_timeout = 5.0
    keepalive_timeout = 75.0
    idle_until = 0.0  # keepalive_min_timeout: not closed before, even if the worker is to quit

    def log(self, level: Level, text: str) -> None:
        """Logs what concerns the connection and no request."""
        self.port.log(self.server, level, text, (self.remote_addr,), self.number)
