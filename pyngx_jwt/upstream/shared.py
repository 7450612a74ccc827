"""Peers whose state all workers share (the "zone" directive).

Each choice is one transaction on the zone: the state is read into this worker's peers, the
balancer decides, and what it changed is written back, with the other workers kept out.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Protocol, TypeVar

from .balancer import Balancer, Choice
from .peer import Peer, Peers

T = TypeVar("T")
_STATE = Struct("=6q")


class Zone(Protocol):
    """Memory that processes share (zones.py)."""

    def update(self, key: bytes, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Replaces a value, with the other processes kept out; False: there is no room."""


class Shared:
    """A balancer over a zone; without room there the workers go on by themselves."""

    __slots__ = ("balancer", "key", "peers", "zone")

    def __init__(self, balancer: Balancer, peers: Peers, zone: Zone, name: str) -> None:
        self.balancer, self.zone = balancer, zone
        self.key = name.encode("latin-1")[:511]
        self.peers = (*peers.peers, *(peers.next.peers if peers.next else ()))

    def choose(self, key: str = "") -> SharedChoice:
        return SharedChoice(self.balancer.choose(key), self)

    def run(self, act: Callable[[], T]) -> T:
        """Runs a change of the peers, once, on the state that all workers share."""
        found: list[T] = []

        def change(old: bytes | None) -> bytes:
            if not found:  # else this is another try to write
                if old is not None:
                    _load(self.peers, old)
                found.append(act())
            return b"".join(map(_dump, self.peers))

        self.zone.update(self.key, change)
        return found[0]


class SharedChoice:
    """A choice that looks at the shared state each time."""

    __slots__ = ("choice", "shared")

    def __init__(self, choice: Choice, shared: Shared) -> None:
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


def _load(peers: tuple[Peer, ...], state: bytes) -> None:
    for peer, values in zip(peers, _STATE.iter_unpack(state), strict=True):
        peer.current_weight, peer.effective_weight, peer.conns = values[:3]
        peer.fails, peer.accessed, peer.checked = values[3:]


def _dump(peer: Peer) -> bytes:
    return _STATE.pack(
        *(peer.current_weight, peer.effective_weight, peer.conns),
        *(peer.fails, peer.accessed, peer.checked),
    )
