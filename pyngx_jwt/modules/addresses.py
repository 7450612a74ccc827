"""What modules that look at client addresses have in common."""

from __future__ import annotations

from ..conf.scope import Scope
from ..errors import ConfError
from ..http.cidr import Network, Networks, forwarded_address, parse_network
from ..http.session import Session


def declared_network(scope: Scope, text: str, complaint: str = "invalid network") -> Network:
    """The network that a directive names; raises ConfError."""
    try:
        network, cut = parse_network(text)
    except ValueError:
        raise ConfError(f'{complaint} "{text}"') from None
    if cut:
        scope.warn(f"low address bits of {text} are meaningless")
    return network


def reported_address(r: Session, packed: bytes, proxies: Networks, *, recursive: bool) -> bytes:
    """The address in X-Forwarded-For, if the given one belongs to a trusted proxy."""
    texts = r.forwarded_for
    if not texts:
        return packed
    client = forwarded_address(packed, texts, proxies, recursive=recursive)
    return packed if client is None else client[0]
