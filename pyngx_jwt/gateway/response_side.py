"""The response's side of an exchange: where its head and its body go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, Protocol

from ..http.request import DONE, Status
from ..http.uri import parse_unsafe_uri
from ..log import Severity
from ..upstream.errors import UpstreamError
from ..upstream.head import HTTP_09, PeerResponse
from .answer import limit_rate_of
from .request_side import RequestSide
from .spool import Spool
from .tunnel import pass_both_ways

READING: Final = "reading upstream"


class Keeper(Protocol):
    """Keeps the response of an exchange, or answers with one that was kept."""

    @property
    def validates(self) -> bool:
        """Whether the upstream is asked if the response that was kept is still good."""

    async def give_up(self, exchange: ResponseSide, status: Status, failure: str) -> Status:
        """No server has answered."""

    def broken_off(self, head: bytes) -> None:
        """No more has come of the head of a response."""

    def instead_of(
        self, exchange: ResponseSide, response: PeerResponse
    ) -> Awaitable[Status] | None:
        """What answers in the place of a response, None if nothing does."""

    def intercepted(self, status: Status) -> None:
        """An error page takes the place of a response with this status."""

    def head_copied(self, exchange: ResponseSide, response: PeerResponse) -> None:
        """The client's response has got its head."""

    def send_body(self, exchange: ResponseSide, response: PeerResponse) -> Awaitable[Status]:
        """Sends the body to the client, and keeps it."""

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""


