"""Looks into the cache before it asks an upstream (ngx_http_upstream_cache)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..cache import (
    Cache,
    CacheKey,
    CachePolicy,
    Caches,
    Hold,
    Lookup,
    PurgeableHold,
)
from ..http.body import read_body
from ..http.date import http_date
from ..http.engine import finish_subrequest, log_failure
from ..http.level import Level
from ..http.request import Handler, Request, Status
from ..http.subrequest import clone
from ..http.template import any_is_set
from ..log import Severity
from .cache_conf import ANY_OFFSET, CachedConf, note_temp_directory, warn_of_key
from .conf import check_buffers
from .exchange import Exchange, Gateway
from .keeping import CacheKeeper, KeepingRules
from .kept import KeptResponses
from .purging import EntryPurger, PurgeAnswer, PurgeRule, compile_purge, purge
from .route import GatewayOptions
from .storing import StoreRules
from .target import Destination
from .wire import KEY, Wire

ROOM_FOR_HEAD = 256  # bytes that the buffer of a head must have beyond the key


def gateway_to(conf: CachedConf, level: Level, wire: Wire, options: GatewayOptions) -> Handler:
    """A location's way to its upstream, with a cache before it if there is one."""
    if conf.zone is None:
        gateway = Gateway(conf, level, wire, options)
        if conf.store_to is not None:
            gateway.new_keeper = StoreRules(conf, level).new_keeper
        return gateway.pass_on
    if conf.purge_rule is not None:
        return PurgingGateway(conf, level, wire, options, conf.purge_rule).handle
    return CachedGateway(conf, level, wire, options).handle


def purge_here(conf: CachedConf, level: Level) -> Handler | None:
    """What answers in a location that passes nothing on, but purges."""
    entry = conf.purged_entry
    return None if entry is None else EntryPurger(entry, level).handle


def check_passing(conf: CachedConf, level: Level) -> None:
    """What is wrong with a level, or odd, even where nothing is passed on; a level that has the
    very conf of the one around it has been looked at there."""
    if conf.level is not level:
        return
    note_temp_directory(conf, level)
    if conf.origin is conf:
        check_buffers(conf)
        warn_of_key(conf, level)


