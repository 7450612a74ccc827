"""Limits the number of concurrent requests per key."""

from __future__ import annotations

from dataclasses import dataclass

from ..conf.directive import Conf, directive, flag
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, HTTP
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.template import Template, Text
from ..metrics.kinds import LIMIT_CONN
from ..zones import Zone, Zones
from ..zones.store import Connections
from .limits import (
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

LONGEST_KEY = 255
MOST = 65535
STATUS = "limit_conn_status"


class LimitConnZones(KeyedZones):
    directive = "limit_conn_zone"
    shown = "limit_conn_zone"


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """One "limit_conn"."""

    zone: Zone
    most: int


class LimitConnConf(Conf):
    limits: tuple[ConnectionLimit, ...] = ()

    @directive(EVERYWHERE)
    def limit_conn(self, zone: str, number: str) -> None:
        """Limits the number of requests with the same key that are processed at a time.  A
        connection is counted when its request head has been read.  Several limits can be combined;
        they are inherited if and only if the level has none of its own."""
        memory = self.scope.shared(Zones).add(zone, 0, "limit_conn")
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
        False, EVERYWHERE, "Logs requests that would be refused, without refusing them."
    )
    limit_conn_log_level = log_level("Sets the log level for refused requests.")
    limit_conn_status = status("Sets the status of refused requests.")

    @directive(HTTP, syntax="limit_conn_zone key zone=name:size")
    def limit_conn_zone(self, key: str, zone: str) -> None:
        """Defines a zone with the counter of each key, shared by all workers.  The key can contain
        variables; requests with an empty key are not counted.  Unlike in nginx, requests of a
        killed worker are no longer counted."""
        template = Template(key)
        if not zone.startswith("zone="):
            raise ConfError(f'invalid parameter "{zone}"')
        if zone.startswith("zone=:"):
            raise ConfError('"limit_conn_zone" must have "zone" parameter')
        zones = self.scope.shared(LimitConnZones)
        zones.add(self.scope.shared(Zones), "limit_conn", zone, template)


limit_conn = Module("limit_conn", LimitConnConf)


@limit_conn.check_continues
def check_keys(scope: Scope, old: Scope) -> None:
    scope.shared(LimitConnZones).check_continues(old.shared(LimitConnZones))


@limit_conn.after_merge
def bind_keys(conf: LimitConnConf, level: Level) -> None:
    if level.context is HTTP:
        level.scope.shared(LimitConnZones).bind(level.variables)


@limit_conn.variable("limit_conn_status")
def limit_conn_status(r: Request) -> str | None:
    """Result of the limit: PASSED, REJECTED or REJECTED_DRY_RUN."""
    return r.variables.get(STATUS)


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit with its key bound."""

    limit: ConnectionLimit
    connections: Connections
    key: Text

    def key_of(self, r: Request) -> bytes | None:
        """None if nothing is counted: the key is empty, or too long."""
        text = self.key(r)
        return text.encode("latin-1") or None


Entered = list[tuple[Counter, bytes]]


@dataclass(frozen=True, slots=True)
class ConnectionRefusal:
    """By which limit, or for want of memory to count in."""

    counter: Counter
    full: bool


@limit_conn.handler(Phase.PREACCESS)
def limit_connections(conf: LimitConnConf, level: Level) -> Handler | None:
    if not conf.limits:
        return None
    counters = [counter for limit in conf.limits if (counter := _counter(limit, level))]
    counts = counts_of(level, LIMIT_CONN)

    def handle(r: Request) -> Status | None:
        if STATUS in r.variables:
            return None
        return go_on(r, _enter(r, counters))

    def go_on(r: Request, outcome: Entered | ConnectionRefusal) -> Status | None:
        if isinstance(outcome, ConnectionRefusal):
            answer = _refuse(r, conf, outcome)
            if counts is not None:
                counts.count(outcome.counter.limit.zone.name, r.variables[STATUS])
            return answer
        if outcome:
            if counts is not None:
                counts.count(outcome[-1][0].limit.zone.name, PASSED)
            r.main.cleanups += (lambda: _leave(outcome),)
        return None

    return handle


def _counter(limit: ConnectionLimit, level: Level) -> Counter | None:
    """None for a zone that is not declared, which is an error after the syntax check."""
    keyed = level.scope.shared(LimitConnZones).by_name.get(limit.zone.name)
    if keyed is None:
        return None
    key = bind_key(keyed, LONGEST_KEY, level.variables)
    return Counter(limit, limit.zone.connections(), key)


def _enter(r: Request, counters: list[Counter]) -> Entered | ConnectionRefusal:
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


def _refuse(r: Request, conf: LimitConnConf, refusal: ConnectionRefusal) -> Status | None:
    dry_run = conf.limit_conn_dry_run
    if not refusal.full:
        doing = f"limiting connections{', dry run,' if dry_run else ''} by zone"
        r.log(conf.limit_conn_log_level, f'{doing} "{refusal.counter.limit.zone.name}"')
    r.variables[STATUS] = REJECTED + DRY_RUN if dry_run else REJECTED
    return None if dry_run else conf.limit_conn_status