class ResponseSide(RequestSide):
    """Passes a response on to the client, or what takes its place."""

    keeper: Keeper | None
    spool: Spool | None = None  # of what the client does not take at once

    def respond(self, response: PeerResponse) -> Awaitable[Status] | Status:
        """The request's status, once the client has its response."""
        if self.keeper is not None:
            kept = self.keeper.instead_of(self, response)
            if kept is not None:
                return kept
        if response.may_steer:
            self._limit_rate()
        if self.route.intercept_errors and response.status >= 300:
            status = self._intercepted(response)
            if status:
                return status
        if response.may_steer and (not response.version or response.version >= 1000):
            redirect = self._accel_redirect(response)
            if redirect is not None:
                return redirect
        if response.status == 101 and self.route.wire.upgrades:
            if "upgrade" in self.r.index:
                return self.open_tunnel(response)
            self.log(Severity.ERR, "upstream switched protocols though nobody asked for it")
            self.leave(failed=False)
            return 502
        if self.destination.upstream.notes_heads:
            self.note_head()
        self._copy_head(response)
        self.doing = READING
        return self._send_response(response)

    def _copy_head(self, response: PeerResponse) -> None:
        r, route = self.r, self.route
        r.status = response.status
        r.status_line = response.status_line or None
        route.copy_headers(r, response.names, response.headers)
        r.content_length = -1 if response.chunked else response.length
        if route.force_ranges:
            r.allow_ranges = True
        r.single_range = route.force_ranges
        r.disable_not_modified = True
        if route.pass_trailers:
            r.passes_trailers = True
        if response.version == HTTP_09:  # what came goes on as it is, without a head
            r.http_version, r.keep_alive = HTTP_09, False
        if self.keeper is not None:
            self.keeper.head_copied(self, response)

    def _send_response(self, response: PeerResponse) -> Awaitable[Status] | Status:
        r, whole = self.r, response.body
        if self.keeper is not None:
            r.send_header()
            return self.keeper.send_body(self, response)
        if whole is None or response.trailers or len(whole) > self.settings.buffer_size:
            r.send_header()
            return self.send_body(response)
        rest = r.send_whole(whole)
        self.finished(len(whole))
        return rest

    def send_body(self, response: PeerResponse) -> Awaitable[Status] | Status:
        """Sends the body to the client."""
        r, whole = self.r, response.body
        if whole is None:
            return self._stream_response(response)
        self.finished(len(whole))
        if whole and not r.header_only:
            rate = self._rate(response) if len(whole) > self.settings.buffer_size else 0
            if rate or r.rate or r.inflates:
                return self._send_by_and_by(response, whole, rate)
            r.write(whole)
        r.trailers = tuple(response.trailers)
        return self._end_when_sent() if r.sink.paused else r.finish()

    async def _send_by_and_by(self, response: PeerResponse, whole: bytes, rate: int) -> Status:
        """Sends a whole body that the client is not to have at once."""
        r = self.r
        if rate:
            await self._send_slowly(whole, rate)
        else:
            await r.send(whole)
        r.trailers = tuple(response.trailers)
        return await self._end_when_sent() if r.sink.paused else r.finish()

    async def _end_when_sent(self) -> Status:
        await self.r.sink.drain()
        return self.r.finish()

    def _rate(self, response: PeerResponse) -> int:
        """The bytes per second of "limit_rate"; it needs buffering, as in nginx."""
        limit = self.route.limit_rate
        return limit(self.r) if limit is not None and self.buffers(response) else 0

    async def _stream_response(self, response: PeerResponse) -> Status:
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
        spools = not (rate or r.unbuffered or r.inflates) and self.route.conf.max_temp_file_size
        try:
            while (data := await connection.read()) is not None:
                state.response_length += len(data)
                if rate:
                    await self._send_slowly(data, rate)
                elif not spools:
                    await r.send(data)
                elif not (self.spool is not None or r.sink.paused or r.rate):
                    r.write(data)
                elif not await self._send_by_file(data):
                    self.leave(failed=False)
                    r.sink.abort()
                    return DONE
        except UpstreamError as error:
            if r.body_in is None or not r.body_in.failed:  # else _stream_rest() closed it
                self.failed(error)
            self.leave(failed=False)
            if self.spool is not None:
                await self.spool.finish()
            r.sink.abort()
            return DONE
        self.finished(state.response_length)
        if self.spool is not None:
            await self.spool.finish()
            if self.spool.gone:  # the end of the response is missing
                r.sink.abort()
                return DONE
        r.trailers = tuple(response.trailers)
        return r.finish()

    async def _send_by_file(self, data: bytes) -> bool:
        """Through a temporary file while the client is behind, as long as it has room; False if
        the file failed, and with it the response."""
        r, conf, spool = self.r, self.route.conf, self.spool
        if spool is None:
            size, most = conf.temp_file_write_size, conf.max_temp_file_size
            spool = self.spool = Spool(r, self.route.temp_files, write_size=size, most=most)
        if not spool.is_busy and not (r.sink.paused or r.rate):
            r.write(data)
        elif spool.fits(len(data)):
            if spool.put(data):
                text = "an upstream response is buffered to a temporary file"
                self.log(Severity.WARN, f"{text} {spool.writer.path}")
        else:
            await spool.finish()
            if not spool.gone:
                await r.send(data)
        return not spool.failed

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

    def buffers(self, response: PeerResponse) -> bool:
        """Whether the response is read ahead of the client."""
        if not response.may_steer:
            return self.route.conf.buffering
        values = [value.lower() for value in self.state.fields("x-accel-buffering")]
        values = [value for value in values if value in ("yes", "no")]
        if values and "X-Accel-Buffering" not in self.route.conf.ignore_headers:
            return values[-1] == "yes"
        return self.route.conf.buffering

    def _intercepted(self, response: PeerResponse) -> Status:
        """The status for error_page, 0 where none is configured for it."""
        r = self.r
        own_page = response.status == 404 and self.route.conf.intercepts_404
        if response.status not in r.location.error_pages and not own_page:
            return 0
        for name, field in zip(response.names, response.headers, strict=True):
            if name == "www-authenticate" and response.status == 401:
                r.add_header(*field)
        self.put_aside(response)
        if self.keeper is not None:
            self.keeper.intercepted(response.status)
        return response.status

    def put_aside(self, response: PeerResponse) -> None:
        """Lets go of the server; the client will not see its response."""
        if response.body is None:
            self.leave(failed=False)
        else:
            self.finished(len(response.body))

    def _accel_redirect(self, response: PeerResponse) -> Status | None:
        targets = self.state.fields("x-accel-redirect")
        if not targets or "X-Accel-Redirect" in self.route.conf.ignore_headers:
            return None
        target = targets[0]
        r = self.r
        self.route.copy_redirected(r, response.names, response.headers)
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
        rates = self.state.fields("x-accel-limit-rate")
        if not rates or "X-Accel-Limit-Rate" in self.route.conf.ignore_headers:
            return
        rate = limit_rate_of(rates[-1])
        if rate is not None:
            self.r.limit_rate = rate

    async def open_tunnel(self, response: PeerResponse) -> Status:
        """Passes all on that follows a response, in both directions."""
        r, connection = self.r, self.connection
        assert connection is not None
        r.status, r.upgraded = response.status, True
        r.keep_alive = False
        self.route.copy_headers(r, response.names, response.headers)
        r.send_header()
        tunnel = r.sink.tunnel
        if tunnel is None:
            r.log(Severity.ERR, "connection upgrade in subrequest")
            self.leave(failed=False)
            r.sink.abort()
            return DONE
        await pass_both_ways(r, tunnel, connection, self.state)
        self.leave(failed=False)
        return r.finish()