class CachedGateway(Gateway):
    """A location's way to its upstream, with a cache before it."""

    def __init__(self, conf: CachedConf, level: Level, wire: Wire, options: GatewayOptions) -> None:
        super().__init__(conf, level, wire, options, keeps_heads=True)
        cache = self.cache = conf
        self.cache_of = _compile_zone(cache, level)
        self.key = cache.cache_key.bind(level.variables) if cache.cache_key else None
        self.methods = cache.cache_methods | {"GET", "HEAD"}
        self.bypass = tuple(x.bind(level.variables) for x in cache.bypass)
        self.policy = CachePolicy(
            conf.temp_files,
            conf.buffer_size,
            cache.cache_min_uses,
            cache.cache_lock,
            cache.cache_lock_timeout,
            cache.cache_lock_age,
        )
        self.kept = KeptResponses(self.copy_headers, conf, wire)
        self.rules = KeepingRules(conf, level, self.kept)
        self.caches = level.scope.shared(Caches)
        self.new_hold = PurgeableHold if self.caches.can_purge else Hold

    def handle(self, r: Request) -> Awaitable[Status] | Status:
        """Plain calls as long as nothing has to wait."""
        if r.method not in self.methods:
            return self.pass_on(r)
        r.ignore_abort = self.ignore_client_abort
        if r.cache_status is not None:
            r.forget_cache()
        destination = self.find(r)
        if isinstance(destination, int):
            return destination
        if isinstance(destination, Destination) and (
            r.body_in is None or r.body or not self.conf.request_buffering
        ):
            return self._look_up(r, destination)
        return self._prepare(r, destination)

    async def _prepare(
        self, r: Request, destination: Destination | Awaitable[Destination | Status]
    ) -> Status:
        if not isinstance(destination, Destination):
            resolved = await destination
            if isinstance(resolved, int):
                return resolved
            destination = resolved
        if r.body_in is not None and self.conf.request_buffering:
            await read_body(r)
        rc = self._look_up(r, destination)
        return rc if isinstance(rc, int) else await rc

    def _look_up(self, r: Request, destination: Destination) -> Awaitable[Status] | Status:
        """ngx_http_upstream_cache, up to its first look into the cache."""
        entry = self.entry_of(r, destination)
        if entry is None:
            return Exchange(self, r, destination).run()
        if isinstance(entry, int):
            return entry
        # "Vary" is on fields of the client: what asks for keys has few of them itself.
        fields = r.main.headers_in if r.asks_for_keys else r.headers_in
        hold = self.new_hold(*entry, self.policy, fields, r.log)
        if r.refresh or any_is_set(self.bypass, r):
            r.cache_status = "BYPASS"
            return self._fetch(r, destination, hold)
        r.cache_status = "MISS"
        state = hold.open()
        if state is Lookup.WAIT:
            return self._wait(r, destination, hold)
        return self._go_on(r, destination, hold, state)

    def entry_of(
        self, r: Request, destination: Destination
    ) -> tuple[Cache, CacheKey] | Status | None:
        """The cache and the key under which it keeps the response; None: it does not, a status
        is an error."""
        cache = self.cache_of(r)
        if cache is None or isinstance(cache, int):
            return cache
        r.contexts[KEY] = destination.out
        text = self.key(r) if self.key else self.wire.key(r, destination.out)
        if not text and not self.key:
            return None
        key = CacheKey.of(text)
        if key.header_start + ROOM_FOR_HEAD > self.policy.buffer_size:
            self._report_long_key(r, key)
            return None
        return cache, key

    def _report_long_key(self, r: Request, key: CacheKey) -> None:
        needed = -(-(key.header_start + ROOM_FOR_HEAD) // 1024) * 1024
        name, size = f"{self.conf.prefix}_buffer_size", self.policy.buffer_size
        r.log(
            Severity.ERR,
            f"{name} {size} is not enough for cache key, "
            f"it should be increased to at least {needed}",
        )

    async def _wait(self, r: Request, destination: Destination, hold: Hold) -> Status:
        """Another request fetches the response: it is worth waiting for."""
        try:
            state = Lookup.WAIT
            while state is Lookup.WAIT:
                await hold.wait()
                state = hold.open()
        except BaseException:
            hold.free()
            hold.close()
            raise
        rc = self._go_on(r, destination, hold, state)
        return rc if isinstance(rc, int) else await rc

    def _go_on(
        self, r: Request, destination: Destination, hold: Hold, state: Lookup
    ) -> Awaitable[Status] | Status:
        """Answers, or begins to fetch, as the cache says."""
        if state is Lookup.HIT:
            return self._answer(r, destination, hold, "HIT")
        if state is Lookup.STALE or state is Lookup.UPDATING:
            return self._go_on_stale(r, destination, hold, state)
        if state is Lookup.MISS or state is Lookup.SCARCE:
            return self._fetch(r, destination, hold, keeps=state is Lookup.MISS)
        status = hold.error if state is Lookup.FAILED else 500
        if state is Lookup.FAILED:
            r.cache_status = "HIT"
        hold.close()
        return status

    def _go_on_stale(
        self, r: Request, destination: Destination, hold: Hold, state: Lookup
    ) -> Awaitable[Status] | Status:
        status = self.status_of_stale(r, hold, state)
        if status == "EXPIRED":
            r.cache_status = status
            return self._fetch(r, destination, hold)
        if status == "STALE":
            self._update(r, hold)
        return self._answer(r, destination, hold, status)

    def status_of_stale(self, r: Request, hold: Hold, state: Lookup) -> str:
        """What becomes of an expired response: "UPDATING" and "STALE" are answered with it,
        "EXPIRED" is fetched again, perhaps under conditions."""
        entry = hold.entry
        assert entry is not None
        usable = ("updating" in self.rules.stale or entry.stale_updating) and not r.in_background
        if usable and state is Lookup.UPDATING:
            return "UPDATING"
        if usable and self.cache.cache_background_update:
            return "STALE"
        if self.cache.cache_revalidate:
            modified = entry.header.last_modified
            if modified >= 0:
                r.contexts["cache_last_modified"] = http_date(modified)
            r.contexts["cache_etag"] = entry.header.etag or None
        return "EXPIRED"

    def _answer(
        self, r: Request, destination: Destination, hold: Hold, status: str
    ) -> Awaitable[Status] | Status:
        """From the cache; a file with an invalid header is fetched again."""
        r.cache_status = status
        sent = self.kept.send(r, hold)
        if sent is not None:
            return sent
        r.cache_status = "MISS"
        return self._fetch(r, destination, hold)

    # -- fetching --------------------------------------------------------------------------

    async def _fetch(
        self, r: Request, destination: Destination, hold: Hold, *, keeps: bool = True
    ) -> Status:
        try:
            keeps = self.begin_fetch(r, keeps)
            return await Exchange(self, r, destination, CacheKeeper(self.rules, hold, keeps)).run()
        finally:
            hold.free()
            hold.close()

    def begin_fetch(self, r: Request, keeps: bool) -> bool:
        """Chooses the method with which the upstream is asked; whether the response is kept."""
        keeps = keeps and self._keeps_range(r)
        if keeps and r.method == "HEAD" and self.cache.cache_convert_head:
            r.contexts["cache_converts"] = True
        return keeps

    def _keeps_range(self, r: Request) -> bool:
        """Whether all is fetched for a part (ngx_http_upstream_cache_check_range)."""
        limit, text = self.cache.cache_max_range_offset, r.first_line("range")
        if text is None or limit == ANY_OFFSET:
            return True
        if not limit:
            return False
        if len(text) < 7 or text[:6].lower() != "bytes=":
            return True
        first = text[6:].lstrip(" ")
        if first.startswith("-"):
            return False
        digits = first[: len(first) - len(first.lstrip("0123456789"))]
        return not digits or int(digits[:20]) < limit

    def _update(self, r: Request, hold: Hold) -> None:
        """Fetches again in the background; the right to do so is the answered request's
        (ngx_http_upstream_cache_background_update)."""
        hold.background = True
        task = asyncio.get_running_loop().create_task(self._run_update(clone(r), hold))
        self.caches.note_update(task)
        if r.body is not None or not r.main.keep_alive:  # nginx lets all connections wait
            r.main.background += (task,)

    async def _run_update(self, r: Request, hold: Hold) -> None:
        try:
            rc = self.handle(r)
            r.status = r.status or (rc if isinstance(rc, int) else await rc)
        except Exception as error:
            log_failure(r, error)
        finally:
            hold.free()
        finish_subrequest(r)


class PurgingGateway(CachedGateway):
    """The same for a location some of whose requests purge what others are answered with."""

    def __init__(
        self,
        conf: CachedConf,
        level: Level,
        wire: Wire,
        options: GatewayOptions,
        rule: PurgeRule,
    ) -> None:
        super().__init__(conf, level, wire, options)
        self.purges = compile_purge(rule, level)

    def handle(self, r: Request) -> Awaitable[Status] | Status:
        answer = self.purges(r)
        if answer is None:
            return super().handle(r)
        return answer if isinstance(answer, int) else self._purge(r, answer)

    async def _purge(self, r: Request, answer: PurgeAnswer) -> Status:
        destination = self.find(r)
        if not isinstance(destination, int | Destination):
            destination = await destination
        if isinstance(destination, int):
            return destination
        entry = self.entry_of(r, destination)
        if entry is None or isinstance(entry, int):
            return entry or 404
        return purge(r, *entry, answer)


CacheOf = Callable[[Request], Cache | Status | None]


def _compile_zone(conf: CachedConf, level: Level) -> CacheOf:
    """A function that finds the cache; None is "off", a status an error."""
    assert conf.zone is not None
    caches = level.scope.shared(Caches).by_name
    if conf.zone.is_constant:
        cache = caches[conf.zone.text]
        return lambda r: cache
    name_of = conf.zone.bind(level.variables)

    def find(r: Request) -> Cache | Status | None:
        name = name_of(r)
        if name in ("", "off"):
            return None
        cache = caches.get(name)
        if cache is None:
            r.log(Severity.ERR, f'cache "{name}" not found')
            return 500
        return cache

    return find
