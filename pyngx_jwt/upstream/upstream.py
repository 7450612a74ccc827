"""A named group of servers with its balancer and its idle connections."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from ..errors import ConfError
from ..zones.store import SharedPeers
from .affinity import Affinity
from .balancer import Balancer, PeerChoice, RoundRobin, Timing
from .bound import BoundConnections
from .client import PeerConnection
from .peer import Peers, PeerServer, make_peers
from .pool import Keepalive, Pool
from .queue import Queue
from .shared import Shared


class Upstream:
    """What "upstream" declares, or proxy_pass implies."""

    __slots__ = ("balancer", "bound", "key", "name", "notes_heads", "pool", "queue", "tie")

    def __init__(
        self,
        name: str,
        balancer: Balancer,
        pool: Pool | None,
        key: Callable[[Any], str] | None = None,
        tie: Callable[[Any], Affinity] | None = None,
        notes_heads: bool = False,
        queue: Queue | None = None,
        bound: BoundConnections | None = None,
    ) -> None:
        self.name = name
        self.balancer = balancer
        self.pool = pool  # None: every request has its own connection
        self.key = key  # of a request, for methods that hash
        self.tie = tie  # of a request to a server
        self.notes_heads = notes_heads  # it wants to know when a response begins
        self.queue = queue  # of requests that wait for a server
        self.bound = bound  # to clients

    @property
    def shared(self) -> Shared | None:
        """What the workers share of it, None if it has no zone."""
        return self.balancer if isinstance(self.balancer, Shared) else None

    @property
    def peers(self) -> Peers:
        """Those of now: they change if names are resolved at run time."""
        return self.balancer.peers

    def release(
        self,
        choice: PeerChoice,
        connection: PeerConnection,
        tag: Hashable,
        now: float,
        timing: Timing | None = None,
    ) -> None:
        """A peer has done its work: its connection is kept for others, or closed.

        `now` is the loop's time.
        """
        if self.pool is not None:
            self.pool.put(connection, tag, now)
        else:
            connection.close()
        choice.free(False, int(now), timing)


def make_upstream(
    name: str,
    servers: Iterable[PeerServer],
    keepalive: Keepalive,
    method: Callable[[Peers], Balancer] = RoundRobin,
    key: Callable[[Any], str] | None = None,
    tie: Callable[[Any], Affinity] | None = None,
    store: SharedPeers | None = None,
    extra: Sequence[str] = (),
    *,
    notes_heads: bool = False,
    queue: Queue | None = None,
    bound: BoundConnections | None = None,
    may_be_empty: bool = False,
) -> Upstream:
    """An "upstream" block; ConfError, to be placed at the block, if it has no servers and must.

    `store` is where the workers share the state of the servers, the attributes `extra` among it.
    """
    servers = tuple(servers)
    has_any = any(server.addresses or server.lookup for server in servers if not server.backup)
    if not (has_any or may_be_empty):
        raise ConfError(f'no servers in upstream "{name}"')
    pool = Pool(keepalive) if keepalive.connections else None
    if store is not None:
        balancer: Balancer = Shared(method, servers, store, extra)
    else:
        balancer = method(make_peers(servers))
    return Upstream(name, balancer, pool, key, tie, notes_heads, queue, bound)


def address_upstream(name: str, server: PeerServer) -> Upstream:
    """Addresses that no "upstream" block names: of proxy_pass, or resolved for a request.

    Their connections are not kept, as in nginx.
    """
    return Upstream(name, RoundRobin(make_peers((server,))), None)
