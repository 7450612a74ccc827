"""The peer with the fewest requests for its weight (ngx_http_upstream_least_conn_module)."""

from __future__ import annotations

from .balancer import RoundRobinChoice
from .peer import Peer, Peers


class LeastConn:
    """Round robin among those that are least busy."""

    __slots__ = ("peers", "tries")

    def __init__(self, peers: Peers) -> None:
        self.peers, self.tries = peers, peers.tries

    def choose(self, key: str = "") -> LeastConnChoice:
        return LeastConnChoice(self.peers, self.tries)


class LeastConnChoice(RoundRobinChoice):
    """ngx_http_upstream_get_least_conn_peer."""

    __slots__ = ()

    def _stay(self, index: int, now: int) -> Peer:
        return self.take(index, now)

    def _best(self, now: int) -> Peer | None:
        tied = self._least_busy(now)
        return self.take_turns(tied, now) if tied else None

    def _least_busy(self, now: int) -> list[int]:
        """The peers that are equally little busy, in their order."""
        tied: list[int] = []
        least: Peer | None = None
        for index, peer in enumerate(self.peers.peers):
            if not self.is_open(index, now):
                continue
            if least is None or peer.conns * least.weight < least.conns * peer.weight:
                least, tied = peer, [index]
            elif peer.conns * least.weight == least.conns * peer.weight:
                tied.append(index)
        return tied
