"""Counts the sessions of the servers of groups for statistics."""

from __future__ import annotations

from ...gateway.groups import Upstreams
from ...gateway.state import UpstreamState
from ...metrics import Row, Tallies
from ...metrics.handshakes import UNCOUNTED, HandshakeCounts, of_peer
from ...metrics.kinds import (
    CONNECT_MICROSECONDS,
    CONNECT_TIMES,
    DISCARDED,
    HEADER_MICROSECONDS,
    HEADER_TIMES,
    MICROSECONDS,
    RECEIVED,
    REQUESTS,
    SENT,
    SESSIONS,
    STREAM_PEER,
    TLS_STREAM_PEER,
    UNAVAILABLE,
)
from ...metrics.peers import PeersInUse
from ...stream.level import StreamLevel

MICRO = 1e6


class PeerCounts:
    """Servers that are named without an "upstream" block are not counted.

    Whether anything is, is known once "http" has been read as well."""

    def __init__(self, tallies: Tallies, groups: Upstreams, in_use: PeersInUse) -> None:
        self._tallies, self._groups, self._in_use = tallies, groups, in_use

    def connected(self, group: str, state: UpstreamState) -> None:
        """A session has been passed to a server."""
        row = self._row(group, state)
        if row is not None:
            self._in_use.enter(group, state.peer)
            row.add(REQUESTS)
            row.add(CONNECT_TIMES)
            row.add(CONNECT_MICROSECONDS, int(state.connect_time * MICRO))

    def handshakes(self, group: str, state: UpstreamState) -> HandshakeCounts:
        """What counts those with a server."""
        if group.lower() not in self._groups.declared:
            return UNCOUNTED
        return of_peer(self._tallies, TLS_STREAM_PEER, group, state.peer)

    def left(self, group: str, state: UpstreamState) -> None:
        """A session with a server is over, or could not begin."""
        row = self._row(group, state)
        if row is None:
            return
        numbers = row.numbers
        numbers[DISCARDED] += state.failed
        numbers[UNAVAILABLE] += state.disabled
        numbers[RECEIVED] += state.bytes_received
        numbers[SENT] += state.bytes_sent
        if state.header_time >= 0:
            numbers[HEADER_TIMES] += 1
            numbers[HEADER_MICROSECONDS] += int(state.header_time * MICRO)
        if state.connect_time >= 0:
            self._in_use.leave(group, state.peer)
            numbers[SESSIONS] += 1
            numbers[MICROSECONDS] += int(state.response_time * MICRO)
        row.changed()

    def _row(self, group: str, state: UpstreamState) -> Row | None:
        if not self._tallies.wanted or group.lower() not in self._groups.declared:
            return None
        return self._tallies.row(STREAM_PEER, group, state.peer)


def peer_counts(level: StreamLevel) -> PeerCounts:
    """What counts the servers of groups."""
    scope = level.scope
    return PeerCounts(scope.shared(Tallies), level.shared(Upstreams), scope.shared(PeersInUse))
