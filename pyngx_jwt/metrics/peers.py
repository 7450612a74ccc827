"""Which servers of groups the sessions of a worker are with."""

from __future__ import annotations

from collections import Counter

PeerName = tuple[str, str]  # group, address


class PeersInUse:
    """How many sessions of "stream" each server has here."""

    def __init__(self) -> None:
        self.sessions: Counter[PeerName] = Counter()

    def enter(self, group: str, peer: str) -> None:
        """A session has begun."""
        self.sessions[group, peer] += 1

    def leave(self, group: str, peer: str) -> None:
        """It is over."""
        self.sessions[group, peer] -= 1
        if not self.sessions[group, peer]:
            del self.sessions[group, peer]
