"""Limits the rate of requests per key, with the leaky bucket method."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..conf.directive import Conf, directive, flag
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, HTTP
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.template import Template, Text
from ..log import Severity
from ..metrics.kinds import LIMIT_REQ
from ..zones import Zone, Zones, ZoneStore
from ..zones.sharing import split_sync
from ..zones.store import Rates, StoreDown, Take
from .limits import (
    DELAYED,
    DRY_RUN,
    PASSED,
    REJECTED,
    KeyedZones,
    bind_key,
    counts_of,
    log_level,
    positive,
    status,
)

NO_DELAY = 2**53  # an excess that nothing has
LONGEST_KEY = 65535
STATUS = "limit_req_status"


class LimitReqZones(KeyedZones):
    directive = "limit_req_zone"
    shown = "limit_req"


class RequestLimit(NamedTuple):
    """One "limit_req"; `burst` and `delay` are in thousandths of a request."""

    zone: Zone
    burst: int
    delay: int


class LimitReqConf(Conf):
    limits: tuple[RequestLimit, ...] = ()

    @directive(EVERYWHERE, syntax="limit_req zone=name [burst=number] [nodelay | delay=number]")
    def limit_req(self, zone: str, parameter: str = "", another: str = "") -> None:
        """Limits the rate of requests with the same key.  "burst" requests above the rate are
        delayed to match it, further ones are refused.  With "nodelay" they are not delayed, with
        "delay=number" only those above that number.  Several limits can be combined; they are
        inherited if and only if the level has none of its own."""
        name, burst, delay = "", 0, 0
        for text in filter(None, (zone, parameter, another)):
            word, _, value = text.partition("=")
            if word == "zone":
                name = value
            elif word == "burst":
                burst = _number(text, value, "burst")
            elif word == "delay":
                delay = _number(text, value, "delay") * 1000
            elif text == "nodelay":
                delay = NO_DELAY
            else:
                raise ConfError(f'invalid parameter "{text}"')
        if not name:
            raise ConfError('"limit_req" must have "zone" parameter')
        memory = self.scope.shared(Zones).add(name, 0, "limit_req")
        limits = vars(self).get("limits", ())
        if any(limit.zone is memory for limit in limits):
            raise ConfError('"limit_req" directive is duplicate')
        self.limits = (*limits, RequestLimit(memory, burst * 1000, delay))

    limit_req_dry_run = flag(
        False,
        EVERYWHERE,
        "Logs requests that would be delayed or refused, without delaying or refusing them.",
    )
    limit_req_log_level = log_level(
        "Sets the log level for refused requests. Delayed requests are logged one level lower."
    )
    limit_req_status = status("Sets the status of refused requests.")

    @directive(
        HTTP,
        syntax="limit_req_zone key zone=name:size rate=rate [sync] [fallback=local | deny]",
        arity=(3, 5),
    )
    def limit_req_zone(self, key: str, *parameters: str) -> None:
        """Defines a zone with the state of each key, shared by all workers.  The rate is in
        requests per second (r/s) or per minute (r/m).  The key can contain variables; requests with
        an empty key are not limited.  If the zone is full, the least recently used states are
        removed.  With "sync", the zone is shared between machines by the server of
        "pyngx_zone_store"; "fallback" applies while that server is unreachable."""
        template, parameter, speed = Template(key), "", 1000
        words, fallback = split_sync(parameters)
        for text in words:
            if text.startswith("zone="):
                parameter = text
            elif text.startswith("rate="):
                speed = _rate(text)
            else:
                raise ConfError(f'invalid parameter "{text}"')
        if not parameter.removeprefix("zone=").partition(":")[0]:
            raise ConfError('"limit_req_zone" must have "zone" parameter')
        zones = self.scope.shared(LimitReqZones)
        name = zones.add(self.scope.shared(Zones), "limit_req", parameter, template, speed)
        self.scope.shared(ZoneStore).share(name, fallback, self.scope.statement)


def _number(text: str, value: str, what: str) -> int:
    try:
        return positive(value)
    except ValueError:
        raise ConfError(f'invalid {what} value "{text}"') from None


def _rate(text: str) -> int:
    """Thousandths of a request a second."""
    value, scale = text[5:], 1
    if value.endswith(("r/s", "r/m")):
        value, scale = value[:-3], 60 if value.endswith("m") else 1
    try:
        return positive(value) * 1000 // scale
    except ValueError:
        raise ConfError(f'invalid rate "{text}"') from None


limit_req = Module("limit_req", LimitReqConf)


@limit_req.check_continues
def check_keys(scope: Scope, old: Scope) -> None:
    scope.shared(LimitReqZones).check_continues(old.shared(LimitReqZones))


@limit_req.after_merge
def bind_keys(conf: LimitReqConf, level: Level) -> None:
    if level.context is HTTP:
        level.scope.shared(LimitReqZones).bind(level.variables)


@limit_req.variable("limit_req_status")
def limit_req_status(r: Request) -> str | None:
    """Result of the limit: PASSED, DELAYED, REJECTED, DELAYED_DRY_RUN or
    REJECTED_DRY_RUN."""
    return r.variables.get(STATUS)


class Bucket(NamedTuple):
    """A limit with its key bound; excesses are in thousandths of a request."""

    limit: RequestLimit
    rates: Rates
    key: Text
    rate: int
    store: ZoneStore | None  # that of all machines, if the zone is shared

    def key_of(self, r: Request) -> bytes | None:
        """None if nothing is counted: the key is empty, or too long."""
        text = self.key(r)
        return hashlib.blake2b(text.encode("latin-1"), digest_size=16).digest() if text else None

    def look(self, key: bytes, now: int) -> int:
        return self.rates.look(key, now, self.rate)

    def take(self, key: bytes, now: int, burst: int) -> int | None:
        return self.rates.take(key, now, self.rate, burst)

    def wait(self, excess: int) -> int:
        """Milliseconds."""
        return max(excess - self.limit.delay, 0) * 1000 // self.rate


def _now() -> int:
    return int(time.monotonic() * 1000)


@limit_req.handler(Phase.PREACCESS)
def limit_rate(conf: LimitReqConf, level: Level) -> Handler | None:
    if not conf.limits:
        return None
    buckets = [bucket for limit in conf.limits if (bucket := _bucket(limit, level))]
    refuse = _refuse(conf)
    delay = _delay(conf)
    counts = counts_of(level, LIMIT_REQ)

    def handle(r: Request) -> Awaitable[Status | None] | Status | None:
        if STATUS in r.variables:
            return None
        keyed = _keyed(r, buckets)
        return go_on(r, _account(keyed, _now())) if keyed else None

    def go_on(
        r: Request, outcome: RateRefusal | Delayed
    ) -> Awaitable[Status | None] | Status | None:
        answer: Awaitable[Status | None] | Status | None = None
        if isinstance(outcome, RateRefusal):
            answer = refuse(r, outcome)
        elif not outcome.wait:
            r.variables[STATUS] = PASSED
        else:
            answer = delay(r, outcome)
        if counts is not None:
            counts.count(outcome.zone, r.variables[STATUS])
        return answer

    return _share_rate(buckets, go_on) if any(bucket.store for bucket in buckets) else handle


Keyed = list[tuple[Bucket, bytes]]
GoOn = Callable[[Request, "RateRefusal | Delayed"], Awaitable[Status | None] | Status | None]


def _keyed(r: Request, buckets: list[Bucket]) -> Keyed:
    return [(bucket, key) for bucket in buckets if (key := bucket.key_of(r)) is not None]


def _share_rate(buckets: list[Bucket], go_on: GoOn) -> Handler:
    """The same for limits of which some are shared with other machines."""

    async def handle(r: Request) -> Status | None:
        if STATUS in r.variables:
            return None
        keyed = _keyed(r, buckets)
        if not keyed:
            return None
        status = go_on(r, await _account_shared(keyed, _now()))
        return await status if isinstance(status, Awaitable) else status

    return handle


def _bucket(limit: RequestLimit, level: Level) -> Bucket | None:
    """None for a zone that is not declared, which is an error after the syntax check."""
    keyed = level.scope.shared(LimitReqZones).by_name.get(limit.zone.name)
    if keyed is None:
        return None
    key = bind_key(keyed, LONGEST_KEY, level.variables)
    store = level.scope.shared(ZoneStore)
    shared = store if store.shares(limit.zone.name) else None
    return Bucket(limit, limit.zone.rates(), key, keyed.rate, shared)


class RateRefusal(NamedTuple):
    zone: str
    excess: int | None  # None if the zone is full, or the store cannot be asked
    down: bool = False


class Delayed(NamedTuple):
    zone: str
    excess: int
    wait: int  # milliseconds; 0 is not at all


def _account(keyed: list[tuple[Bucket, bytes]], now: int) -> RateRefusal | Delayed:
    """Counts the request in all zones, or in none if one of them refuses it."""
    *others, (last, key) = keyed
    for bucket, other in others:
        if (expected := bucket.look(other, now)) > bucket.limit.burst:
            return RateRefusal(bucket.limit.zone.name, expected)
    excess = last.take(key, now, last.limit.burst)
    name = last.limit.zone.name
    if excess is None or excess > last.limit.burst:
        return RateRefusal(name, excess)
    worst = Delayed(name, excess, last.wait(excess))
    for bucket, other in reversed(others):
        excess = bucket.take(other, now, NO_DELAY) or 0
        if (wait := bucket.wait(excess)) > worst.wait:
            worst = Delayed(bucket.limit.zone.name, excess, wait)
    return worst


async def _account_shared(keyed: Keyed, now: int) -> RateRefusal | Delayed:
    """The same, with shared zones: this machine's own excess refuses without asking, and what the
    store has admitted is counted here as well, for the time when the store cannot be asked."""
    for bucket, key in keyed:
        if (expected := bucket.look(key, now)) > bucket.limit.burst:
            return RateRefusal(bucket.limit.zone.name, expected)
    shared = [(bucket, key) for bucket, key in keyed if bucket.store]
    store = shared[0][0].store if shared else None
    if store is None or store.rates is None:
        return _account(keyed, now)
    takes = [
        Take(bucket.limit.zone.name, key, bucket.rate, bucket.limit.burst) for bucket, key in shared
    ]
    try:
        taken = await store.rates.take(takes, now)
    except StoreDown:
        denying = store.fall_back(take.zone for take in takes)
        return _account(keyed, now) if denying is None else RateRefusal(denying, None, down=True)
    if taken.refused >= 0:
        return RateRefusal(takes[taken.refused].zone, taken.excesses[taken.refused])
    excesses = dict(zip((id(bucket) for bucket, _ in shared), taken.excesses, strict=True))
    worst = Delayed(keyed[-1][0].limit.zone.name, 0, 0)
    for bucket, key in reversed(keyed):
        own = bucket.take(key, now, NO_DELAY) or 0
        excess = excesses.get(id(bucket), own)
        if (wait := bucket.wait(excess)) > worst.wait:
            worst = Delayed(bucket.limit.zone.name, excess, wait)
    return worst


def _refuse(conf: LimitReqConf) -> Callable[[Request, RateRefusal], Status | None]:
    dry_run, level, code = conf.limit_req_dry_run, conf.limit_req_log_level, conf.limit_req_status
    doing = f"limiting requests{', dry run' if dry_run else ''}, excess: "

    def refuse(r: Request, refusal: RateRefusal) -> Status | None:
        if refusal.excess is not None:
            r.log(level, f'{doing}{_shown(refusal.excess)} by zone "{refusal.zone}"')
        elif refusal.down:
            r.log(level, f'{doing}unknown by zone "{refusal.zone}": the zone store is down')
        else:
            r.log(Severity.ALERT, f'could not allocate node in limit_req zone "{refusal.zone}"')
        r.variables[STATUS] = REJECTED + DRY_RUN if dry_run else REJECTED
        return None if dry_run else code

    return refuse


def _delay(
    conf: LimitReqConf,
) -> Callable[[Request, Delayed], Awaitable[Status | None] | Status | None]:
    dry_run, level = conf.limit_req_dry_run, conf.limit_req_log_level
    level = Severity(min(level + 1, Severity.INFO))
    doing = f"delaying request{', dry run' if dry_run else ''}, excess: "

    def delay(r: Request, delayed: Delayed) -> Awaitable[Status | None] | Status | None:
        r.log(level, f'{doing}{_shown(delayed.excess)}, by zone "{delayed.zone}"')
        r.variables[STATUS] = DELAYED + DRY_RUN if dry_run else DELAYED
        return None if dry_run else asyncio.sleep(delayed.wait / 1000)

    return delay


def _shown(excess: int) -> str:
    return f"{excess // 1000}.{excess % 1000:03}"
