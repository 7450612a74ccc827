"""The servers of an upstream and the state a balancer keeps about each of their addresses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from .address import PeerAddress


@dataclass(frozen=True, slots=True)
class PeerServer:
    """One "server" directive; an address that is a name may stand for several addresses."""

    name: str  # as it is written in the configuration
    addresses: tuple[PeerAddress, ...]
    weight: int = 1
    max_conns: int = 0  # 0 is no limit
    max_fails: int = 1  # 0 is never disabled
    fail_timeout: int = 10  # seconds
    backup: bool = False
    down: bool = False


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
    down: bool
    current_weight: int = 0
    conns: int = 0  # requests that hold this peer now
    fails: int = 0
    accessed: int = 0  # when it last failed, seconds
    checked: int = 0  # when it last failed or was given another chance, seconds

    def is_available(self, now: int) -> bool:
        """Whether it may be chosen: not down, not failed of late, not full."""
        if self.down:
            return False
        if (
            self.max_fails
            and self.fails >= self.max_fails
            and now - self.checked <= self.fail_timeout
        ):
            return False
        return not (self.max_conns and self.conns >= self.max_conns)


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """Peers of equal rank; `next` are the backup ones (ngx_http_upstream_rr_peers_t)."""

    peers: tuple[Peer, ...]
    single: bool  # the only one there is: it is never held failed
    next: Peers | None = None
    ends: tuple[int, ...] = field(init=False)  # where the share of each peer's weight ends

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(accumulate(p.weight for p in self.peers)))

    @property
    def tries(self) -> int:
        """How many peers are worth a try, backup ones included."""
        own = sum(not peer.down for peer in self.peers)
        return own + (self.next.tries if self.next else 0)

    @property
    def total_weight(self) -> int:
        return self.ends[-1]

    def index_at(self, share: int) -> int:
        """The peer that has this share of the total weight, counted from 0."""
        return bisect_right(self.ends, share)


def make_peers(servers: Iterable[PeerServer]) -> Peers:
    """One peer for each address (ngx_http_upstream_init_round_robin)."""
    servers = tuple(servers)
    primary = tuple(p for s in servers if not s.backup for p in _peers_of(s))
    backup = tuple(p for s in servers if s.backup for p in _peers_of(s))
    if not backup:
        return Peers(primary, single=len(primary) == 1)
    return Peers(primary, single=False, next=Peers(backup, single=False))


def _peers_of(server: PeerServer) -> Iterable[Peer]:
    for address in server.addresses:
        yield Peer(
            address,
            server,
            address.name,
            server.weight,
            server.weight,
            server.max_conns,
            server.max_fails,
            server.fail_timeout,
            server.down,
        )
