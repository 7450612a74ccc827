"""A named group of servers with its balancer and its idle connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ConfError
from .balancer import Balancer, RoundRobin
from .peer import Peers, Server, make_peers
from .pool import Keepalive, Pool


def _no_key(request: object) -> str:
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class Upstream:
    """What "upstream" declares, or proxy_pass implies."""

    name: str
    peers: Peers
    balancer: Balancer
    pool: Pool | None  # None: every request has its own connection
    key: Callable[[Any], str] = _no_key  # of a request, for methods that hash


def make_upstream(
    name: str,
    servers: Iterable[Server],
    keepalive: Keepalive,
    method: Callable[[Peers], Balancer] = RoundRobin,
    key: Callable[[Any], str] = _no_key,
) -> Upstream:
    """An "upstream" block; ConfError, to be placed at the block, if it has no servers."""
    peers = make_peers(servers)
    if not peers.peers:
        raise ConfError(f'no servers in upstream "{name}"')
    pool = Pool(keepalive) if keepalive.connections else None
    return Upstream(name, peers, method(peers), pool, key)


def address_upstream(name: str, server: Server) -> Upstream:
    """Addresses that no "upstream" block names: of proxy_pass, or resolved for a request.

    Their connections are not kept, as in nginx.
    """
    peers = make_peers((server,))
    return Upstream(name, peers, RoundRobin(peers), None)
