"""Groups while workers run: their caches, sessions, names and connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...cache import Caches
from ...conf.scope import Scope
from ...core.logs import Logs
from ...core.worker import WorkerLife
from ...gateway.groups import Upstreams
from ...gateway.sticky import StickyZones
from ...stream.level import stream_shared
from ...upstream.names import Remembered, carry_over, remember
from ...upstream.shared import Shared
from ...upstream.upstream import Upstream
from .conf import UpstreamConf, upstream


@upstream.after_read
def log_of_caches(scope: Scope) -> None:
    scope.shared(Caches).log = scope.shared(Logs).main


@upstream.check_continues
def check_caches(scope: Scope, old: Scope) -> None:
    scope.shared(Caches).check_continues(old.shared(Caches))


@upstream.check_continues
def check_sticky_zones(scope: Scope, old: Scope) -> None:
    scope.shared(StickyZones).check_continues(old.shared(StickyZones))


@upstream.worker_starts
def look_after_caches(scope: Scope, life: WorkerLife) -> None:
    """One worker does; each finishes the updates of what it serves from a cache."""
    caches = scope.shared(Caches)
    for work in caches.keepers() if life.number == 0 else ():
        life.until_quit(work)
    life.finishes(caches.updates)


@upstream.worker_starts
def forget_sessions(scope: Scope, life: WorkerLife) -> None:
    """One worker removes the sessions of "sticky learn" that have expired."""
    zones = scope.shared(StickyZones)
    if life.number == 0 and zones.by_name:
        life.until_quit(zones.expire())


Known = Mapping[str, Sequence[Any]]  # of a group: the name of its zone, then its names


@upstream.check_continues
def keep_addresses(scope: Scope, old: Scope) -> None:
    """Names need not be resolved anew after a reload."""
    take_addresses(scope, hand_over_addresses(old))


@upstream.hands_over
def hand_over_addresses(scope: Scope) -> Known:
    groups = _resolving(scope)
    return {name: (zone, *remember(shared)) for name, zone, shared in groups}


@upstream.takes_over
def take_addresses(scope: Scope, known: Known) -> None:
    for name, zone, shared in _resolving(scope):
        old_zone, *remembered = known.get(name, ("",))
        if zone == old_zone and remembered:
            carry_over((Remembered(*one) for one in remembered), shared)


def _resolving(scope: Scope) -> Iterator[tuple[str, str, Shared]]:
    """The groups that may have names that are resolved at run time, and the names of their
    zones."""
    for name, conf, group in _groups(scope):
        if isinstance(group.balancer, Shared) and group.balancer.can_change:
            yield name, conf.zone_name, group.balancer


def _groups(scope: Scope) -> Iterator[tuple[str, UpstreamConf, Upstream]]:
    """Those of "http", and of "stream", whose names have that in front."""
    for prefix, groups in (
        ("", scope.shared(Upstreams)),
        ("stream ", stream_shared(scope, Upstreams)),
    ):
        for name, conf in groups.declared.items():
            group = groups.get(name)
            assert group is not None and isinstance(conf, UpstreamConf)
            yield prefix + name, conf, group


@upstream.worker_starts
def resolve_names(scope: Scope, life: WorkerLife) -> None:
    """One worker does, for all."""
    for _, conf, group in _groups(scope) if life.number == 0 else ():
        watch = conf.watch(group)
        for work in watch.keepers() if watch else ():
            life.until_quit(work)


@upstream.worker_ends
def close_connections(scope: Scope) -> None:
    for _, _, group in _groups(scope):
        if group.pool is not None:
            group.pool.close()
        if group.bound is not None:
            group.bound.close()
