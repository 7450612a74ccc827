"""Passes a request to an upstream, and its response back (ngx_http_upstream.c)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Hashable, Iterator

from ...http.body import KeptBody, check_size, read_body, take_body
from ...http.level import Level
from ...http.module import Module
from ...http.request import DONE, BodyError, Request, RequestBody, Status
from ...http.uri import parse_unsafe_uri
from ...log import Level as LogLevel
from ...upstream.address import parse_local
from ...upstream.balancer import Choice
from ...upstream.client import Connection, Settings
from ...upstream.connect import connect
from ...upstream.errors import BadResponse, UpstreamError
from ...upstream.head import HTTP_09, Response
from ...upstream.peer import Peer
from ..core import bind_size
from ..upstream import State
from .conf import ProxyConf
from .hints import compile_hints
from .request import BuildHead, Outgoing, SplitHead, compile_head
from .response import compile_copy, compile_redirected, limit_rate_of
from .target import FindTarget, Found, compile_target
from .tunnel import tunnel

NOT_IDEMPOTENT = frozenset({"POST", "LOCK", "PATCH"})
CONNECTING, READING = "connecting to upstream", "reading upstream"
NEXT_STATUS = {403, 404, 429, 500, 502, 503, 504}

proxy = Module("proxy", ProxyConf)


class Proxy:
    """A location's way to its upstream; everything the load can know is known."""

    def __init__(self, conf: ProxyConf, level: Level, *, cached: bool = False) -> None:
        self.conf = conf
        self.find: FindTarget = compile_target(conf, level)
        self.build_head: BuildHead = compile_head(conf, level, cached=False)
        self.copy_headers = compile_copy(conf, level)
        self.copy_redirected = compile_redirected(conf, level)
        self.settings = Settings(
            connect_timeout=conf.proxy_connect_timeout,
            send_timeout=conf.proxy_send_timeout,
            read_timeout=conf.proxy_read_timeout,
            buffer_size=conf.proxy_buffer_size,
            buffers=conf.proxy_buffers[0] * conf.proxy_buffers[1],
            pass_trailers=conf.proxy_pass_trailers,
            socket_keepalive=conf.proxy_socket_keepalive,
            keep_head=cached,
        )
        self.set_body = conf.proxy_set_body.bind(level.variables) if conf.proxy_set_body else None
        self.bind = conf.proxy_bind.bind(level.variables) if conf.proxy_bind else None
        self.next = conf.proxy_next_upstream
        self.hints = compile_hints(conf, level)
        self.limit_rate = bind_size(conf.proxy_limit_rate, level)

    def handle(self, r: Request) -> Awaitable[Status] | Status:
        """Runs the exchange; what cannot be answered is a status."""
        return self.pass_on(r)

    async def pass_on(self, r: Request) -> Status:
        """To the upstream, past any cache."""
        r.ignore_abort = self.conf.proxy_ignore_client_abort
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


