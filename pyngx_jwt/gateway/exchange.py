"""One request at an upstream, at as many of its servers as it takes (ngx_http_upstream.c)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import NamedTuple, Protocol

from ..http.body import KeptBody, check_size, read_body, take_body
from ..http.client import BodyError, RequestBody
from ..http.level import Level
from ..http.request import DONE, Request, Status
from ..http.template import Template, bind_size
from ..http.uri import parse_unsafe_uri
from ..log import Severity
from ..upstream.address import parse_local
from ..upstream.balancer import Choice
from ..upstream.client import Connection, Settings
from ..upstream.connect import connect
from ..upstream.errors import BadResponse, UpstreamError
from ..upstream.head import HTTP_09, Response
from ..upstream.peer import Peer
from .answer import compile_copy, compile_redirected, limit_rate_of
from .conf import GatewayConf
from .hints import compile_hints
from .state import State
from .target import FindTarget, Found, compile_target
from .tunnel import pass_both_ways
from .wire import KEY, BadRequest, Outgoing, Wire

NOT_IDEMPOTENT = frozenset({"POST", "LOCK", "PATCH"})
CONNECTING, READING = "connecting to upstream", "reading upstream"
READING_HEADER = "reading response header from upstream"
NEXT_STATUS = {403, 404, 429, 500, 502, 503, 504}


class Surroundings(NamedTuple):
    """What other modules say of a location that passes its requests on."""

    resolves: bool  # names that variables give are looked up
    early_hints: tuple[Template, ...]  # when those of the upstream are passed on


class Gateway:
    """A location's way to its upstream; everything the load can know is known."""

    def __init__(
        self,
        conf: GatewayConf,
        level: Level,
        wire: Wire,
        around: Surroundings,
        *,
        keeps_heads: bool = False,
    ) -> None:
        self.conf, self.wire = conf, wire
        self.find: FindTarget = compile_target(conf, level, wire, resolves=around.resolves)
        self.copy_headers = compile_copy(conf, wire.special, wire.hidden, whole=wire.whole_heads)
        self.copy_redirected = compile_redirected(conf, wire.special)
        self.settings = Settings(
            connect_timeout=conf.connect_timeout,
            send_timeout=conf.send_timeout,
            read_timeout=conf.read_timeout,
            buffer_size=conf.buffer_size,
            buffers=conf.buffers[0] * conf.buffers[1],
            pass_trailers=conf.pass_trailers,
            socket_keepalive=conf.socket_keepalive,
            keep_head=keeps_heads,
        )
        self.bind = conf.bind.bind(level.variables) if conf.bind else None
        self.next = conf.next_kinds
        self.hints = compile_hints(conf, level, around.early_hints, wire.hidden)
        self.limit_rate = bind_size(conf.limit_rate, level.variables)

    admits: Callable[[Request], Status] | None = None  # of what is not for every request

    async def pass_on(self, r: Request) -> Status:
        """To the upstream, past any cache; what cannot be answered is a status."""
        if self.admits is not None and (refused := self.admits(r)):
            return refused
        r.ignore_abort = self.conf.ignore_client_abort
        if r.cache_status is not None:
            r.forget_cache()
        found = self.find(r)
        if not isinstance(found, Found):
            found = await found if not isinstance(found, int) else found
            if isinstance(found, int):
                return found
        exchange = Exchange(self, r, found)
        try:
            return await exchange.run()
        finally:
            exchange.close()


class Keeper(Protocol):
    """Keeps the response of an exchange, or answers with one that was kept."""

    @property
    def validates(self) -> bool:
        """Whether the upstream is asked if the response that was kept is still good."""

    async def give_up(self, exchange: Exchange, status: Status, failure: str) -> Status:
        """No server has answered."""

    def instead_of(self, exchange: Exchange, response: Response) -> Awaitable[Status] | None:
        """What answers in the place of a response, None if nothing does."""

    def intercepted(self, status: Status) -> None:
        """An error page takes the place of a response with this status."""

    def head_copied(self, exchange: Exchange, response: Response) -> None:
        """The client's response has got its head."""

    def send_body(self, exchange: Exchange, response: Response) -> Awaitable[Status]:
        """Sends the body to the client, and keeps it."""

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""


