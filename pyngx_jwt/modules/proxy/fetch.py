"""Fetches what the cache has not, and keeps it (the cache's part of ngx_http_upstream.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...cache import Freshness, Hold, Writer, valid_seconds
from ...http.date import parse_http_time
from ...http.request import DONE, Request, Status
from ...http.template import Text
from ...upstream.errors import UpstreamError
from ...upstream.head import HTTP_09, Response
from . import target
from .follower import Follower
from .handler import NEXT_STATUS, Exchange

if TYPE_CHECKING:
    from .cached import CachedProxy

WITH_VALIDATORS = (200, 206)


class CachingExchange(Exchange):
    """An exchange whose response goes into the cache, if it may (``keeps``)."""

    __slots__ = ("client", "fresh", "hold", "keeps", "writer")
    proxy: CachedProxy

    def __init__(
        self, proxy: CachedProxy, r: Request, found: target.Found, hold: Hold, keeps: bool
    ) -> None:
        super().__init__(proxy, r, found)
        self.hold, self.keeps = hold, keeps
        self.fresh = self._new_freshness()
        self.writer: Writer | None = None
        self.client: Follower | None = None

    def _new_freshness(self) -> Freshness:
        return Freshness(int(self.hold.cache.clock.time()), self.proxy.ignore)

    def _head(self) -> bytes:
        if self.keeps:
            return self.proxy.build_cached_head(self.r, self.out)
        return super()._head()

    async def _give_up(self, status: Status, failure: str) -> Status:
        entry = self.hold.entry
        expired = self.r.cache_status == "EXPIRED" and entry is not None
        if expired and (failure in self.proxy.stale or (entry and entry.stale_error)):
            return await self._answer_kept("STALE")
        seconds = valid_seconds(self.proxy.cache.valid, status) if self.keeps else 0
        if seconds:
            self.hold.free(error=status, valid_sec=self.fresh.now + seconds)
        return status

    async def _answer_kept(self, status: str) -> Status:
        """The old response, where a new one was wanted."""
        self.r.cache_status = status
        sent = self.proxy.kept.send(self.r, self.hold)
        if sent is None:
            return 500
        return sent if isinstance(sent, int) else await sent

    async def _answer(self, response: Response) -> Status:
        fresh = self.fresh = self._new_freshness()
        fresh.feed(response.headers)
        if self.r.cache_status == "EXPIRED" and self.hold.entry is not None:
            status = response.status
            if status in NEXT_STATUS and f"http_{status}" in self.proxy.stale:
                self._put_aside(response)
                return await self._answer_kept("STALE")
            if status == 304 and self.proxy.cache.proxy_cache_revalidate:
                self._put_aside(response)
                self._revalidate()
                return await self._answer_kept("REVALIDATED")
        return await super()._answer(response)

    def _put_aside(self, response: Response) -> None:
        """Lets go of the server; the client will not see its response."""
        if response.body is None:
            self._leave(failed=False)
        else:
            self._finished(len(response.body))

    def _revalidate(self) -> None:
        """Gives the old response a new time to live."""
        entry = self.hold.entry
        assert entry is not None
        kept = self.proxy.kept.parse(entry.head)
        if kept is None:
            return
        if self.fresh.revalidate(kept.headers, kept.status, self.proxy.cache.valid):
            self.hold.update_header(self.fresh)

    def _intercepted(self, response: Response) -> Status:
        status = super()._intercepted(response)
        if status and self.keeps and self.fresh.decide(status, self.proxy.cache.valid):
            self.hold.free(error=status, valid_sec=self.fresh.valid_sec)
        return status

    def _copy_head(self, response: Response) -> None:
        r, fresh = self.r, self.fresh
        super()._copy_head(response)
        if fresh.no_cache or fresh.expired or not fresh.cacheable:
            self.keeps = False
        r.disable_not_modified = not self.keeps
        if self.keeps and "accept-ranges" in response.names:
            if not self.proxy.conf.proxy_force_ranges:
                r.clear_header("accept-ranges")
            r.allow_ranges = r.single_range = True

    async def _send_body(self, response: Response) -> Status:
        r, whole = self.r, response.body
        writer = self.writer = self._begin(response)
        if writer is None:
            self.hold.free()
            if r.header_only and whole is None:
                self._leave(failed=False)
                return r.finish()
            return await super()._send_body(response)
        r.ignore_abort = True
        if whole is None:
            return await self._store(response, writer)
        writer.write(whole)
        self.hold.commit(writer)
        return await super()._send_body(response)

    def _begin(self, response: Response) -> Writer | None:
        """A writer for the response, if it may be kept."""
        proxy, fresh = self.proxy, self.fresh
        if not self.keeps or not self._buffers(response) or any_tells(proxy.no_cache, self.r):
            return None
        if response.version == HTTP_09:  # it has no status that could be valid for a time
            return None
        if not fresh.decide(response.status, proxy.cache.valid):
            return None
        modified, etag = -1, ""
        if response.status in WITH_VALIDATORS:
            found = parse_http_time(self.state.field("last-modified") or "")
            modified, etag = -1 if found is None else found, self.state.field("etag") or ""
        return self.hold.begin(response.raw, fresh, last_modified=modified, etag=etag)

    async def _store(self, response: Response, writer: Writer) -> Status:
        """Writes to the cache and the client what comes, to the end even if the client goes."""
        r, connection = self.r, self.connection
        assert connection is not None
        total, client = 0, Follower(r, writer)
        self.client = client
        if r.header_only:
            r.sink.flush()
        try:
            while (data := await connection.read()) is not None:
                total += len(data)
                if not writer.write(data) and client.needs_file:
                    return self._give_up_storing()
                client.take(data)
                if writer.failed and r.sink.paused:
                    await r.sink.drain()
        except UpstreamError as error:
            self._failed(error)
            self.state.response_length = total
            self._leave(failed=False)
            await client.finish()
            r.sink.abort()
            return DONE
        self._finished(total)
        self.hold.commit(writer)
        await client.finish()
        r.trailers = tuple(response.trailers)
        return r.finish()

    def _give_up_storing(self) -> Status:
        """The disk failed, and there is nobody, or nowhere else, to get the rest from."""
        self._leave(failed=False)
        if self.r.header_only:
            return self.r.finish()
        self.r.sink.abort()
        return DONE

    def close(self) -> None:
        super().close()
        if self.writer is not None:
            self.hold.free(self.writer)
        if self.client is not None:
            self.client.close()


def any_tells(predicates: tuple[Text, ...], r: Request) -> bool:
    """Whether one of the values is neither empty nor "0" (ngx_http_test_predicates)."""
    return any(predicate(r) not in ("", "0") for predicate in predicates)