class Exchange:
    """One request at an upstream, at as many of its servers as it takes."""

    __slots__ = (
        "body",
        "choice",
        "connection",
        "doing",
        "found",
        "head",
        "local",
        "name",
        "out",
        "peer",
        "proxy",
        "r",
        "sender",
        "settings",
        "started",
        "state",
        "streamed",
    )

    def __init__(self, proxy: Proxy, r: Request, found: Found) -> None:
        self.proxy, self.r, self.found = proxy, r, found
        self.out: Outgoing = found.out
        r.contexts["proxy"] = self.out
        self.choice: Choice = found.upstream.balancer.choose(found.upstream.key(r))
        self.connection: Connection | None = None
        self.peer: Peer | None = None
        self.body: KeptBody | None = None
        self.streamed = False
        self.started = time.monotonic()
        if limit := proxy.conf.proxy_next_upstream_tries:
            self.choice.tries = min(limit, self.choice.tries)
        self.state: State
        self.settings = proxy.settings
        self.sender: asyncio.Task[None] | None = None  # passes on what is left of the body
        self.doing = CONNECTING  # for the log
        self.head = b""
        self.name = ""  # of the server, for TLS
        self.local: tuple[str, int] | None = None  # the address that proxy_bind sets

    async def run(self) -> Status:
        r = self.r
        await self._prepare_body()
        try:
            self.head = self._head()
        except SplitHead:
            r.log(LogLevel.ERR, "line break in a request to upstream, the request is not sent")
            return 500
        if not self.out.uri:
            r.log(LogLevel.ERR, "zero length URI to proxy")
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
                self._leave(failed=response.status not in (403, 404))
            elif not self._next(failure):
                return await self._give_up(504 if failure == "timeout" else 502, failure)

    # -- the request -----------------------------------------------------------------------

    async def _prepare_body(self) -> None:
        """Reads the body, unless it is to be streamed, and knows its length."""
        r, conf, out = self.r, self.proxy.conf, self.out
        if r.expect_continue:
            r.continue_client()
        if self.proxy.set_body is not None:
            await read_body(r)
            data = self.proxy.set_body(r).encode("latin-1")
            self.body = KeptBody(data, length=len(data))
            out.body_length = len(data)
            return
        main = r.main
        if main.discards_body or (main.body_in is None and main.body is None):
            out.body_length = 0 if r is main and main.content_length_in == 0 else -1
            return
        if not conf.proxy_request_buffering and r.parent is None:
            await take_body(r)
            if main.body_in is not None and main.body_in.failed:
                raise BodyError(main.body_in.failed)
        if main.body is None and not conf.proxy_request_buffering and r.parent is None:
            self.streamed = True
            out.chunked, out.body_length = main.chunked_in, main.content_length_in
            if not conf.proxy_pass_request_body:
                await read_body(r)
                self.streamed = False
            return
        body = await read_body(r)
        has_body = main.chunked_in or main.content_length_in >= 0
        if body.length or (r is main and has_body):
            out.body_length = body.length
        if conf.proxy_pass_request_body:
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
            connection.on_early_hints = self.proxy.hints(self.r) if self.proxy.hints else None
            state.connect_time = time.monotonic() - state.started
            self.doing = "sending request to upstream"
            await self._send(connection)
            self.doing = "reading response header from upstream"
            response = await connection.receive()
        except UpstreamError as error:
            return None, self._failed(error)
        state.header_time = time.monotonic() - state.started
        state.status = response.status
        state.response = response
        state.bytes_received = connection.bytes_received
        if response.version == HTTP_09:
            state.status = 200  # so nginx has it in $upstream_status
            self._log(LogLevel.ERR, "upstream sent no valid HTTP/1.0 header")
        return response, ""

    def _url_at(self, name: str) -> str:
        """What is asked for there, for the log."""
        colon = ":" if name.startswith("unix:") else ""
        return f"{self.out.vars.scheme}://{name}{colon}{self.out.uri}"

    def _none_is_left(self) -> str:
        self.state.status = 502
        self._log(LogLevel.ERR, "no live upstreams")
        self.choice.tries = 0
        return "error"

    def _log(self, level: LogLevel, text: str) -> None:
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
        text = self.proxy.bind(self.r) if self.proxy.bind else ""
        found = parse_local(text) if text else None
        if text and found is None:
            self.r.log(LogLevel.ERR, f'invalid local address "{text}"')
        return found

    async def _send(self, connection: Connection) -> None:
        head = self.head
        is_head = head.startswith(b"HEAD ")
        self.state.bytes_sent = len(head)
        if self.streamed:
            await self._stream_body(connection, head)
            return
        body = self.body
        if body is None or not body.length:
            connection.begin(head, self.settings, head=is_head)
            return
        self.state.bytes_sent += body.length
        chunks = body.chunks()
        if body.fd < 0:
            connection.begin(head + body.data, self.settings, head=is_head)
            await connection.drain()
            return
        connection.begin(head, self.settings, head=is_head, more=True)
        await _send_chunks(connection, chunks)

    def _head(self) -> bytes:
        return self.proxy.build_head(self.r, self.out)

    async def _stream_body(self, connection: Connection, head: bytes) -> None:
        """Passes the body on as it comes in; once begun, no other server can have it."""
        r = self.r
        source = r.main.body_in
        assert source is not None
        piece, last = self._piece(source, source.at_hand())
        is_head = head.startswith(b"HEAD ")
        connection.begin(head + piece, self.settings, head=is_head, more=not last)
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
        if self.out.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data += b"0\r\n\r\n" if source.complete else b""
        self.state.bytes_sent += len(data)
        return data, source.complete

    def _failed(self, error: UpstreamError) -> str:
        if error.handshaking:
            self.doing = "SSL handshaking to upstream"
        self._log(LogLevel.CRIT if error.critical else LogLevel.ERR, str(error))
        if error.timed_out:
            self.state.status = 504
            return "timeout"
        self.state.status = 502
        return "invalid_header" if isinstance(error, BadResponse) else "error"

    def _next(self, failure: str) -> bool:
        """Whether another server is to be tried after a failure (ngx_http_upstream_next)."""
        kept = self.connection is not None and self.connection.requests > 1
        self._leave(failed=True)
        if kept and failure == "error":  # it was closed while it idled: not the server's fault
            self.choice.tries += 1
        return self.choice.tries > 0 and self._allowed(failure)

    async def _give_up(self, status: Status, failure: str) -> Status:
        """No server has answered."""
        return status

    def _wants_next(self, kind: str) -> bool:
        """Whether a response is left aside for another server's (ngx_http_upstream_test_next)."""
        return self.choice.tries > 1 and self._allowed(kind)

    def _allowed(self, failure: str) -> bool:
        kinds = self.proxy.next
        limit = self.proxy.conf.proxy_next_upstream_timeout
        if failure not in kinds or (limit and time.monotonic() - self.started >= limit):
            return False
        sent = self.state.bytes_sent > 0
        if sent and self.streamed:
            return False
        return not sent or self.r.method not in NOT_IDEMPOTENT or "non_idempotent" in kinds

    def _leave(self, *, failed: bool) -> None:
        """Gives the server back to the balancer and closes its connection."""
        self.state.response_time = time.monotonic() - self.state.started
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.peer is not None and self.choice.free(failed, int(time.monotonic())):
            self._log(LogLevel.WARN, "upstream server temporarily disabled")
        self.peer = None

    # -- the response ----------------------------------------------------------------------

    async def _answer(self, response: Response) -> Status:
        conf = self.proxy.conf
        self._limit_rate()
        if conf.proxy_intercept_errors and response.status >= 300:
            status = self._intercepted(response)
            if status:
                return status
        if not response.version or response.version >= 1000:
            redirect = self._accel_redirect(response)
            if redirect is not None:
                return redirect
        if response.status == 101:
            if "upgrade" in self.r.index:
                return await self._upgrade(response)
            return await self._drop(response)
        self._copy_head(response)
        self.doing = READING
        return await self._send_response(response)

    def _copy_head(self, response: Response) -> None:
        r, conf = self.r, self.proxy.conf
        r.status = response.status
        r.status_line = response.status_line or None
        self.proxy.copy_headers(r, response.names, response.headers)
        r.content_length = -1 if response.chunked else response.length
        r.allow_ranges = r.allow_ranges or conf.proxy_force_ranges
        r.single_range = conf.proxy_force_ranges
        r.disable_not_modified = True
        if response.version == HTTP_09:  # what came goes on as it is, without a head
            r.http_version, r.keep_alive = HTTP_09, False

    async def _send_response(self, response: Response) -> Status:
        r = self.r
        whole = response.body
        if whole is not None and r.content_length < 0 and not r.header_only and r.method != "HEAD":
            r.content_length = len(whole) if response.chunked else -1
            if response.chunked:
                r.content_length = -1
        r.send_header()
        return await self._send_body(response)

    async def _send_body(self, response: Response) -> Status:
        r, whole = self.r, response.body
        if whole is None:
            return await self._stream_response(response)
        self._finished(len(whole))
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
        """proxy_limit_rate; it needs buffering, as in nginx."""
        limit = self.proxy.limit_rate
        return limit(self.r) if limit is not None and self._buffers(response) else 0

    async def _stream_response(self, response: Response) -> Status:
        r, connection = self.r, self.connection
        assert connection is not None
        state = self.state
        rate = self._rate(response)
        if not self._buffers(response):
            r.unbuffered = True
            r.sink.flush()
        try:
            while (data := await connection.read()) is not None:
                state.response_length += len(data)
                if rate:
                    await self._send_slowly(data, rate)
                elif not r.header_only:
                    await r.send(data)
        except UpstreamError as error:
            if r.body_in is None or not r.body_in.failed:  # else _stream_rest() closed it
                self._failed(error)
            self._leave(failed=False)
            r.sink.abort()
            return DONE
        self._finished(state.response_length)
        r.trailers = tuple(response.trailers)
        return r.finish()

    async def _send_slowly(self, data: bytes, rate: int) -> None:
        """Keeps to proxy_limit_rate, in bytes per second: while it waits nothing is read."""
        r, state = self.r, self.state
        passed = state.response_length - len(data)
        while data:
            seconds = int(time.monotonic() - state.started) + 1
            allowed = rate * seconds - passed
            if allowed <= 0:
                await asyncio.sleep(-allowed / rate + 0.001)
                continue
            if not r.header_only:
                await r.send(data[:allowed])
            passed += min(allowed, len(data))
            data = data[allowed:]

    def _buffers(self, response: Response) -> bool:
        told = [value.lower() for value in self.state.fields("x-accel-buffering")]
        told = [value for value in told if value in ("yes", "no")]
        if told and "X-Accel-Buffering" not in self.proxy.conf.proxy_ignore_headers:
            return told[-1] == "yes"
        return self.proxy.conf.proxy_buffering

    def _finished(self, length: int) -> None:
        """The upstream is done: its connection can serve others."""
        state, connection = self.state, self.connection
        now = time.monotonic()  # the loop's own clock
        if state.response is not None and state.response.warning:
            self._log(LogLevel.WARN, state.response.warning)
        state.response_time = now - state.started
        state.response_length = length
        if connection is not None:
            state.bytes_received = connection.bytes_received
            if self.found.tls is not None:
                self.found.tls.keep_session(self.name, state.peer, connection.ssl_object)
            pool = self.found.upstream.pool
            if pool is not None:
                pool.put(connection, self._tag(), now)
            else:
                connection.close()
            self.connection = None
        if self.peer is not None:
            self.choice.free(False, int(time.monotonic()))
            self.peer = None

    def _intercepted(self, response: Response) -> Status:
        """The status for error_page, 0 where none is configured for it."""
        r = self.r
        if response.status not in r.location.error_pages:
            return 0
        for name, field in zip(response.names, response.headers, strict=True):
            if name == "www-authenticate" and response.status == 401:
                r.add_header(*field)
        self._put_aside(response)
        return response.status

    def _put_aside(self, response: Response) -> None:
        """Lets go of the server; the client will not see its response."""
        if response.body is None:
            self._leave(failed=False)
        else:
            self._finished(len(response.body))

    def _accel_redirect(self, response: Response) -> Status | None:
        targets = self.state.fields("x-accel-redirect")
        if not targets or "X-Accel-Redirect" in self.proxy.conf.proxy_ignore_headers:
            return None
        target = targets[0]
        r = self.r
        self.proxy.copy_redirected(r, response.names, response.headers)
        self._put_aside(response)
        if target.startswith("@"):
            return r.go_named(target)
        parsed = parse_unsafe_uri(target)
        if parsed is None:
            r.log(LogLevel.ERR, f'unsafe URI "{target}" was detected')
            return 404
        if r.method != "HEAD":
            r.method = "GET"
        return r.redirect(*parsed)

    def _limit_rate(self) -> None:
        told = self.state.fields("x-accel-limit-rate")
        if not told or "X-Accel-Limit-Rate" in self.proxy.conf.proxy_ignore_headers:
            return
        rate = limit_rate_of(told[-1])
        if rate is not None:
            self.r.limit_rate = rate

    async def _upgrade(self, response: Response) -> Status:
        r, connection = self.r, self.connection
        assert connection is not None
        r.status, r.upgraded = 101, True
        r.keep_alive = False
        self.proxy.copy_headers(r, response.names, response.headers)
        r.send_header()
        await tunnel(r, connection)
        self._leave(failed=False)
        return r.finish()

    async def _drop(self, response: Response) -> Status:
        """An upgrade that nobody asked for: the client gets nothing of it."""
        r, connection = self.r, self.connection
        assert connection is not None
        r.status, self.doing = response.status, READING
        try:
            while await connection.read() is not None:
                pass
        except UpstreamError as error:
            self._failed(error)
        self._leave(failed=False)
        r.sink.abort()
        return DONE

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""
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


