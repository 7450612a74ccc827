"""Counts requests for statistics: by virtual server, location, server of a group, and cache."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from ...conf.directive import Conf, directive
from ...conf.scope import Scope
from ...core.logs import Logs
from ...core.module import Files, MasterEvent
from ...core.worker import WorkerLife
from ...dns import Resolvers
from ...errors import ConfError
from ...gateway.cache_conf import CachedConf
from ...gateway.conf import gateway_of
from ...gateway.groups import Upstreams
from ...gateway.keeping import WRITTEN
from ...gateway.state import UpstreamState
from ...http.contexts import LOCATION, LOCATION_IF, SERVER
from ...http.level import Level
from ...http.module import Module
from ...http.ports import ListenAddress
from ...http.request import Request
from ...log import Severity
from ...metrics.handshakes import of_clients
from ...metrics.kinds import (
    CACHE,
    CACHE_STATUSES,
    CACHE_WRITTEN,
    DISCARDED,
    HEADER_MICROSECONDS,
    HEADER_TIMES,
    HOST,
    MICROSECONDS,
    PEER,
    PROCESSING,
    RECEIVED,
    REQUESTS,
    RESOLVER,
    RESPONSES,
    SENT,
    TLS_SERVER,
    UNAVAILABLE,
    Kind,
    bucket_of,
)
from ...metrics.kinds import (
    LOCATION as LOCATION_ROWS,
)
from ...metrics.kinds import (
    SERVER as SERVER_ROWS,
)
from ...metrics.reloads import hash_of, note_loaded, note_rejected, note_restart
from ...metrics.tallies import ZONE, ZONE_SIZE, ZONE_TAG, Names, Reported, Row, Tallies
from ...metrics.workers import WorkerReport
from ...stream.level import stream_shared
from ...zones import Zones
from ..core import CoreConf
from .gone import NO_GROUP, GoneServers
from .group_counts import report_groups

NO_NAME = "_"  # of a virtual server


class StatusZones:
    """The names under which a configuration has requests counted, in their order."""

    def __init__(self) -> None:
        self._servers: dict[str, None] = {}
        self._locations: dict[str, None] = {}
        self._hosts: dict[str, None] = {}

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self._servers)

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(self._locations)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self._hosts)

    def add(self, host: str, server: str | None, location: str | None) -> None:
        """What the requests of a location are counted under."""
        self._hosts[host] = None
        if server:
            self._servers[server] = None
        if location:
            self._locations[location] = None


class StatusConf(Conf):
    server_zone: str | None = None
    location_zone: str | None = None

    @directive(SERVER | LOCATION | LOCATION_IF, syntax="status_zone zone | off;")
    def status_zone(self, zone: str) -> None:
        """Counts requests in a zone, which "pyngx_metrics" reports.  Servers can
        share a zone, and so can locations.  In a location, requests are counted if their
        processing ends there; locations inherit the zone of the location around them, and "off"
        cancels it.  Without a location that reports statistics, nothing is counted."""
        if not zone:
            raise ConfError('invalid zone name ""')
        place = "server_zone" if self.level.context is SERVER else "location_zone"
        self.once(place, "status_zone")
        if place == "server_zone":
            self.server_zone = zone
        else:
            self.location_zone = None if zone == "off" else zone


status = Module("status", StatusConf)


# -- counting ---------------------------------------------------------------------------------


class RequestRow:
    """A row of requests, with those of their statuses."""

    __slots__ = ("_codes", "_kind", "_names", "_tallies", "row")

    def __init__(self, tallies: Tallies, kind: Kind, *names: str) -> None:
        self._tallies, self._kind, self._names = tallies, kind, names
        self.row = tallies.row(kind, *names)
        self._codes: dict[int, Row] = {}

    def count(self, status: int, received: int, sent: int, seconds: float) -> None:
        """A request that is over; without a status it has had no response."""
        numbers, micro = self.row.numbers, int(seconds * 1e6)
        numbers[REQUESTS] += 1
        numbers[RECEIVED] += received
        numbers[SENT] += sent
        numbers[MICROSECONDS] += micro
        numbers[bucket_of(seconds)] += 1
        if 100 <= status <= 599:
            numbers[RESPONSES + status // 100 - 1] += 1
            code = self._codes.get(status)
            if code is None:
                code = self._codes[status] = self._tallies.code(self._kind, self._names, status)
            code.add(0)
        else:
            numbers[DISCARDED] += 1
        self.row.changed()


class PeerRows:
    """The rows of the servers of groups; groups that requests make up are not counted."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], RequestRow | None] = {}

    def let_go(self) -> None:
        """Rows are looked up again when they are needed."""
        self._rows.clear()

    def count(self, states: list[UpstreamState], tallies: Tallies, groups: Upstreams) -> None:
        """The tries of a request."""
        for state in states:
            if not state.group:
                continue
            key = (state.group, state.peer)
            if key not in self._rows:
                name = _group(state.group, groups)
                row = RequestRow(tallies, PEER, name, state.peer) if name else None
                if row is None and len(self._rows) >= MOST_UNKNOWN:
                    continue
                self._rows[key] = row
            known = self._rows[key]
            if known is not None:
                _count_try(state, known)


MOST_UNKNOWN = 10_000  # servers of groups that are not counted


def _group(name: str, groups: Upstreams) -> str:
    """The name of the group in statistics, "" if it is not counted."""
    if name.lower() in groups.declared:
        return name
    return NO_GROUP if groups.is_implied(name) else ""


