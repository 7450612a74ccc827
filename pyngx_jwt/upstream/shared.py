"""Peers whose state all workers share (the "zone" directive).

Each choice is one step of the store: the state is read into this worker's peers, the balancer
decides, and what it changed is written back, with the other workers kept out.

The peers of a group with names that are resolved at run time come and go.  One worker changes
them; every change has a version.  A worker that meets another version than its own reads the
roster, has a balancer made for the new peers, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeVar

from ..zones.store import PeersChanged, PeerState, PeerStates, SharedPeers
from .balancer import Balancer, PeerChoice, Timing
from .peer import Named, Peer, Peers, PeerServer, make_peers, named_servers
from .roster import Roster

T = TypeVar("T")

# What every method needs to know of a peer.
SHARED = ("current_weight", "effective_weight", "conns", "fails", "accessed", "checked")


class Shared:
    """A balancer over a store; without room there the workers go on by themselves.

    `make` makes a balancer for peers; `servers` are the group's, `extra` the attributes of peers
    that are shared beside those that every method needs."""

    __slots__ = (
        *("_extra", "_make", "_state", "_version"),
        *("balancer", "begins", "can_change", "resolves", "roster", "servers", "store"),
        "takes_names",
    )

    def __init__(
        self,
        make: Callable[[Peers], Balancer],
        servers: Sequence[PeerServer],
        store: SharedPeers,
        extra: Sequence[str] = (),
    ) -> None:
        self._make, self.servers, self.store, self.roster = make, servers, store, Roster()
        self.balancer = make(make_peers(servers))
        self._version = 0
        self.begins = 0  # bits of "down" that peers have when they come
        self._extra = tuple(extra)
        self._state: Callable[[Peer], PeerState] = attrgetter(*SHARED, *extra)
        # Whether the peers can become others.
        self.resolves = any(server.lookup for server in servers)
        self.can_change = self.resolves
        self.takes_names = False  # names can be added, as there is something that resolves them

    @property
    def peers(self) -> Peers:
        return self.balancer.peers

    def choose(self, key: str = "") -> SharedChoice:
        if self.can_change and self.store.version() != self._version:
            self._follow()
        return SharedChoice(lambda: self.balancer.choose(key), self)

    def run(self, act: Callable[[], T]) -> T:
        """Runs a change of the peers' states on what all workers share."""

        def decide(states: PeerStates | None) -> tuple[T, PeerStates]:
            peers = self.peers.all
            if states is not None:
                _load(peers, states, self._extra)
            return act(), map(self._state, peers)

        while True:
            try:
                return self.store.transact(decide, self._version)
            except PeersChanged:
                self._follow()

    def change(self, roster: Roster) -> None:
        """Changes the peers, for all workers; raises ZoneFull."""
        old = self.peers
        new = self._peers(roster)

        def decide(states: PeerStates | None) -> PeerStates:
            if states is not None:
                _load(old.all, states, self._extra)
                _set_edited(new, roster)
            return map(self._state, new.all)

        self._version = self.store.change(decide, self._version, roster.encode())
        self._use(roster, new)

    def inherit(self, roster: Roster) -> None:
        """Takes the addresses that another configuration has found; before there are workers."""
        self._use(roster, self._peers(roster))

    def confirm(self, roster: Roster) -> None:
        """Nothing has changed but the times until when the addresses are valid.  Raises
        PeersChanged."""
        self.store.note(roster.encode(), self._version)
        self.roster = roster

    def current(self) -> Roster:
        """The roster of now."""
        version, data = self.store.roster()
        if version != self._version:
            self._follow()
        elif data:
            self.roster = Roster.decode(data)
        return self.roster

    def named(self) -> list[Named]:
        """The servers of now whose names are resolved at run time."""
        return named_servers(self.servers, self.current())

    def _follow(self) -> None:
        """Changes the peers as another worker has."""
        self._version, data = self.store.roster()
        roster = Roster.decode(data)
        self._use(roster, self._peers(roster))

    def _peers(self, roster: Roster) -> Peers:
        old = self.peers
        peers = make_peers(self.servers, roster, old)
        if self.begins:
            for peer in set(peers.all).difference(old.all):
                peer.down |= self.begins
        return peers

    def begin(self, down: int) -> None:
        """Before the workers start: gives all peers, and those that come later, some bits."""
        self.begins = down
        for peer in self.peers.all:
            peer.down |= down

    def look(self) -> tuple[Peer, ...]:
        """The peers of now, with what all workers know of them; keeps no other worker waiting."""
        while True:
            try:
                states = self.store.states(self._version)
            except PeersChanged:
                self._follow()
                continue
            peers = self.peers.all
            if states is not None:
                _load(peers, states, self._extra)
            return peers

    def _use(self, roster: Roster, peers: Peers) -> None:
        self.roster, self.balancer = roster, self._make(peers)


def _set_edited(peers: Peers, roster: Roster) -> None:
    """What was changed of servers counts more than what all workers knew."""
    edited = {edit.serial for edit in roster.edits}
    for peer in peers.all:
        if peer.serial in edited:
            peer.effective_weight = peer.weight
            peer.set_down(peer.server)


class SharedChoice:
    """A choice that looks at the shared state each time."""

    __slots__ = ("_balancer", "_begin", "choice", "shared")

    def __init__(self, begin: Callable[[], PeerChoice], shared: Shared) -> None:
        self._begin, self.shared = begin, shared
        self.choice, self._balancer = begin(), shared.balancer

    @property
    def tries(self) -> int:
        return self.choice.tries

    @tries.setter
    def tries(self, tries: int) -> None:
        self.choice.tries = tries

    def get(self, now: int, hint: str = "") -> Peer | None:
        return self.shared.run(lambda: self._get(now, hint))

    def _get(self, now: int, hint: str = "") -> Peer | None:
        """nginx gives up if the peers have changed since the request began; here it is tried at
        those of now."""
        if self._balancer is not self.shared.balancer:
            choice, self._balancer = self._begin(), self.shared.balancer
            choice.tries = min(choice.tries, self.choice.tries)
            self.choice = choice
        return self.choice.get(now, hint)

    def answered(self, timing: Timing) -> None:
        self.shared.run(lambda: self.choice.answered(timing))

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        return self.shared.run(lambda: self.choice.free(failed, now, timing))


def _load(peers: tuple[Peer, ...], states: PeerStates, extra: Sequence[str]) -> None:
    for peer, values in zip(peers, states, strict=True):
        peer.current_weight, peer.effective_weight, peer.conns = values[:3]
        peer.fails, peer.accessed, peer.checked = values[3:6]
        if extra:
            for name, value in zip(extra, values[6:], strict=True):
                setattr(peer, name, value)