class Exchange:
    """One request at an upstream, at as many of its servers as it takes."""

    __slots__ = (
        "body",
        "choice",
        "connection",
        "doing",
        "found",
        "gateway",
        "head",
        "keeper",
        "local",
        "name",
        "out",
        "peer",
        "r",
        "sender",
        "settings",
        "started",
        "state",
        "streamed",
    )

    def __init__(
        self, gateway: Gateway, r: Request, found: Found, keeper: Keeper | None = None
    ) -> None:
        self.gateway, self.r, self.found, self.keeper = gateway, r, found, keeper
        self.out: Outgoing = found.out
        r.contexts[KEY] = self.out
        key = found.upstream.key
        self.choice: Choice = found.upstream.balancer.choose(key(r) if key else "")
        self.connection: Connection | None = None
        self.peer: Peer | None = None
        self.body: KeptBody | None = None
        self.streamed = False
        self.started = time.monotonic()
        if limit := gateway.conf.next_upstream_tries:
            self.choice.tries = min(limit, self.choice.tries)
        self.state: State
        self.settings = gateway.settings
        self.sender: asyncio.Task[None] | None = None  # passes on what is left of the body
        self.doing = CONNECTING  # for the log
        self.head = b""
        self.name = ""  # of the server, for TLS
        self.local: tuple[str, int] | None = None  # the address that "bind" sets

    async def run(self) -> Status:
        r = self.r
        validates = self.keeper is not None and self.keeper.validates
        if not await self.prepare(validates=validates):
            return 500
        if r.upstream_states:
            r.upstream_states.append(State(""))  # between this and an earlier location
        else:
            r.upstream_states = []
        while True:
            response, failure = await self._try()
            if response is not None:
                kind = f"http_{response.status}" if response.status in NEXT_STATUS else ""
                if not kind or not self._wants_next(kind):
                    return await self._answer(response)
                self.leave(failed=response.status not in (403, 404))
            elif not self._next(failure):
                return await self._give_up(504 if failure == "timeout" else 502, failure)

    # -- the request -----------------------------------------------------------------------

    async def prepare(self, *, validates: bool) -> bool:
        """Makes the head that is sent, once the body's length is known; False if it cannot be
        written.  `validates`: asks whether a response that was kept is still good."""
        await self._prepare_body()
        wire = self.gateway.wire
        try:
            self.head = wire.build(self.r, self.out, validates=validates)
        except BadRequest as error:
            self.r.log(Severity.ERR, str(error))
            return False
        return True

    async def _prepare_body(self) -> None:
        """Reads the body, unless it is to be streamed, and knows its length."""
        r, conf, out = self.r, self.gateway.conf, self.out
        if r.expect_continue:
            r.continue_client()
        if not self.gateway.wire.takes_body:
            return
        own = self.gateway.wire.own_body
        if own is not None:
            await read_body(r)  # which the text may contain
            data = own(r).encode("latin-1")
            self.body = KeptBody(data, length=len(data))
            out.body_length = len(data)
            return
        main = r.root or r
        if main.discards_body or (main.body_in is None and main.body is None):
            out.body_length = 0 if r is main and main.content_length_in == 0 else -1
            return
        streams = not conf.request_buffering and r.parent is None
        if main.chunked_in and not self.gateway.wire.streams_unknown_length:
            streams = False
        if streams:
            await take_body(r)
            if main.body_in is not None and main.body_in.failed:
                raise BodyError(main.body_in.failed)
        if main.body is None and streams:
            self.streamed = True
            out.chunked, out.body_length = main.chunked_in, main.content_length_in
            if not conf.pass_request_body:
                await read_body(r)
                self.streamed = False
            return
        body = await read_body(r)
        has_body = main.chunked_in or main.content_length_in >= 0
        if body.length or (r is main and has_body):
            out.body_length = body.length
        if conf.pass_request_body:
            self.body = body

    async def _try(self) -> tuple[Response | None, str]:
        """One server: its response, or how it failed ("error", "timeout", "invalid_header")."""
        self.doing = CONNECTING
        self.peer = peer = self.choice.get(int(time.monotonic()))
        name = peer.name if peer is not None else self.found.upstream.name
        self.state = state = State(name, self._url_at(name), started=time.monotonic())
        self.r.upstream_states.append(state)
        if peer is None:
            return None, self._none_is_left()
        try:
            connection = await self._connect(peer)
            hints = self.gateway.hints
            connection.on_early_hints = hints(self.r) if hints else None
            state.connect_time = time.monotonic() - state.started
            body = self.body
            if self.streamed or (body is not None and body.length):
                self.doing = "sending request to upstream"
                await self._send(connection)
                self.doing = READING_HEADER
                response = await connection.receive()
            else:
                self.doing, head = READING_HEADER, self.head
                state.bytes_sent = len(head)
                response = await connection.ask(
                    head, self.settings, head=self.out.is_head, reader=self.out.reader
                )
        except UpstreamError as error:
            return None, self.failed(error)
        state.header_time = time.monotonic() - state.started
        state.status = response.status
        state.response = response
        state.bytes_received = connection.bytes_received
        if response.version == HTTP_09:
            state.status = 200  # so nginx has it in $upstream_status
        if response.remark is not None:
            self.log(*response.remark)
        return response, ""

    def _url_at(self, name: str) -> str:
        """What is asked for there, for the log."""
        colon = ":" if name.startswith("unix:") else ""
        return f"{self.out.scheme}://{name}{colon}{self.out.uri}"

    def _none_is_left(self) -> str:
        self.state.status = 502
        self.log(Severity.ERR, "no live upstreams")
        self.choice.tries = 0
        return "error"

    def log(self, level: Severity, text: str) -> None:
        self.r.log(level, f"{text} while {self.doing}")

    async def _connect(self, peer: Peer) -> Connection:
        upstream, tls = self.found.upstream, self.found.tls
        handshake = tls.at(self.r, peer.name) if tls is not None else None
        self.name = handshake.name if handshake is not None else ""
        self.local = self._local_address()
        if upstream.pool is not None:
            kept = upstream.pool.get(peer.name, self._tag())
            if kept is not None:
                self.connection = kept
                return kept
        self.connection = await connect(
            peer.address,
            self.settings,
            ssl=handshake,
            local=self.local,
        )
        return self.connection

    def _tag(self) -> Hashable:
        """What a kept connection must have in common with this request's: what the load knows,
        the TLS name that was sent or verified, and the local address."""
        if self.name or self.local is not None:
            return self.found.tag, self.name, self.local
        return self.found.tag

    def _local_address(self) -> tuple[str, int] | None:
        bind = self.gateway.bind
        text = bind(self.r) if bind else ""
        found = parse_local(text) if text else None
        if text and found is None:
            self.r.log(Severity.ERR, f'invalid local address "{text}"')
        return found

    async def _send(self, connection: Connection) -> None:
        head = self.head
        self.state.bytes_sent = len(head)
        if self.streamed:
            await self._stream_body(connection, head)
            return
        body = self.body
        assert body is not None
        self.state.bytes_sent += body.length
        chunks = body.chunks()
        if body.fd < 0:
            self._begin(connection, head + body.data)
            await connection.drain()
            return
        self._begin(connection, head, more=True)
        await _send_chunks(connection, chunks)

    def _begin(self, connection: Connection, data: bytes, *, more: bool = False) -> None:
        connection.begin(
            data, self.settings, head=self.out.is_head, more=more, reader=self.out.reader
        )

    async def _stream_body(self, connection: Connection, head: bytes) -> None:
        """Passes the body on as it comes in; once begun, no other server can have it."""
        r = self.r
        source = r.main.body_in
        assert source is not None
        piece, last = self._piece(source, source.at_hand())
        self._begin(connection, head + piece, more=not last)
        if last:
            await connection.drain()
            return
        self.sender = sender = asyncio.create_task(self._stream_rest(connection, source))
        answer = asyncio.create_task(connection.wait())
        try:
            await asyncio.wait((sender, answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answer.cancel()
        if sender.done():
            sender.result()

    async def _stream_rest(self, connection: Connection, source: RequestBody) -> None:
        """Goes on even when the response is on its way already."""
        last = False
        try:
            await connection.drain()
            while not last:
                piece, last = self._piece(source, await source.read())
                connection.write(piece, more=not last)
                await connection.drain()
        except (BodyError, UpstreamError):
            if connection.response is None:
                raise
            connection.close()

    def _piece(self, source: RequestBody, data: bytes) -> tuple[bytes, bool]:
        """Data of the request body as they are sent, and whether they are the last."""
        check_size(self.r, source.received, len(data))
        data = self.gateway.wire.frame(self.out, data, last=source.complete)
        self.state.bytes_sent += len(data)
        return data, source.complete

    def failed(self, error: UpstreamError) -> str:
        if error.handshaking:
            self.doing = "SSL handshaking to upstream"
        self.log(Severity.CRIT if error.critical else Severity.ERR, str(error))
        if self.state.response is None:  # else it has a status
            self.state.status = 504 if error.timed_out else 502
        if error.timed_out:
            return "timeout"
        return "invalid_header" if isinstance(error, BadResponse) else "error"

    def _next(self, failure: str) -> bool:
        """Whether another server is to be tried after a failure (ngx_http_upstream_next)."""
        kept = self.connection is not None and self.connection.requests > 1
        self.leave(failed=True)
        if kept and failure == "error":  # it was closed while it idled: not the server's fault
            self.choice.tries += 1
        return self.choice.tries > 0 and self._allowed(failure)

    async def _give_up(self, status: Status, failure: str) -> Status:
        """No server has answered."""
        if self.keeper is not None:
            return await self.keeper.give_up(self, status, failure)
        return status

    def _wants_next(self, kind: str) -> bool:
        """Whether a response is left aside for another server's (ngx_http_upstream_test_next)."""
        return self.choice.tries > 1 and self._allowed(kind)

    def _allowed(self, failure: str) -> bool:
        kinds = self.gateway.next
        limit = self.gateway.conf.next_upstream_timeout
        if failure not in kinds or (limit and time.monotonic() - self.started >= limit):
            return False
        sent = self.state.bytes_sent > 0
        if sent and self.streamed:
            return False
        return not sent or self.r.method not in NOT_IDEMPOTENT or "non_idempotent" in kinds

    def leave(self, *, failed: bool) -> None:
        """Gives the server back to the balancer and closes its connection."""
        self.state.response_time = time.monotonic() - self.state.started
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.peer is not None and self.choice.free(failed, int(time.monotonic())):
            self.log(Severity.WARN, "upstream server temporarily disabled")
        self.peer = None

    # -- the response ----------------------------------------------------------------------

    async def _answer(self, response: Response) -> Status:
        if self.keeper is not None:
            kept = self.keeper.instead_of(self, response)
            if kept is not None:
                return await kept
        conf = self.gateway.conf
        self._limit_rate()
        if conf.intercept_errors and response.status >= 300:
            status = self._intercepted(response)
            if status:
                return status
        if not response.version or response.version >= 1000:
            redirect = self._accel_redirect(response)
            if redirect is not None:
                return redirect
        if response.status == 101 and self.gateway.wire.upgrades:
            if "upgrade" in self.r.index:
                return await self._upgrade(response)
            self.log(Severity.ERR, "upstream switched protocols though nobody asked for it")
            self.leave(failed=False)
            return 502
        self._copy_head(response)
        self.doing = READING
        return await self._send_response(response)

    def _copy_head(self, response: Response) -> None:
        r, conf = self.r, self.gateway.conf
        r.status = response.status
        r.status_line = response.status_line or None
        self.gateway.copy_headers(r, response.names, response.headers)
        r.content_length = -1 if response.chunked else response.length
        r.allow_ranges = r.allow_ranges or conf.force_ranges
        r.single_range = conf.force_ranges
        r.disable_not_modified = True
        if response.version == HTTP_09:  # what came goes on as it is, without a head
            r.http_version, r.keep_alive = HTTP_09, False
        if self.keeper is not None:
            self.keeper.head_copied(self, response)

    async def _send_response(self, response: Response) -> Status:
        r, whole = self.r, response.body
        if self.keeper is not None:
            r.send_header()
            return await self.keeper.send_body(self, response)
        if whole is None or response.trailers or len(whole) > self.settings.buffer_size:
            r.send_header()
            return await self.send_body(response)
        rest = r.send_whole(whole)
        self.finished(len(whole))
        return rest if isinstance(rest, int) else await rest

    async def send_body(self, response: Response) -> Status:
        """Sends the body to the client."""
        r, whole = self.r, response.body
        if whole is None:
            return await self._stream_response(response)
        self.finished(len(whole))
        if whole and not r.header_only:
            rate = self._rate(response) if len(whole) > self.settings.buffer_size else 0
            if rate:
                await self._send_slowly(whole, rate)
            elif r.rate:
                await r.send(whole)
            else:
                r.write(whole)
        r.trailers = tuple(response.trailers)
        if r.sink.paused:
            await r.sink.drain()
        return r.finish()

    def _rate(self, response: Response) -> int:
        """The bytes per second of "limit_rate"; it needs buffering, as in nginx."""
        limit = self.gateway.limit_rate
        return limit(self.r) if limit is not None and self.buffers(response) else 0

    async def _stream_response(self, response: Response) -> Status:
        r, connection = self.r, self.connection
        assert connection is not None
        if r.header_only:  # the rest of the body is of no use, and may have no end
            self.leave(failed=False)
            return r.finish()
        state = self.state
        rate = self._rate(response)
        if not self.buffers(response):
            r.unbuffered = True
            r.sink.flush()
        try:
            while (data := await connection.read()) is not None:
                state.response_length += len(data)
                if rate:
                    await self._send_slowly(data, rate)
                else:
                    await r.send(data)
        except UpstreamError as error:
            if r.body_in is None or not r.body_in.failed:  # else _stream_rest() closed it
                self.failed(error)
            self.leave(failed=False)
            r.sink.abort()
            return DONE
        self.finished(state.response_length)
        r.trailers = tuple(response.trailers)
        return r.finish()

    async def _send_slowly(self, data: bytes, rate: int) -> None:
        """Keeps to "limit_rate", in bytes per second: while it waits nothing is read."""
        r, state = self.r, self.state
        passed = state.response_length - len(data)
        while data:
            seconds = int(time.monotonic() - state.started) + 1
            allowed = rate * seconds - passed
            if allowed <= 0:
                await asyncio.sleep(-allowed / rate + 0.001)
                continue
            await r.send(data[:allowed])
            passed += min(allowed, len(data))
            data = data[allowed:]

    def buffers(self, response: Response) -> bool:
        """Whether the response is read ahead of the client."""
        told = [value.lower() for value in self.state.fields("x-accel-buffering")]
        told = [value for value in told if value in ("yes", "no")]
        if told and "X-Accel-Buffering" not in self.gateway.conf.ignore_headers:
            return told[-1] == "yes"
        return self.gateway.conf.buffering

    def finished(self, length: int) -> None:
        """The upstream is done: its connection can serve others."""
        state, connection = self.state, self.connection
        now = time.monotonic()  # the loop's own clock
        if state.response is not None and state.response.warning:
            self.log(self.out.reader.excess_level, state.response.warning)
        state.response_time = now - state.started
        state.response_length = length
        if connection is not None:
            state.bytes_received = connection.bytes_received
            if self.found.tls is not None:
                self.found.tls.keep_session(self.name, state.peer, connection.ssl_object)
            self.found.upstream.release(self.choice, connection, self._tag(), now)
            self.connection = self.peer = None
        elif self.peer is not None:
            self.choice.free(False, int(now))
            self.peer = None

    def _intercepted(self, response: Response) -> Status:
        """The status for error_page, 0 where none is configured for it."""
        r = self.r
        own_page = response.status == 404 and self.gateway.conf.intercepts_404
        if response.status not in r.location.error_pages and not own_page:
            return 0
        for name, field in zip(response.names, response.headers, strict=True):
            if name == "www-authenticate" and response.status == 401:
                r.add_header(*field)
        self.put_aside(response)
        if self.keeper is not None:
            self.keeper.intercepted(response.status)
        return response.status

    def put_aside(self, response: Response) -> None:
        """Lets go of the server; the client will not see its response."""
        if response.body is None:
            self.leave(failed=False)
        else:
            self.finished(len(response.body))

    def _accel_redirect(self, response: Response) -> Status | None:
        targets = self.state.fields("x-accel-redirect")
        if not targets or "X-Accel-Redirect" in self.gateway.conf.ignore_headers:
            return None
        target = targets[0]
        r = self.r
        self.gateway.copy_redirected(r, response.names, response.headers)
        self.put_aside(response)
        if target.startswith("@"):
            return r.go_named(target)
        parsed = parse_unsafe_uri(target)
        if parsed is None:
            r.log(Severity.ERR, f'unsafe URI "{target}" was detected')
            return 404
        if r.method != "HEAD":
            r.method = "GET"
        return r.redirect(*parsed)

    def _limit_rate(self) -> None:
        told = self.state.fields("x-accel-limit-rate")
        if not told or "X-Accel-Limit-Rate" in self.gateway.conf.ignore_headers:
            return
        rate = limit_rate_of(told[-1])
        if rate is not None:
            self.r.limit_rate = rate

    async def _upgrade(self, response: Response) -> Status:
        r, connection = self.r, self.connection
        assert connection is not None
        r.status, r.upgraded = 101, True
        r.keep_alive = False
        self.gateway.copy_headers(r, response.names, response.headers)
        r.send_header()
        tunnel = r.sink.tunnel
        if tunnel is None:
            r.log(Severity.ERR, "connection upgrade in subrequest")
            self.leave(failed=False)
            r.sink.abort()
            return DONE
        await pass_both_ways(r, tunnel, connection)
        self.leave(failed=False)
        return r.finish()

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""
        self._close()
        if self.keeper is not None:
            self.keeper.close()

    def _close(self) -> None:
        if self.sender is not None and not self.sender.cancel() and not self.sender.cancelled():
            self.sender.exception()  # it has been met otherwise
        if self.peer is None:
            return
        state = self.state
        state.response_time = time.monotonic() - state.started
        if self.connection is not None:
            state.bytes_received = self.connection.bytes_received
            self.connection.close()
            self.connection = None
        self.choice.free(False, int(time.monotonic()))
        self.peer = None


async def _send_chunks(connection: Connection, chunks: Iterator[bytes]) -> None:
    for data in chunks:
        if connection.answered:
            return
        connection.write(data)
        await connection.drain()
    connection.write(b"", more=False)
