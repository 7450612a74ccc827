"""Which peer gets a request.

A `Balancer` belongs to an upstream, a `PeerChoice` to one request: it remembers what was
tried, as nginx's peer data does.  `now` is whole seconds of any clock that only grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from .peer import Peer, Peers

MOST_TRIES: Final = 20  # of methods that may hit what cannot be used; then round robin decides


class Timing(Protocol):
    """How long a peer took, in seconds; -1 where it did not come to that."""

    connect_time: float
    header_time: float
    response_time: float


class PeerChoice(Protocol):
    """The peers tried for one request."""

    tries: int  # peers that may still be tried, the current one included

    def get(self, now: int, hint: str = "") -> Peer | None:
        """The peer to try next, None if there is none left ("no live upstreams").

        `hint` is the id of the peer that is wanted, if it can be had."""

    def answered(self, timing: Timing) -> None:
        """The response of the peer is passed on, its body may follow; methods that note heads
        are told.  Where there are no requests, a connection has been made, and then the first
        byte has come (`header_time`)."""

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        """Gives back what get() returned; whether this disabled the peer for a while
        (the caller logs "upstream server temporarily disabled").

        `timing` is that of a response that was passed on, or began to be."""


class Balancer(Protocol):
    """A load balancing method with the peers it is for."""

    @property
    def peers(self) -> Peers:
        """Those of now."""

    def choose(self, key: str = "") -> PeerChoice:
        """Starts choosing for a request; methods that hash take the key."""


class RoundRobin:
    """Smooth weighted round robin."""

    __slots__ = ("peers", "tries")

    def __init__(self, peers: Peers) -> None:
        self.peers, self.tries = peers, peers.tries

    def choose(self, key: str = "") -> RoundRobinChoice:
        return RoundRobinChoice(self.peers, self.tries)


class RoundRobinChoice:
    """ngx_http_upstream_get_round_robin_peer and ..._free_round_robin_peer."""

    __slots__ = ("current", "peers", "tried", "tries")

    def __init__(self, peers: Peers, tries: int) -> None:
        self.peers, self.tries = peers, tries
        self.tried = 0  # a bit for each peer
        self.current: Peer | None = None

    def get(self, now: int, hint: str = "") -> Peer | None:
        peers = self.peers
        if hint and (index := self.hinted(hint, now)) is not None:
            return self._stay(index, now)
        peer = _single(peers) if peers.single else self._best(now)
        if peer is None:
            if peers.next is None:
                return None
            self.peers, self.tried = peers.next, 0
            return RoundRobinChoice.get(self, now, hint)
        peer.conns += 1
        self.current = peer
        return peer

    def hinted(self, hint: str, now: int) -> int | None:
        """The peer that is wanted, if this request may try it
        (ngx_http_upstream_get_rr_peer_by_sid)."""
        for index, peer in enumerate(self.peers.peers):
            if peer.sid == hint:
                tried = self.tried >> index & 1
                return None if tried or not peer.is_available(now, tied=True) else index
        return None

    def _stay(self, index: int, now: int) -> Peer:
        """Takes the peer that is wanted.  What it is given out of turn counts, up to a round."""
        peers, wanted = self.peers, self.peers.peers[index]
        if not peers.single and wanted.current_weight > wanted.weight - peers.total_weight:
            total = self._weigh_all(now)  # which changes the weight, too
            wanted.current_weight -= total
        return self.take(index, now)

    def take(self, index: int, now: int) -> Peer:
        """Takes a peer that another method has found."""
        self.current = peer = self.peers.peers[index]
        self._mark_tried(peer, 1 << index, now)
        peer.conns += 1
        return peer

    def take_turns(self, tied: Sequence[int], now: int) -> Peer:
        """Takes one of the peers that are equally good."""
        total = 0
        index = tied[0]
        best = self.peers.peers[index]
        if len(tied) > 1:  # weights do not change while there is no tie
            for other in tied:
                peer = self.peers.peers[other]
                total += weigh(peer)
                if peer.current_weight > best.current_weight:
                    best, index = peer, other
        best.current_weight -= total
        self._mark_tried(best, 1 << index, now)
        return best

    def is_open(self, index: int, now: int) -> bool:
        """Whether this request may try the peer."""
        return not self.tried >> index & 1 and self.peers.peers[index].is_available(now)

    def answered(self, timing: Timing) -> None:
        """The end of a response is enough, or the connection where there are no requests."""
        peer = self.current
        if timing.header_time < 0 and peer is not None and peer.accessed < peer.checked:
            peer.fails = 0

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        peer = self.current
        if peer is None:
            return False
        self.current = None
        peer.conns -= 1
        if self.peers.single:
            peer.fails = self.tries = 0
            return False
        if self.tries:
            self.tries -= 1
        if failed:
            return mark_failed(peer, now)
        if peer.accessed < peer.checked:
            peer.fails = 0
        return False

    def _best(self, now: int) -> Peer | None:
        """Takes the peer with the greatest current weight; its weight pays for the others."""
        best: Peer | None = None
        best_bit = total = 0
        bit = 1
        for peer in self.peers.peers:
            if not self.tried & bit and peer.is_available(now):
                total += weigh(peer)
                if best is None or peer.current_weight > best.current_weight:
                    best, best_bit = peer, bit
            bit <<= 1
        if best is None:
            return None
        best.current_weight -= total
        self._mark_tried(best, best_bit, now)
        return best

    def _weigh_all(self, now: int) -> int:
        """A round in which nothing is chosen: the sum of the weights."""
        return sum(
            weigh(peer) for index, peer in enumerate(self.peers.peers) if self.is_open(index, now)
        )

    def _mark_tried(self, peer: Peer, bit: int, now: int) -> None:
        self.tried |= bit
        if now - peer.checked > peer.fail_timeout:
            peer.checked = now


def weigh(peer: Peer) -> int:
    """A peer's part in a round: it gains its effective weight, which recovers with time."""
    gain = peer.effective_weight
    peer.current_weight += gain
    if gain < peer.weight:
        peer.effective_weight = min(peer.weight, gain + peer.server.unit)
    return gain


def mark_failed(peer: Peer, now: int) -> bool:
    """Counts a failure; whether the peer is out of the round now."""
    peer.fails += 1
    peer.accessed = peer.checked = now
    if not peer.max_fails:
        return False
    # C divides towards zero; both are positive here
    peer.effective_weight = max(0, peer.effective_weight - peer.weight // peer.max_fails)
    return peer.fails >= peer.max_fails


def _single(peers: Peers) -> Peer | None:
    peer = peers.peers[0]
    if peer.down or (peer.max_conns and peer.conns >= peer.max_conns):
        return None
    return peer
