"""Servers that have recovered get their share back little by little ("slow_start").

Weights are counted in small units in such groups, so that even a weight of 1 can grow.
"""

from __future__ import annotations

from collections.abc import Callable

from .balancer import Balancer, RoundRobinChoice, Timing
from .least_time import Clock, milliseconds
from .peer import Peer, Peers

UNIT = 1000  # of a weight of 1
RECOVERY = ("slow_since",)  # what workers share


class SlowStart:
    """A balancer, of a method that works with the weights of now, whose servers recover slowly."""

    __slots__ = ("balancer", "clock")

    def __init__(
        self,
        peers: Peers,
        *,
        make: Callable[[Peers], Balancer],
        clock: Clock = milliseconds,
    ) -> None:
        self.balancer, self.clock = make(peers), clock

    @property
    def peers(self) -> Peers:
        return self.balancer.peers

    def choose(self, key: str = "") -> SlowStartChoice:
        choice = self.balancer.choose(key)
        assert isinstance(choice, RoundRobinChoice)  # others have no such servers
        return SlowStartChoice(choice, self)


class SlowStartChoice:
    """A choice that looks at how far the servers have recovered."""

    __slots__ = ("choice", "slow")

    def __init__(self, choice: RoundRobinChoice, slow: SlowStart) -> None:
        self.choice, self.slow = choice, slow

    @property
    def tries(self) -> int:
        return self.choice.tries

    @tries.setter
    def tries(self, tries: int) -> None:
        self.choice.tries = tries

    def get(self, now: int, hint: str = "") -> Peer | None:
        at = self.slow.clock()
        for peer in self.slow.peers.all:
            weigh_recovering(peer, at)
        return self.choice.get(now, hint)

    def answered(self, timing: Timing) -> None:
        self.choice.answered(timing)

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        peer = self.choice.current
        was_out = peer is not None and peer.max_fails and peer.fails >= peer.max_fails
        disabled = self.choice.free(failed, now, timing)
        if peer is not None and was_out and not peer.fails and not self.choice.peers.single:
            begin_recovery(peer, self.slow.clock())
        return disabled


def begin_recovery(peer: Peer, at: int) -> None:
    """The server works again, since `at` (milliseconds)."""
    if peer.server.slow_start:
        peer.slow_since = at


def weigh_recovering(peer: Peer, at: int) -> None:
    """Gives a server the weight of now, and all of it in the end."""
    whole = peer.server.weight * peer.server.unit
    if not peer.slow_since:
        peer.weight = whole
        return
    age, length = at - peer.slow_since, int(peer.server.slow_start * 1000)
    if age >= length:
        peer.slow_since = 0
        peer.weight = peer.effective_weight = whole
    else:
        peer.weight = peer.effective_weight = max(1, whole * age // length)