def _count_try(state: UpstreamState, known: RequestRow) -> None:
    status = 0 if state.failed else state.status
    known.count(status, state.bytes_received, state.bytes_sent, max(0.0, state.response_time))
    numbers = known.row.numbers
    if state.header_time >= 0:
        numbers[HEADER_TIMES] += 1
        numbers[HEADER_MICROSECONDS] += int(state.header_time * 1e6)
    if state.disabled:
        numbers[UNAVAILABLE] += 1


@status.counts
def count_requests(conf: StatusConf, level: Level) -> Callable[[Request], None] | None:
    """Counts what ends in a location."""
    scope = level.scope
    tallies, peers = scope.shared(Tallies), scope.shared(PeerRows)
    groups = scope.shared(Upstreams)
    if not tallies.wanted:
        return None
    rows = _rows_of(conf, level, tallies)
    count_cached = _cache_counter(level, tallies)

    def count(r: Request) -> None:
        states: list[UpstreamState] | None = r.upstream_states
        if states:
            peers.count(states, tallies, groups)
        if r.cache_status is not None and count_cached is not None:
            count_cached(r)
        if r.parent is not None:
            return
        body = r.body_in
        received = r.head.length + (body.received if body is not None else 0)
        seconds = max(0.0, time.time() - r.start)
        status = r.status if r.header_sent or r.http_version < 1000 else 0
        for row in rows:
            row.count(status, received, r.bytes_sent, seconds)

    return count


def _rows_of(conf: StatusConf, level: Level, tallies: Tallies) -> tuple[RequestRow, ...]:
    host = level[CoreConf].server_name_value or NO_NAME
    level.scope.shared(StatusZones).add(host, conf.server_zone, conf.location_zone)
    rows = [RequestRow(tallies, HOST, host)]
    if conf.server_zone:
        rows.append(RequestRow(tallies, SERVER_ROWS, conf.server_zone))
    if conf.location_zone:
        rows.append(RequestRow(tallies, LOCATION_ROWS, conf.location_zone))
    return tuple(rows)


def _cache_counter(level: Level, tallies: Tallies) -> Callable[[Request], None] | None:
    """Counts responses by what the cache had to do with them."""
    gateway = gateway_of(level)
    if not isinstance(gateway, CachedConf) or gateway.zone is None:
        return None
    zone_of = gateway.zone.bind(level.variables)
    places = {name: 2 * place for place, name in enumerate(CACHE_STATUSES)}

    def count(r: Request) -> None:
        zone, place = zone_of(r), places.get(r.cache_status or "")
        if zone and place is not None:
            row = tallies.row(CACHE, zone)
            body = r.bytes_sent - r.header_size if r.parent is None else r.content_length
            row.add(place)
            row.add(place + 1, max(0, body))
            written: int | None = r.contexts.get(WRITTEN)
            if written is not None and r.cache_status in CACHE_WRITTEN:
                place = CACHE_WRITTEN[r.cache_status]
                row.add(place)
                row.add(place + 1, written)

    return count


@status.listens
def count_handshakes(address: ListenAddress) -> None:
    for level, server in address.levels:
        zone, tallies = level[StatusConf].server_zone, level.scope.shared(Tallies)
        address.handshakes[server] = of_clients(tallies, TLS_SERVER, zone or "")


# -- the life of a configuration --------------------------------------------------------------


@status.after_read
def prepare(scope: Scope) -> None:
    """Declares the zone if anything is reported."""
    tallies = scope.shared(Tallies)
    if tallies.wanted:
        zone = scope.shared(Zones).add(ZONE, ZONE_SIZE, ZONE_TAG)
        tallies.sums = zone.sums()


@status.worker_starts
def begin(scope: Scope, life: WorkerLife) -> None:
    tallies, log = scope.shared(Tallies), scope.shared(Logs).main
    if not tallies.wanted:
        return
    tallies.complain = lambda text: log.write(Severity.WARN, text)
    worker = WorkerReport(tallies, life.number, life.count, lambda: life.is_quitting)
    tallies.reporters.append(worker.report)
    for zone, numbers in scope.shared(Resolvers).counts.items():
        if zone:
            tallies.follow(tallies.row(RESOLVER, zone), partial(tuple, numbers))
    tallies.reporters.append(lambda: _processing(life))
    report_groups(scope, life)
    groups, stream_groups = scope.shared(Upstreams), stream_shared(scope, Upstreams)
    gone = GoneServers(tallies, life, groups, stream_groups, scope.shared(PeerRows).let_go)
    tallies.chores.append(gone.sweep)
    life.until_end(tallies.keep())


def _processing(life: WorkerLife) -> Iterator[Reported]:
    """The requests of virtual servers with a status_zone that are not finished."""
    zones: Counter[str] = Counter()
    for r in life.requests():
        conf: StatusConf = r.server.location.conf(StatusConf)
        if conf.server_zone:
            zones[conf.server_zone] += 1
    for name, number in zones.items():
        names: Names = (name,)
        yield PROCESSING, names, (number,)


@status.master_notes
def note(scope: Scope, event: MasterEvent, files: Files) -> None:
    tallies = scope.shared(Tallies)
    if tallies.sums is None:
        return
    if event is MasterEvent.RESPAWNED:
        note_restart(tallies)
    elif event is MasterEvent.REJECTED:
        note_rejected(tallies)
    else:
        note_loaded(tallies, hash_of(files), is_reload=event is MasterEvent.RELOADED)


@status.worker_ends
def finish(scope: Scope) -> None:
    scope.shared(Tallies).flush()
