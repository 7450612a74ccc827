"""Limits the number of concurrent requests per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from ..conf.directive import Conf, directive, flag
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.contexts import EVERYWHERE, HTTP
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Status
from ..http.session import Session
from ..http.template import Template
from ..metrics import Tallies
from ..metrics.kinds import LIMIT_CONN, STREAM_LIMIT_CONN
from ..stream.contexts import IN_STREAM, STREAM
from ..stream.level import StreamLevel, stream_shared
from ..stream.module import StreamModule
from ..stream.session import UNAVAILABLE, StreamHandler, StreamPhase
from ..zones import Zone, Zones, ZoneStore
from ..zones.sharing import split_sync
from ..zones.store import Connections, Entry, StoreDown
from .limits import (
    DRY_RUN,
    PASSED,
    REJECTED,
    KeyedZones,
    LimitCounts,
    bind_key,
    counts_of,
    log_level,
    positive,
    status,
)

LONGEST_KEY = 255
MOST = 65535
STATUS = "limit_conn_status"


class LimitConnZones(KeyedZones):
    directive = "limit_conn_zone"
    shown = "limit_conn_zone"


class ConnectionLimit(NamedTuple):
    """One "limit_conn"."""

    zone: Zone
    most: int


class LimitConnConf(Conf):
    limits: tuple[ConnectionLimit, ...] = ()

    @directive(EVERYWHERE | IN_STREAM)
    def limit_conn(self, zone: str, number: str) -> None:
        """Limits the number of requests with the same key that are processed at a time.  A
        connection is counted when its request head has been read.  Several limits can be combined;
        they are inherited if and only if the level has none of its own."""
        memory = self.scope.shared(Zones).add(zone, 0, _tag(self))
        limits = vars(self).get("limits", ())
        if any(limit.zone is memory for limit in limits):
            raise ConfError('"limit_conn" directive is duplicate')
        try:
            most = positive(number)
        except ValueError:
            raise ConfError(f'invalid number of connections "{number}"') from None
        if most > MOST:
            raise ConfError("connection limit must be less 65536")
        self.limits = (*limits, ConnectionLimit(memory, most))

    limit_conn_dry_run = flag(
        False, EVERYWHERE | IN_STREAM, "Logs requests that would be refused, without refusing them."
    )
    limit_conn_log_level = log_level(
        "Sets the log level for refused requests.", EVERYWHERE | IN_STREAM
    )
    limit_conn_status = status("Sets the status of refused requests.")

    @directive(
        HTTP | STREAM,
        syntax="limit_conn_zone key zone=name:size [sync] [fallback=local | deny]",
        arity=(2, 4),
    )
    def limit_conn_zone(self, key: str, *parameters: str) -> None:
        """Defines a zone with the counter of each key, shared by all workers.  The key can contain
        variables; requests with an empty key are not counted.  Unlike in nginx, requests of a
        killed worker are no longer counted.  With "sync", which nginx does not have, the zone is
        shared between machines by the server of "pyngx_zone_store"."""
        template = Template(key)
        (zone, *rest), fallback = split_sync(parameters)
        if rest:
            raise ConfError(f'invalid parameter "{rest[0]}"')
        if not zone.startswith("zone="):
            raise ConfError(f'invalid parameter "{zone}"')
        if zone.startswith("zone=:"):
            raise ConfError('"limit_conn_zone" must have "zone" parameter')
        zones = self.level.shared(LimitConnZones)
        name = zones.add(self.scope.shared(Zones), _tag(self), zone, template)
        self.scope.shared(ZoneStore).share(name, fallback, self.scope.statement)


def _tag(conf: LimitConnConf) -> str:
    """Of "http" and "stream" each has zones of its own."""
    return "stream_limit_conn" if conf.level.context & IN_STREAM else "limit_conn"


limit_conn = Module("limit_conn", LimitConnConf)


@limit_conn.check_continues
def check_keys(scope: Scope, old: Scope) -> None:
    scope.shared(LimitConnZones).check_continues(old.shared(LimitConnZones))


@limit_conn.check_continues
def check_stream_keys(scope: Scope, old: Scope) -> None:
    stream_shared(scope, LimitConnZones).check_continues(stream_shared(old, LimitConnZones))


@limit_conn.after_merge
def bind_keys(conf: LimitConnConf, level: Level) -> None:
    if level.context is HTTP:
        level.shared(LimitConnZones).bind(level.variables)


@limit_conn.variable("limit_conn_status")
def limit_conn_status(r: Session) -> str | None:
    """Result of the limit: PASSED, REJECTED or REJECTED_DRY_RUN."""
    return r.variables.get(STATUS)


class Counter(NamedTuple):
    """A limit with its key bound."""

    limit: ConnectionLimit
    connections: Connections
    key: Callable[[Any], str]
    store: ZoneStore | None  # that of all machines, if the zone is shared

    def key_of(self, r: Session) -> bytes | None:
        """None if nothing is counted: the key is empty, or too long."""
        text = self.key(r)
        return text.encode("latin-1") or None


Entered = list[tuple[Counter, bytes]]


class ConnectionRefusal(NamedTuple):
    """By which limit, or for want of memory to count in."""

    counter: Counter
    full: bool
    down: bool = False  # the store of all machines cannot be asked


@limit_conn.handler(Phase.PREACCESS)
def limit_connections(conf: LimitConnConf, level: Level) -> Handler | None:
    if not conf.limits:
        return None
    return _handler(conf, level, conf.limit_conn_status, counts_of(level, LIMIT_CONN))


def _handler(
    conf: LimitConnConf, level: SessionBlock, status: Status, counts: LimitCounts | None
) -> Callable[[Session], Awaitable[Status | None] | Status | None]:
    counters = [counter for limit in conf.limits if (counter := _counter(limit, level))]

    def handle(r: Session) -> Awaitable[Status | None] | Status | None:
        if STATUS in r.variables:
            return None
        outcome = _enter(r, counters)
        if isinstance(outcome, list) and outcome:
            r.main.cleanups += (lambda: _leave(outcome),)
            if any(counter.store for counter, _ in outcome):
                return share(r, outcome)
        return go_on(r, outcome)

    async def share(r: Session, entered: Entered) -> Status | None:
        return go_on(r, await _enter_shared(r, entered) or entered)

    def go_on(r: Session, outcome: Entered | ConnectionRefusal) -> Status | None:
        if isinstance(outcome, ConnectionRefusal):
            answer = _refuse(r, conf, outcome, status)
            if counts is not None:
                counts.count(outcome.counter.limit.zone.name, r.variables[STATUS])
            return answer
        if outcome and counts is not None:
            counts.count(outcome[-1][0].limit.zone.name, PASSED)
        return None

    return handle


async def _enter_shared(r: Session, entered: Entered) -> ConnectionRefusal | None:
    """Counts a request that this machine has admitted in the zones that others share."""
    entries = [
        (counter, Entry(counter.limit.zone.name, key, counter.limit.most))
        for counter, key in entered
        if counter.store
    ]
    store = entries[0][0].store
    if store is None or store.connections is None:
        return None
    try:
        full = await store.connections.enter([entry for _, entry in entries])
    except StoreDown:
        denying = store.fall_back(entry.zone for _, entry in entries)
        if denying is None:
            return None
        counter = next(x for x, entry in entries if entry.zone == denying)
        refusal = ConnectionRefusal(counter, full=False, down=True)
    else:
        if full < 0:
            leave = store.connections.leave_entries
            r.main.cleanups += (lambda: leave([entry for _, entry in entries]),)
            return None
        refusal = ConnectionRefusal(entries[full][0], full=False)
    _leave(entered)
    entered.clear()
    return refusal


def _counter(limit: ConnectionLimit, level: SessionBlock) -> Counter | None:
    """None for a zone that is not declared, which is an error after the syntax check."""
    keyed = level.shared(LimitConnZones).by_name.get(limit.zone.name)
    if keyed is None:
        return None
    key = bind_key(keyed, LONGEST_KEY, level.variables)
    store = level.scope.shared(ZoneStore)
    shared = store if store.shares(limit.zone.name) else None
    return Counter(limit, limit.zone.connections(), key, shared)


def _enter(r: Session, counters: list[Counter]) -> Entered | ConnectionRefusal:
    """Counts the request in all zones, or in none if one of them refuses it."""
    entered: Entered = []
    for counter in counters:
        key = counter.key_of(r)
        if key is None:
            continue
        r.variables[STATUS] = PASSED
        may_enter = counter.connections.enter(key, counter.limit.most)
        if not may_enter:
            _leave(entered)
            return ConnectionRefusal(counter, full=may_enter is None)
        entered.append((counter, key))
    return entered


def _leave(entered: Entered) -> None:
    for counter, key in entered:
        counter.connections.leave(key)


def _refuse(
    r: Session, conf: LimitConnConf, refusal: ConnectionRefusal, status: Status
) -> Status | None:
    dry_run = conf.limit_conn_dry_run
    if not refusal.full:
        doing = f"limiting connections{', dry run,' if dry_run else ''} by zone"
        why = ": the zone store is down" if refusal.down else ""
        r.log(conf.limit_conn_log_level, f'{doing} "{refusal.counter.limit.zone.name}"{why}')
    r.variables[STATUS] = REJECTED + DRY_RUN if dry_run else REJECTED
    return None if dry_run else status


stream_limit_conn = StreamModule("stream_limit_conn", LimitConnConf)
stream_limit_conn.take_variables(limit_conn)


@stream_limit_conn.after_merge
def bind_stream_keys(conf: LimitConnConf, level: StreamLevel) -> None:
    if level.context is STREAM:
        level.shared(LimitConnZones).bind(level.variables)


@stream_limit_conn.handler(StreamPhase.PREACCESS)
def limit_sessions(conf: LimitConnConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.limits:
        return None
    counts = LimitCounts(level.scope.shared(Tallies), STREAM_LIMIT_CONN)
    return _handler(conf, level, UNAVAILABLE, counts)
