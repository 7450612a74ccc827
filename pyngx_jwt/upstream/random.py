"""A peer by chance, or the less busy of two (ngx_http_upstream_random_module)."""

from __future__ import annotations

from collections.abc import Callable
from random import randrange

from .balancer import MOST_TRIES, RoundRobinChoice
from .peer import Peer, Peers

Draw = Callable[[int], int]


class Random:
    """Every peer has a chance that corresponds to its weight.

    `draw` gives a number below its argument.
    """

    __slots__ = ("draw", "peers", "tries", "two")

    def __init__(self, peers: Peers, *, two: bool = False, draw: Draw = randrange) -> None:
        self.peers, self.tries = peers, peers.tries
        self.two, self.draw = two, draw

    def choose(self, key: str = "") -> RandomChoice:
        kind = TwoChoice if self.two else RandomChoice
        return kind(self.peers, self.tries, self.draw)


class RandomChoice(RoundRobinChoice):
    """ngx_http_upstream_get_random_peer: round robin, if chance does not find one soon."""

    __slots__ = ("draw", "draws")

    def __init__(self, peers: Peers, tries: int, draw: Draw) -> None:
        super().__init__(peers, tries)
        self.draw, self.draws = draw, 0

    def get(self, now: int, hint: str = "") -> Peer | None:
        if self.draws > MOST_TRIES or len(self.peers.peers) < 2:
            return super().get(now, hint)
        index = self.hinted(hint, now) if hint else None
        if index is None:
            index = self._find(now)
        return super().get(now, hint) if index is None else self.take(index, now)

    def _find(self, now: int) -> int | None:
        return self._drawn(now)

    def _drawn(self, now: int, but: int | None = None) -> int | None:
        """A peer by chance, None if that takes too long."""
        peers = self.peers
        while True:
            index = peers.index_at(self.draw(peers.total_weight))
            if index != but and self.is_open(index, now):
                return index
            self.draws += 1
            if self.draws > MOST_TRIES:
                return None


class TwoChoice(RandomChoice):
    """ngx_http_upstream_get_random2_peer."""

    __slots__ = ()

    def _find(self, now: int) -> int | None:
        first = self._drawn(now)
        second = None if first is None else self._drawn(now, first)
        if first is None or second is None:
            return None
        one, other = self.peers.peers[first], self.peers.peers[second]
        loads = self.load(one, now) * other.weight, self.load(other, now) * one.weight
        return first if loads[1] > loads[0] else second

    def load(self, peer: Peer, now: int) -> int:
        """What two peers are compared by."""
        return peer.conns
