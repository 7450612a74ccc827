"""The peer that answers soonest, by its times so far (ngx_http_upstream_least_time_module).

Times are milliseconds.  Requests that are "in flight" count, if they are to, with the time
that they have taken so far: a peer that hangs is noticed before it answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import randrange
from typing import Final

from .balancer import RoundRobinChoice, Timing
from .peer import Peer, Peers
from .random import Draw, TwoChoice

LONGEST: Final = 5000  # slower ones are equally slow
CLUSTER: Final = 20  # times this close to each other are equal
Clock = Callable[[], int]
TIMES = (
    *("header_time", "response_time"),
    *("inflight_time", "inflight_last", "inflight_changed", "inflight"),
)


def milliseconds() -> int:
    """Of the clock that all workers have in common."""
    return time.monotonic_ns() // 1_000_000


class LeastTime:
    """Round robin among those that answer equally soon."""

    __slots__ = ("clock", "connects", "inflight", "last_byte", "peers", "tries")

    def __init__(
        self,
        peers: Peers,
        *,
        last_byte: bool = False,
        connects: bool = False,
        inflight: bool = False,
        clock: Clock = milliseconds,
    ) -> None:
        """`connects`: the time to the connection counts, and not that to the first answer."""
        self.peers, self.tries = peers, peers.tries
        self.last_byte, self.inflight, self.clock = last_byte, inflight, clock
        self.connects = connects

    def choose(self, key: str = "") -> LeastTimeChoice:
        return LeastTimeChoice(self)


class RandomLeastTime:
    """The one of two by chance that answers sooner."""

    __slots__ = ("clock", "connects", "draw", "inflight", "last_byte", "peers", "tries")

    def __init__(
        self,
        peers: Peers,
        *,
        last_byte: bool = False,
        connects: bool = False,
        draw: Draw = randrange,
        clock: Clock = milliseconds,
    ) -> None:
        self.peers, self.tries = peers, peers.tries
        self.last_byte, self.connects, self.inflight = last_byte, connects, False
        self.draw, self.clock = draw, clock

    def choose(self, key: str = "") -> TwoByTimeChoice:
        return TwoByTimeChoice(self)


class Times:
    """Keeps the times of peers for a request, and estimates by them how long another one would
    take."""

    __slots__ = ("_counts", "_started", "method")

    def __init__(self, method: LeastTime | RandomLeastTime) -> None:
        self.method = method
        self._counts = False  # whether this request is in flight
        self._started = 0  # since when

    def fly(self, peer: Peer) -> Peer:
        """The request is in flight from now on."""
        if self.method.inflight:
            self._started = at = self.method.clock()
            if peer.inflight:
                peer.inflight_last += (at - peer.inflight_changed) * peer.inflight
            peer.inflight_changed = at
            peer.inflight += 1
            self._counts = True
        return peer

    def answered(self, peer: Peer, timing: Timing) -> None:
        if self.method.last_byte or not self._counts:
            return
        took = self._first(timing)
        if took < 0:
            return
        peer.header_time = _average(peer.header_time, took)
        self._land(peer, took)

    def freed(self, peer: Peer, timing: Timing | None) -> None:
        self._land(peer, self.method.clock() - self._started)
        if timing is not None and self._first(timing) >= 0:
            self._measure(peer, timing)

    def _measure(self, peer: Peer, timing: Timing) -> None:
        """Only successes count: who fails at once is not quick."""
        peer.response_time = _average(peer.response_time, int(timing.response_time * 1000))
        if self.method.last_byte or not self.method.inflight:  # else answered() has counted it
            peer.header_time = _average(peer.header_time, self._first(timing))

    def _first(self, timing: Timing) -> int:
        """Milliseconds to the event that is waited for; negative if it did not come to that."""
        return int((timing.connect_time if self.method.connects else timing.header_time) * 1000)

    def _land(self, peer: Peer, took: int) -> None:
        if not self._counts:
            return
        self._counts = False
        if peer.inflight <= 1:
            peer.inflight_last = 0
        else:
            at = self.method.clock()
            since = (at - peer.inflight_changed) * peer.inflight
            peer.inflight_last = max(0, peer.inflight_last + since - took)
            peer.inflight_changed = at
        peer.inflight = max(0, peer.inflight - 1)

    def note_flights(self, peer: Peer) -> None:
        """What is in flight counts with the time that it has taken so far."""
        if peer.inflight:
            since = self.method.clock() - peer.inflight_changed
            took = peer.inflight_last // peer.inflight + since
            peer.inflight_time = _average(peer.inflight_time, took)

    def estimate(self, peer: Peer, now: int) -> int:
        """When the peer would be done with its requests and another one."""
        took = peer.response_time if self.method.last_byte else peer.header_time
        idle = now - peer.checked
        if idle > peer.fail_timeout:  # slow ones get a chance now and then
            took >>= idle // (peer.fail_timeout + 1)
        if peer.inflight:
            took = max(took, peer.inflight_time)
        took = LONGEST if took > LONGEST else took + CLUSTER - took % CLUSTER
        return took * (1 + peer.conns)


class LeastTimeChoice(RoundRobinChoice):
    """ngx_http_upstream_get_least_time_peer."""

    __slots__ = ("times",)

    def __init__(self, method: LeastTime) -> None:
        super().__init__(method.peers, method.tries)
        self.times = Times(method)

    def answered(self, timing: Timing) -> None:
        super().answered(timing)
        if self.current is not None:
            self.times.answered(self.current, timing)

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        if self.current is not None:
            self.times.freed(self.current, timing)
        return super().free(failed, now, timing)

    def _stay(self, index: int, now: int) -> Peer:
        return self.take(index, now)

    def take(self, index: int, now: int) -> Peer:
        return self.times.fly(super().take(index, now))

    def _best(self, now: int) -> Peer | None:
        tied = self._soonest(now)
        return self.times.fly(self.take_turns(tied, now)) if tied else None

    def _soonest(self, now: int) -> list[int]:
        """The peers that would be done equally soon, in their order."""
        tied: list[int] = []
        best: Peer | None = None
        best_time = 0
        for index, peer in enumerate(self.peers.peers):
            if not self.is_open(index, now):
                continue
            self.times.note_flights(peer)
            took = self.times.estimate(peer, now)
            if best is None or took * best.weight < best_time * peer.weight:
                best, best_time, tied = peer, took, [index]
            elif took * best.weight == best_time * peer.weight:
                tied.append(index)
        return tied


class TwoByTimeChoice(TwoChoice):
    """ngx_http_upstream_get_random2_peer, by another measure; nothing counts as in flight."""

    __slots__ = ("times",)

    def __init__(self, method: RandomLeastTime) -> None:
        super().__init__(method.peers, method.tries, method.draw)
        self.times = Times(method)

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        if self.current is not None:
            self.times.freed(self.current, timing)
        return super().free(failed, now, timing)

    def load(self, peer: Peer, now: int) -> int:
        return self.times.estimate(peer, now)


def _average(average: int, value: int) -> int:
    """A moving average, rounded; 0 is none yet."""
    return int(0.5 + value * 0.05 + average * 0.95) if average else value