@proxy.variable("proxy_host")
def proxy_host(r: Request) -> str | None:
    """Name and port of the proxied server, as proxy_pass tells them."""
    out = r.contexts.get("proxy")
    return out.vars.host_header if out else None


@proxy.variable("proxy_port")
def proxy_port(r: Request) -> str | None:
    """Port of the proxied server, or the protocol's default port."""
    out = r.contexts.get("proxy")
    return out.vars.port if out else None


@proxy.variable("proxy_add_x_forwarded_for")
def proxy_add_x_forwarded_for(r: Request) -> str:
    """X-Forwarded-For of the request with $remote_addr appended."""
    forwarded = r.index.get("x-forwarded-for")
    return f"{forwarded}, {r.connection.remote_addr}" if forwarded else r.connection.remote_addr


@proxy.variable("proxy_internal_body_length")
def proxy_internal_body_length(r: Request) -> str | None:
    """Length of the body passed on; for the default Content-Length only."""
    out = r.contexts.get("proxy")
    return str(out.body_length) if out and out.body_length >= 0 else None


@proxy.variable("proxy_internal_chunked")
def proxy_internal_chunked(r: Request) -> str | None:
    """ "chunked" if the body is passed on in chunks; for the default Transfer-Encoding only."""
    out = r.contexts.get("proxy")
    return "chunked" if out and out.chunked else None


@proxy.variable("upstream_cache_last_modified")
def upstream_cache_last_modified(r: Request) -> str | None:
    """Last-Modified of a cached response that is being revalidated."""
    value: str | None = r.contexts.get("proxy_cache_last_modified")
    return value


@proxy.variable("upstream_cache_etag")
def upstream_cache_etag(r: Request) -> str | None:
    """ETag of a cached response that is being revalidated."""
    value: str | None = r.contexts.get("proxy_cache_etag")
    return value
