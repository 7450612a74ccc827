"""Forgets the rows of servers that are gone: groups whose servers come and go would fill the memory
of workers, and the zone of the statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from ...core.worker import WorkerLife
from ...gateway.groups import Upstreams
from ...metrics import Tallies
from ...metrics.kinds import (
    CODES,
    DOWNTIME,
    PEER,
    STREAM_DOWNTIME,
    STREAM_PEER,
    TLS_PEER,
    TLS_STREAM_PEER,
    Kind,
)
from ...metrics.tallies import LONGEST_KEY, Names, names_of

INTERVAL = 60.0  # seconds
NO_GROUP = "::nogroups"  # of servers that are named without an "upstream" block
OF_HTTP: Final = (PEER, TLS_PEER, DOWNTIME)
OF_STREAM: Final = (STREAM_PEER, TLS_STREAM_PEER, STREAM_DOWNTIME)


class GoneServers:
    """Looks for them once in a minute.  Each worker lets go of its own rows; one worker forgets
    what all have counted, if a server was gone at the look before, too: it may come back soon, and
    requests that it has got are counted when they are over."""

    def __init__(
        self,
        tallies: Tallies,
        life: WorkerLife,
        groups: Upstreams,
        stream_groups: Upstreams,
        let_go: Callable[[], None],
    ) -> None:
        """`let_go` drops what else holds rows of servers."""
        self._tallies, self._life, self._let_go = tallies, life, let_go
        self._groups: Mapping[Kind, Upstreams] = {
            **dict.fromkeys(OF_HTTP, groups),
            **dict.fromkeys(OF_STREAM, stream_groups),
        }
        self._due = time.monotonic() + INTERVAL
        self._gone: set[bytes] = set()

    def sweep(self) -> None:
        """To be called regularly."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + INTERVAL
            self.look()

    def look(self) -> None:
        servers = Servers(self._groups)
        self._let_go()
        self._tallies.let_go(servers.are_gone(self._tallies.held()))
        if self._life.number == 0 and not self._life.is_quitting:
            keys = [key for kind in (*self._groups, CODES) for key in self._tallies.keys(kind)]
            gone = servers.are_gone(keys)
            self._tallies.remove(gone & self._gone)
            self._gone = gone


class Servers:
    """Those of all groups, as they are now."""

    def __init__(self, groups: Mapping[Kind, Upstreams]) -> None:
        self._groups = {kind.mark: those for kind, those in groups.items()}
        self._names: dict[tuple[bytes, str], set[str]] = {}

    def are_gone(self, keys: Collection[bytes]) -> set[bytes]:
        """The keys of rows of other servers."""
        return {key for key in keys if self._is_gone(key)}

    def _is_gone(self, key: bytes) -> bool:
        mark, names = key[:1], names_of(key)
        if mark == CODES.mark:
            mark, names = names[0].encode("latin-1"), names[1:-1]
        is_whole = len(names) == 2 and len(key) < LONGEST_KEY
        return mark in self._groups and is_whole and self._has_lost(mark, names)

    def _has_lost(self, mark: bytes, names: Names) -> bool:
        group, server = names
        if group == NO_GROUP:
            return False
        if (mark, group) not in self._names:
            self._names[mark, group] = self._names_in(mark, group)
        return server not in self._names[mark, group]

    def _names_in(self, mark: bytes, name: str) -> set[str]:
        """A group that a reload has removed has no servers."""
        group = self._groups[mark].get(name)
        if group is None:
            return set()
        peers = group.shared.look() if group.shared is not None else group.peers.all
        return {peer.name for peer in peers}
