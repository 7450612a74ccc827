"""The statistics of all workers, with what the configuration says of what they are about.

Only what the configuration names is reported: rows of zones that a reload has removed are not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...cache import Caches
from ...cache.settings import UNLIMITED
from ...conf.scope import Scope
from ...dns import Resolvers
from ...gateway.groups import Upstreams
from ...metrics import Tallies
from ...metrics.kinds import (
    CHECKED,
    CLIENTS,
    CODES,
    DOWN_SINCE,
    DOWNTIME,
    GROUP,
    PEER,
    PROCESSING,
    QUEUE,
    REMOVED,
    RESOLVER,
    STREAM_DOWNTIME,
    STREAM_PEER,
    STREAM_PROCESSING,
    STREAM_SERVER,
    TLS_PEER,
    TLS_STREAM_PEER,
    WORKER,
    WORKER_ZERO,
    Kind,
)
from ...metrics.tallies import Names, Reported, key_of
from ...metrics.workers import WorkerState
from ...stream.level import stream_shared
from ...upstream.peer import Peer
from ...upstream.upstream import Upstream
from ...zones import Zone, Zones
from ...zones.store import Numbers
from .downtime import state_of
from .gone import NO_GROUP
from .status import StatusZones
from .stream_status import StreamZones


class Requests(NamedTuple):
    """Sums of requests (see metrics.kinds), their statuses, and how many are not finished."""

    numbers: Numbers
    codes: dict[int, int]
    processing: int = 0


class Clients(NamedTuple):
    """The connections and requests of all clients."""

    accepted: int
    requests: int
    active: int
    reading: int
    writing: int
    waiting: int


class WorkerFacts(NamedTuple):
    """One worker: its process, and what it reports."""

    process: int
    state: WorkerState


class PeerFacts(NamedTuple):
    """A server of a group."""

    peer: Peer
    group: str
    state: str  # as NGINX Plus calls it
    counted: Requests
    handshakes: Numbers
    last_passed: bool | None  # the last health check, None without any
    downtime: int  # milliseconds
    down_since: int | None  # milliseconds since the epoch


class GroupFacts(NamedTuple):
    """A group of "http" in all workers: connections that idle, and its queue."""

    idle: int
    waiting: int
    most: int  # requests that can wait
    overflows: int


class CacheFacts(NamedTuple):
    """A cache: bytes, whether its files are still being looked for, and what was counted."""

    name: str
    size: int
    max_size: int  # 0 is no limit
    cold: bool
    numbers: Numbers


class Snapshot:
    """All of it, read when it is asked for, and then kept: whatever is asked more than once has the
    same answer.  It is used in one step, so that nothing of this worker changes meanwhile."""

    def __init__(self, scope: Scope, address: str = "") -> None:
        """`address` is that of ours to which the client has connected."""
        self.scope, self.tallies, self.address = scope, scope.shared(Tallies), address
        self._codes: dict[str, dict[Names, dict[int, int]]] | None = None
        self._is_flushed = False
        self._totals: dict[Kind, dict[Names, Numbers]] = {}
        self._reports: dict[Kind, list[tuple[int, Names, Numbers]]] = {}
        self._of_groups: dict[Kind, dict[Names, list[Reported]]] = {}
        self._peers: dict[tuple[Kind, str], list[PeerFacts]] = {}
        self._workers: list[WorkerFacts] | None = None

    # -- rows ------------------------------------------------------------------------------

    def totals(self, kind: Kind) -> dict[Names, Numbers]:
        """All rows of a kind by their names."""
        if kind not in self._totals:
            self._totals[kind] = self._flushed().totals(kind)
        return self._totals[kind]

    def reports(self, kind: Kind) -> list[tuple[int, Names, Numbers]]:
        """What all workers have reported: process, names, numbers."""
        if kind not in self._reports:
            self._reports[kind] = self._flushed().reports(kind)
        return self._reports[kind]

    def _flushed(self) -> Tallies:
        if not self._is_flushed:
            self._is_flushed = True
            self.tallies.flush()
        return self.tallies

    def _reported(self, kind: Kind, *group: str) -> list[Reported]:
        """The reports whose names begin with those of a group."""
        if kind not in self._of_groups:
            found: dict[Names, list[Reported]] = {}
            for _, names, numbers in self.reports(kind):
                found.setdefault(names[: len(group)], []).append((kind, names, numbers))
            self._of_groups[kind] = found
        return self._of_groups[kind].get(group, [])

    # -- clients and workers ---------------------------------------------------------------

    def clients(self) -> Clients:
        accepted, requests = self.totals(CLIENTS).get((), (0, 0))
        states = [facts.state for facts in self.workers()]
        return Clients(
            accepted,
            requests,
            sum(state.active for state in states),
            sum(state.reading for state in states),
            sum(state.writing for state in states),
            sum(state.waiting for state in states),
        )

    def workers(self) -> list[WorkerFacts]:
        """By their numbers; old ones that are still finishing requests come after new ones."""
        if self._workers is None:
            self._workers = self._read_workers()
        return self._workers

    def _read_workers(self) -> list[WorkerFacts]:
        zeros = self.totals(WORKER_ZERO)
        facts = []
        for pid, _, numbers in self.reports(WORKER):
            state = WorkerState(*numbers)
            accepted, requests = zeros.get(_names_of(pid, state), (0, 0))
            state = state._replace(
                accepted=state.accepted - accepted, requests=state.requests - requests
            )
            facts.append(WorkerFacts(pid, state))
        return sorted(facts, key=lambda one: (one.state.number, -one.state.started))

    def _workers_serving(self) -> int:
        """How many take new requests; an old one may not have reported yet that it does not."""
        states = [facts.state for facts in self.workers()]
        return len({state.number for state in states if not state.is_quitting})

    def reset_workers(self, number: str = "") -> None:
        """Begins with zeros again, for a worker or for all of them."""
        states = {
            _names_of(pid, state): state
            for pid, _, numbers in self.reports(WORKER)
            for state in (WorkerState(*numbers),)
        }
        ended = [names for names in self.totals(WORKER_ZERO) if names not in states]
        self.tallies.remove([key_of(WORKER_ZERO, names) for names in ended])
        for names, state in states.items():
            if number in ("", str(state.number)):
                self.tallies.put(WORKER_ZERO, names, (state.accepted, state.requests))

    # -- requests --------------------------------------------------------------------------

    def server_zones(self, kind: Kind) -> dict[str, Requests]:
        """Those of "status_zone" in servers, with those that nobody has asked anything of."""
        return self._of_zones(
            kind, self.scope.shared(StatusZones).servers, self._processing(PROCESSING)
        )

    def location_zones(self, kind: Kind) -> dict[str, Requests]:
        return self._of_zones(kind, self.scope.shared(StatusZones).locations, {})

    def hosts(self, kind: Kind) -> dict[str, Requests]:
        """Virtual servers by their first names."""
        return self._of_zones(kind, self.scope.shared(StatusZones).hosts, {})

    def _of_zones(
        self, kind: Kind, names: Sequence[str], processing: dict[str, int]
    ) -> dict[str, Requests]:
        totals, codes = self.totals(kind), self._codes_of(kind)
        zeros = (0,) * kind.length
        return {
            name: Requests(
                totals.get((name,), zeros), codes.get((name,), {}), processing.get(name, 0)
            )
            for name in names
        }

    def stream_zones(self) -> dict[str, Requests]:
        """Those of "status_zone" in servers of "stream"; their sessions count as requests."""
        names = self.scope.shared(StreamZones).names
        return self._of_zones(STREAM_SERVER, names, self._processing(STREAM_PROCESSING))

    def handshakes(self, kind: Kind, zone: str) -> Numbers:
        """TLS handshakes of clients, of a "status_zone" in servers."""
        return self.totals(kind).get((zone,), (0,) * kind.length)

    def _processing(self, kind: Kind) -> dict[str, int]:
        found: dict[str, int] = {}
        for _, names, numbers in self.reports(kind):
            found[names[0]] = found.get(names[0], 0) + numbers[0]
        return found

    def _codes_of(self, kind: Kind) -> dict[Names, dict[int, int]]:
        if self._codes is None:
            self._codes = {}
            for (mark, *names, code), (number,) in self.totals(CODES).items():
                by_names = self._codes.setdefault(mark, {})
                by_names.setdefault(tuple(names), {})[int(code)] = number
        return self._codes.get(kind.mark.decode(), {})

    def resolvers(self) -> dict[str, Numbers]:
        """Those with a "status_zone" that something uses, with those that were not asked yet."""
        totals, zeros = self.totals(RESOLVER), (0,) * RESOLVER.length
        names = [name for name in self.scope.shared(Resolvers).counts if name]
        return {name: totals.get((name,), zeros) for name in names}

    # -- groups ----------------------------------------------------------------------------

    def groups(self) -> Iterator[tuple[Upstream, str]]:
        """The groups with a block, and the names of their zones, "" if they have none."""
        return _groups(self.scope.shared(Upstreams))

    def stream_groups(self) -> Iterator[tuple[Upstream, str]]:
        """The same of "stream"."""
        return _groups(stream_shared(self.scope, Upstreams))

    def peers(self, group: Upstream) -> list[PeerFacts]:
        """The servers of a group, as all workers know them if it has a zone."""
        return self._peers_of(group, PEER, TLS_PEER, DOWNTIME)

    def stream_peers(self, group: Upstream) -> list[PeerFacts]:
        """The same of "stream"."""
        return self._peers_of(group, STREAM_PEER, TLS_STREAM_PEER, STREAM_DOWNTIME)

    def _peers_of(self, group: Upstream, kind: Kind, tls: Kind, down: Kind) -> list[PeerFacts]:
        key = (kind, group.name)
        if key not in self._peers:
            self._peers[key] = self._read_peers(group, kind, tls, down)
        return self._peers[key]

    def _read_peers(self, group: Upstream, kind: Kind, tls: Kind, down: Kind) -> list[PeerFacts]:
        totals, codes = self.totals(kind), self._codes_of(kind)
        handshakes, none = self.totals(tls), (0,) * tls.length
        zeros, now = (0,) * kind.length, int(time.monotonic())
        checked = self._last(CHECKED, kind, group.name)
        downtimes, since = self.totals(down), self._last(DOWN_SINCE, down, group.name)
        peers = group.shared.look() if group.shared is not None else group.peers.all
        found = []
        for peer in peers:
            key = (group.name, peer.name)
            counted = Requests(totals.get(key, zeros), codes.get(key, {}), peer.conns)
            state, shaken = state_of(peer, now), handshakes.get(key, none)
            passed, (downtime,) = checked.get(peer.name), downtimes.get(key, (0,))
            is_passed = None if passed is None else bool(passed)
            found.append(
                PeerFacts(
                    peer,
                    group.name,
                    state,
                    counted,
                    shaken,
                    is_passed,
                    downtime,
                    since.get(peer.name),
                )
            )
        return found

    def _last(self, reported: Kind, kind: Kind, group: str) -> dict[str, int]:
        """What is reported of servers of a group that are counted as a kind, by address."""
        found = self._reported(reported, kind.mark.decode(), group)
        return {names[2]: number for _, names, (number,) in found}

    def removed(self, kind: Kind, group: Upstream) -> int:
        """How many servers were removed from a group and are still used."""
        found = self._reported(REMOVED, kind.mark.decode(), group.name)
        return len({names for _, names, _ in found})

    def group(self, group: Upstream) -> GroupFacts:
        """What a group with a zone has beside its servers."""
        reports = [numbers for _, _, numbers in self._reported(GROUP, group.name)]
        most = group.queue.length * self._workers_serving() if group.queue is not None else 0
        (overflows,) = self.totals(QUEUE).get((group.name,), (0,))
        idle, waiting = (sum(ns[place] for ns in reports) for place in (0, 1))
        return GroupFacts(idle, waiting, most, overflows)

    def lone_peers(self) -> dict[str, Requests]:
        """Servers that are named without a block, by address."""
        totals, codes = self.totals(PEER), self._codes_of(PEER)
        return {
            names[1]: Requests(numbers, codes.get(names, {}))
            for names, numbers in totals.items()
            if names[0] == NO_GROUP
        }

    # -- zones -----------------------------------------------------------------------------

    def caches(self, kind: Kind) -> list[CacheFacts]:
        totals, zeros = self.totals(kind), (0,) * kind.length
        found = []
        for name, cache in self.scope.shared(Caches).by_name.items():
            head, most = cache.index.head(), cache.settings.max_size
            numbers = totals.get((name,), zeros)
            size, limit = head.size * cache.block, 0 if most == UNLIMITED else most
            found.append(CacheFacts(name, size, limit, bool(head.cold), numbers))
        return found

    def limits(self, kind: Kind, tag: str) -> dict[str, Numbers]:
        """What limits have decided, by their zones."""
        totals, zeros = self.totals(kind), (0,) * kind.length
        return {zone.name: totals.get((zone.name,), zeros) for zone in self.zones(tag)}

    def zones(self, tag: str = "") -> list[Zone]:
        """Those that directives name, or those of one use."""
        zones = self.scope.shared(Zones).zones.values()
        return [zone for zone in zones if (zone.tag == tag if tag else not zone.name.endswith(":"))]


def _names_of(pid: int, state: WorkerState) -> Names:
    """A worker; another one may have its process number later."""
    return str(pid), str(state.started)


def _groups(upstreams: Upstreams) -> Iterator[tuple[Upstream, str]]:
    for name, conf in upstreams.declared.items():
        group = upstreams.get(name)
        if group is not None:
            yield group, conf.zone_name
