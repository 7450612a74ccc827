"""How long servers of groups get no requests because they fail."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...core.worker import WorkerLife
from ...gateway.groups import Upstreams
from ...metrics import Tallies
from ...metrics.kinds import DOWN_SINCE, Kind
from ...metrics.tallies import Names, Reported
from ...upstream.peer import CHECKING, DOWN, DRAINING, UNHEALTHY, Peer

FAILING = {"unavail", "checking", "unhealthy"}


class Downtimes:
    """Looks at the servers of groups with a zone once in a second, in one worker: what all of them
    know of a server has no history.  `kind` is that of the times, in milliseconds.

    A worker that quits has a successor that looks; its own groups are those of before."""

    def __init__(self, tallies: Tallies, groups: Upstreams, kind: Kind, life: WorkerLife) -> None:
        self._tallies, self._groups, self._kind, self._life = tallies, groups, kind, life
        self._since: dict[tuple[str, str], float] = {}
        self._looked: float | None = None

    def note(self) -> None:
        """Adds the time since the last look, or since the server began to fail; at the first look
        none, as a worker before this one may have counted it."""
        if self._life.is_quitting:
            return
        now = time.monotonic()
        before = now if self._looked is None else self._looked
        self._looked, failing = now, dict[tuple[str, str], float]()
        for name in self._groups.declared:
            group = self._groups.get(name)
            if group is None or group.shared is None:
                continue
            for peer in group.shared.look():
                state = state_of(peer, int(now))
                if state in FAILING:
                    key = (group.name, peer.name)
                    is_known = key in self._since
                    began = self._since[key] if is_known else _began(peer, state, before, now)
                    failing[key] = began
                    passed = now - (before if is_known else began)
                    self._tallies.row(self._kind, *key).add(0, round(passed * 1000))
        self._since = failing

    def report(self) -> Iterator[Reported]:
        """Since when those that fail now do, in milliseconds since the epoch."""
        if self._life.is_quitting:
            return
        offset = time.time() - time.monotonic()
        for (group, peer), since in self._since.items():
            names: Names = (self._kind.mark.decode(), group, peer)
            yield DOWN_SINCE, names, (int((since + offset) * 1000),)


def _began(peer: Peer, state: str, before: float, now: float) -> float:
    """When a server began to fail that did not at the look before."""
    return min(now, max(before, float(peer.checked))) if state == "unavail" else now


def state_of(peer: Peer, now: int) -> str:
    """The state of a server, as NGINX Plus calls it."""
    for bit, name in (
        (DOWN, "down"),
        (UNHEALTHY, "unhealthy"),
        (CHECKING, "checking"),
        (DRAINING, "draining"),
    ):
        if peer.down & bit:
            return name
    failed = peer.max_fails and peer.fails >= peer.max_fails
    return "unavail" if failed and now - peer.checked <= peer.fail_timeout else "up"
