"""What a worker reports of groups, beside the requests and sessions of their servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ...conf.scope import Scope
from ...core.worker import WorkerLife
from ...gateway.groups import Upstreams
from ...gateway.state import UpstreamState
from ...metrics import Tallies
from ...metrics.kinds import (
    DOWNTIME,
    GROUP,
    PEER,
    QUEUE,
    REMOVED,
    STREAM_DOWNTIME,
    STREAM_PEER,
    Kind,
)
from ...metrics.peers import PeerName, PeersInUse
from ...metrics.tallies import Names, Reported
from ...stream.level import stream_shared
from ...upstream.upstream import Upstream
from .downtime import Downtimes


def report_groups(scope: Scope, life: WorkerLife) -> None:
    """Has a worker report them."""
    tallies, groups = scope.shared(Tallies), scope.shared(Upstreams)
    in_use = scope.shared(PeersInUse).sessions
    tallies.reporters += (
        partial(_groups, groups),
        lambda: _removed(_peers_of_requests(life), groups, PEER),
        lambda: _removed(in_use, stream_shared(scope, Upstreams), STREAM_PEER),
    )
    for kind, those in ((DOWNTIME, groups), (STREAM_DOWNTIME, stream_shared(scope, Upstreams))):
        if life.number == 0:
            downtimes = Downtimes(tallies, those, kind, life)
            tallies.chores.append(downtimes.note)
            tallies.reporters.append(downtimes.report)
    for group in _with_zones(groups):
        if group.queue is not None:
            tallies.follow(tallies.row(QUEUE, group.name), group.queue.overflow_count)


def _with_zones(groups: Upstreams) -> Iterator[Upstream]:
    for name in groups.declared:
        group = groups.get(name)
        if group is not None and group.shared is not None:
            yield group


def _groups(groups: Upstreams) -> Iterator[Reported]:
    """The idle connections of this worker, and its requests that wait for a server."""
    for group in _with_zones(groups):
        idle = group.pool.idle if group.pool is not None else 0
        waiting = group.queue.size if group.queue is not None else 0
        if idle or waiting:
            names: Names = (group.name,)
            yield GROUP, names, (idle, waiting)


def _peers_of_requests(life: WorkerLife) -> Iterator[PeerName]:
    """The servers whose responses this worker waits for, or passes on."""
    for r in life.requests():
        states: list[UpstreamState] | None = r.upstream_states
        if states and states[-1].group and states[-1].response_time < 0:
            yield states[-1].group, states[-1].peer


def _removed(in_use: Iterable[PeerName], groups: Upstreams, kind: Kind) -> Iterator[Reported]:
    """Those that their groups do not have any more."""
    known: dict[str, set[str]] = {}
    for name, peer in set(in_use):
        group = groups.get(name)
        if group is None or group.shared is None or not group.shared.can_change:
            continue
        if name not in known:
            known[name] = {one.name for one in group.shared.look()}
        if peer not in known[name]:
            names: Names = (kind.mark.decode(), name, peer)
            yield REMOVED, names, (1,)
