"""The servers of an upstream and the state a balancer keeps about each of their addresses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from itertools import accumulate, count
from typing import NamedTuple

from .address import PeerAddress
from .roster import Edit, Found, Lookup, Roster

# Why a peer is not chosen: bits of Peer.down.
DOWN, CHECKING, UNHEALTHY, DRAINING = 1, 2, 4, 8


class PeerServer(NamedTuple):
    """One "server" directive; an address that is a name may stand for several addresses."""

    name: str  # as it is written in the configuration
    addresses: tuple[PeerAddress, ...]
    weight: int = 1
    max_conns: int = 0  # 0 is no limit
    max_fails: int = 1  # 0 is never disabled
    fail_timeout: int = 10  # seconds
    backup: bool = False
    down: bool = False
    lookup: Lookup | None = None  # it has no fixed addresses
    route: str = ""  # its id, where it has one of its own
    drain: bool = False  # only for clients that are tied to it
    slow_start: float = 0.0  # seconds that it takes to recover
    unit: int = 1  # what a weight of 1 counts as

    @property
    def is_down(self) -> int:
        """Why it is not to be chosen, as far as the configuration says."""
        return DOWN if self.down else DRAINING if self.drain else 0


@dataclass(slots=True, eq=False)
class Peer:
    """One address of a server, and how it has behaved in this worker."""

    address: PeerAddress
    server: PeerServer
    name: str  # of the address, as $upstream_addr tells it
    weight: int
    effective_weight: int
    max_conns: int
    max_fails: int
    fail_timeout: int
    down: int  # bits: why it is not to be chosen
    sid: str  # by which clients are tied to it
    current_weight: int = 0
    conns: int = 0  # requests that hold this peer now
    fails: int = 0
    accessed: int = 0  # when it last failed, seconds
    checked: int = 0  # when it last failed or was given another chance, seconds
    serial: int = 0  # of the group; it stays the same when the group changes
    # Averages, in milliseconds, of methods that measure.
    header_time: int = 0
    response_time: int = 0
    inflight_time: int = 0
    inflight_last: int = 0
    inflight_changed: int = 0
    inflight: int = 0  # requests that are not answered
    slow_since: int = 0  # when it has begun to recover, 0 if it does not

    def set_down(self, server: PeerServer) -> None:
        """Whether it is chosen, as far as its server says; health checks have their own say."""
        self.down = self.down & ~(DOWN | DRAINING) | server.is_down

    def is_available(self, now: int, *, tied: bool = False) -> bool:
        """Whether it may be chosen: not down, not failed of late, not full.

        `tied`: by a client that is tied to it, which it serves even while it is drained."""
        if self.down and not (tied and self.down == DRAINING):
            return False
        if (
            self.max_fails
            and self.fails >= self.max_fails
            and now - self.checked <= self.fail_timeout
        ):
            return False
        return not (self.max_conns and self.conns >= self.max_conns)


class Peers:
    """Peers of equal rank; `next` are the backup ones (ngx_http_upstream_rr_peers_t).

    They do not change.  A group whose addresses come and go has other Peers then, and a
    balancer made for them; the state of those that stay is in the same Peer objects, so that
    requests that still hold one are counted.  There may be none.
    """

    __slots__ = ("ends", "next", "peers", "single")

    def __init__(self, peers: tuple[Peer, ...], single: bool, next: Peers | None = None) -> None:
        self.peers = peers
        self.single = single  # the only one there is: it is never held failed
        self.next = next
        # Where the share of each peer's weight ends.
        self.ends: tuple[int, ...] = tuple(accumulate(peer.weight for peer in peers))

    @property
    def tries(self) -> int:
        """How many peers are worth a try, backup ones included."""
        own = sum(not peer.server.is_down for peer in self.peers)
        return own + (self.next.tries if self.next else 0)

    @property
    def total_weight(self) -> int:
        return self.ends[-1] if self.ends else 0

    @property
    def all(self) -> tuple[Peer, ...]:
        """Backup ones included."""
        return self.peers + (self.next.peers if self.next else ())

    def index_at(self, share: int) -> int:
        """The peer that has this share of the total weight, counted from 0."""
        return bisect_right(self.ends, share)


def make_peers(
    servers: Iterable[PeerServer], roster: Roster | None = None, old: Peers | None = None
) -> Peers:
    """One peer for each address (ngx_http_upstream_init_round_robin).

    The roster has the addresses of names that are resolved at run time, and servers that were
    added or changed.  What `old` has as well is taken from there."""
    servers = tuple(servers)
    roster = roster if roster is not None else Roster()
    known = {peer.serial: peer for peer in old.all} if old is not None else {}
    peers = [
        known.get(serial) or _peer(address, server, serial)
        for serial, address, server in _declared(servers)
        if address is not None and serial not in roster.removed
    ]
    edits = {edit.serial: edit for edit in roster.edits}
    parents = {one.serial: one.server for one in named_servers(servers, roster)}
    for one in roster.found:
        peer = known.get(one.serial)
        given = _server_found(one, parents[one.parent])
        if peer is None:
            peer = _peer(one.address, given, one.serial)
        elif one.serial not in edits:
            _take(peer, given)
        peers.append(peer)
    peers = [
        _edited(peer, edits.pop(peer.serial), servers) if peer.serial in edits else peer
        for peer in peers
    ]
    for edit in edits.values():
        if edit.address is not None:
            peer = known.get(edit.serial) or _peer(
                edit.address, _server(edit, servers), edit.serial
            )
            peers.append(_edited(peer, edit, servers))
    primary = tuple(peer for peer in peers if not peer.server.backup)
    backup = tuple(peer for peer in peers if peer.server.backup)
    if not backup:
        return Peers(primary, single=len(primary) == 1)
    return Peers(primary, single=False, next=Peers(backup, single=False))


class Named(NamedTuple):
    """A server whose name is resolved at run time: it is no peer, its addresses are."""

    serial: int
    server: PeerServer
    lookup: Lookup


def named_servers(servers: Sequence[PeerServer], roster: Roster) -> list[Named]:
    """Those of the configuration, as they are now, and those that were added."""
    edits = {edit.serial: edit for edit in roster.edits}
    found: list[Named] = []
    for serial, address, server in _declared(servers):
        if address is None and serial not in roster.removed:
            now = _server(edits[serial], servers) if serial in edits else server
            assert now.lookup is not None
            found.append(Named(serial, now, now.lookup))
    for edit in roster.edits:
        if edit.lookup is not None and edit.serial > 0:
            found.append(Named(edit.serial, _server(edit, servers), edit.lookup))
    return found


def _server(edit: Edit, servers: Sequence[PeerServer]) -> PeerServer:
    return PeerServer(
        edit.name,
        (edit.address,) if edit.address is not None else (),
        edit.weight,
        edit.max_conns,
        edit.max_fails,
        edit.fail_timeout,
        edit.backup,
        edit.down,
        edit.lookup,
        edit.route,
        edit.drain,
        edit.slow_start,
        servers[0].unit if servers else 1,
    )


def _edited(peer: Peer, edit: Edit, servers: tuple[PeerServer, ...]) -> Peer:
    """The peer as it was changed; the same one, with what is known of it, if its address is."""
    server = _server(edit, servers)
    if edit.address is not None and peer.address != edit.address:
        return _peer(edit.address, server, edit.serial)
    _take(peer, server)
    return peer


def _take(peer: Peer, server: PeerServer) -> None:
    """Its server is another one, or says something else now."""
    if peer.server != server:
        weight = server.weight * server.unit
        peer.server, peer.weight, peer.effective_weight = server, weight, weight
        peer.max_conns, peer.max_fails = server.max_conns, server.max_fails
        peer.fail_timeout = server.fail_timeout
        if server.route:
            peer.sid = server.route
        peer.set_down(server)


def _declared(
    servers: Iterable[PeerServer],
) -> Iterator[tuple[int, PeerAddress | None, PeerServer]]:
    """What the configuration has, with its serials: addresses, and names without any so far."""
    serials = count(-1, -1)
    for server in servers:
        for address in (None,) if server.lookup is not None else server.addresses:
            yield next(serials), address, server


def declared_count(servers: Iterable[PeerServer]) -> int:
    """How many serials those of the configuration have."""
    return sum(1 for _ in _declared(servers))


def _server_found(found: Found, parent: PeerServer) -> PeerServer:
    return parent._replace(name=found.name, weight=found.weight, backup=found.backup)


def _peer(address: PeerAddress, server: PeerServer, serial: int) -> Peer:
    return Peer(
        address,
        server,
        address.name,
        server.weight * server.unit,
        server.weight * server.unit,
        server.max_conns,
        server.max_fails,
        server.fail_timeout,
        server.is_down,
        server.route or md5(address.name.encode("latin-1"), usedforsecurity=False).hexdigest(),
        serial=serial,
    )
