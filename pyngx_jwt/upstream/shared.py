"""Peers whose state all workers share (the "zone" directive).

Each choice is one step of the store: the state is read into this worker's peers, the balancer
decides, and what it changed is written back, with the other workers kept out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..zones.store import PeerState, PeerStates, SharedPeers
from .balancer import Balancer, PeerChoice
from .peer import Peer, Peers

T = TypeVar("T")


class Shared:
    """A balancer over a store; without room there the workers go on by themselves."""

    __slots__ = ("balancer", "peers", "store")

    def __init__(self, balancer: Balancer, peers: Peers, store: SharedPeers) -> None:
        self.balancer, self.store = balancer, store
        self.peers = (*peers.peers, *(peers.next.peers if peers.next else ()))

    def choose(self, key: str = "") -> SharedChoice:
        return SharedChoice(self.balancer.choose(key), self)

    def run(self, act: Callable[[], T]) -> T:
        """Runs a change of the peers on the state that all workers share."""

        def decide(states: PeerStates | None) -> tuple[T, PeerStates]:
            if states is not None:
                _load(self.peers, states)
            return act(), map(_state, self.peers)

        return self.store.transact(decide)


class SharedChoice:
    """A choice that looks at the shared state each time."""

    __slots__ = ("choice", "shared")

    def __init__(self, choice: PeerChoice, shared: Shared) -> None:
        self.choice, self.shared = choice, shared

    @property
    def tries(self) -> int:
        return self.choice.tries

    @tries.setter
    def tries(self, tries: int) -> None:
        self.choice.tries = tries

    def get(self, now: int) -> Peer | None:
        return self.shared.run(lambda: self.choice.get(now))

    def free(self, failed: bool, now: int) -> bool:
        return self.shared.run(lambda: self.choice.free(failed, now))


def _load(peers: tuple[Peer, ...], states: PeerStates) -> None:
    for peer, values in zip(peers, states, strict=True):
        peer.current_weight, peer.effective_weight, peer.conns = values[:3]
        peer.fails, peer.accessed, peer.checked = values[3:]


def _state(peer: Peer) -> PeerState:
    return (
        peer.current_weight,
        peer.effective_weight,
        peer.conns,
        peer.fails,
        peer.accessed,
        peer.checked,
    )
