"""Keeps what an exchange brings in the cache (the cache's part of ngx_http_upstream.c)."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import reduce
from operator import or_

from ..cache import IGNORABLE, Freshness, Hold, Ignore, Writer, valid_seconds
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.request import Request, Status
from ..http.template import any_is_set
from ..upstream.head import HTTP_09, PeerResponse, parse_begun
from .attempts import NEXT_STATUS
from .cache_conf import CachedConf
from .kept import KeptResponses
from .response_side import ResponseSide
from .writing import BodyWriter

WITH_VALIDATORS = (200, 206)
WRITTEN = "cache_written"  # in the contexts of a request: bytes that the cache has got


class KeepingRules:
    """When a location keeps a response, and when it is content with an old one."""

    def __init__(self, conf: CachedConf, level: Level, kept: KeptResponses) -> None:
        self.valid, self.stale = conf.valid, conf.stale
        self.revalidates, self.force_ranges = conf.cache_revalidate, conf.force_ranges
        self.not_kept = tuple(text.bind(level.variables) for text in conf.not_kept)
        ignored = (IGNORABLE[name] for name in conf.ignore_headers if name in IGNORABLE)
        self.ignore = reduce(or_, ignored, Ignore.NONE)
        self.kept = kept


class CacheKeeper(BodyWriter):
    """The place in the cache that an exchange fills, if it may (``keeps``)."""

    def __init__(self, rules: KeepingRules, hold: Hold, keeps: bool) -> None:
        self.rules, self.hold, self.keeps = rules, hold, keeps
        self.fresh = self._new_freshness()

    @property
    def validates(self) -> bool:
        return self.keeps

    def _new_freshness(self) -> Freshness:
        return Freshness(int(self.hold.cache.clock.time()), self.rules.ignore)

    def broken_off(self, head: bytes) -> None:
        """What has come of it can forbid that the failure, or another response, is kept."""
        fresh = self._new_freshness()
        fresh.feed(parse_begun(head))
        self.keeps = self.keeps and fresh.cacheable

    async def give_up(self, exchange: ResponseSide, status: Status, failure: str) -> Status:
        """The old response may do, or the failure is remembered for a while."""
        entry = self.hold.entry
        expired = exchange.r.cache_status == "EXPIRED" and entry is not None
        if expired and (failure in self.rules.stale or (entry and entry.stale_error)):
            return await self._answer_kept(exchange.r, "STALE")
        seconds = valid_seconds(self.rules.valid, status) if self.keeps else 0
        if seconds:
            self.hold.free(error=status, valid_sec=self.fresh.now + seconds)
        return status

    async def _answer_kept(self, r: Request, status: str) -> Status:
        """The old response, where a new one was wanted."""
        r.cache_status = status
        sent = self.rules.kept.send(r, self.hold)
        if sent is None:
            return 500
        return sent if isinstance(sent, int) else await sent

    def instead_of(
        self, exchange: ResponseSide, response: PeerResponse
    ) -> Awaitable[Status] | None:
        """The old response, where the new one says that it is still good, or is an error."""
        r = exchange.r
        fresh = self.fresh = self._new_freshness()
        fresh.feed(response.headers)
        if r.cache_status != "EXPIRED" or self.hold.entry is None:
            return None
        status = response.status
        if status in NEXT_STATUS and f"http_{status}" in self.rules.stale:
            exchange.put_aside(response)
            return self._answer_kept(r, "STALE")
        if status == 304 and self.rules.revalidates:
            exchange.put_aside(response)
            self._revalidate()
            return self._answer_kept(r, "REVALIDATED")
        return None

    def _revalidate(self) -> None:
        """Gives the old response a new time to live."""
        entry = self.hold.entry
        assert entry is not None
        kept = self.rules.kept.parse(entry.head)
        if kept is None:
            return
        if self.fresh.revalidate(kept.headers, kept.status, self.rules.valid):
            self.hold.update_header(self.fresh)

    def intercepted(self, status: Status) -> None:
        """An error page answers: its cause may be remembered for a while."""
        if self.keeps and self.fresh.decide(status, self.rules.valid):
            self.hold.free(error=status, valid_sec=self.fresh.valid_sec)

    def head_copied(self, exchange: ResponseSide, response: PeerResponse) -> None:
        """Decides whether the response is kept, as far as its head tells."""
        r, fresh = exchange.r, self.fresh
        if fresh.no_cache or fresh.expired or not fresh.cacheable:
            self.keeps = False
        r.disable_not_modified = not self.keeps
        if self.keeps and "accept-ranges" in response.names:
            if not self.rules.force_ranges:
                r.clear_header("accept-ranges")
            r.allow_ranges = r.single_range = True

    async def send_body(self, exchange: ResponseSide, response: PeerResponse) -> Status:
        """Sends the body to the client, and keeps it."""
        writer = self._begin(exchange, response)
        if writer is None:
            self.hold.free()
            sent = exchange.send_body(response)
            return sent if isinstance(sent, int) else await sent
        return await self.write_body(exchange, response, writer)

    def _begin(self, exchange: ResponseSide, response: PeerResponse) -> Writer | None:
        """A writer for the response, if it may be kept."""
        rules, fresh = self.rules, self.fresh
        if not self.keeps or not exchange.buffers(response):
            return None
        if any_is_set(rules.not_kept, exchange.r):
            return None
        if response.version == HTTP_09:  # it has no status that could be valid for a time
            return None
        if not fresh.decide(response.status, rules.valid):
            return None
        modified, etag = -1, ""
        if response.status in WITH_VALIDATORS:
            state = exchange.state
            seconds = parse_http_time(state.field("last-modified") or "")
            modified, etag = -1 if seconds is None else seconds, state.field("etag") or ""
        return self.hold.begin(response.raw, fresh, last_modified=modified, etag=etag)

    def commit(self, exchange: ResponseSide, writer: Writer) -> None:
        if self.hold.commit(writer):
            exchange.r.contexts[WRITTEN] = writer.size - writer.body_start

    def discard(self, writer: Writer) -> None:
        self.hold.free(writer)
