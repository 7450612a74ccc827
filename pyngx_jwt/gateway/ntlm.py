"""Clients that prove on a connection who they are ("ntlm" of NGINX Plus)."""

from __future__ import annotations

from ..http.request import Request
from ..upstream.affinity import Affinity
from ..upstream.bound import BoundConnections
from ..upstream.peer import Peer
from .sticky import Tie

SCHEMES = ("ntlm", "negotiate")


def proves(r: Request) -> bool:
    """Whether a request has credentials that count for a whole connection."""
    words = r.index.get("authorization", "").split(None, 1)
    return bool(words) and words[0].lower() in SCHEMES


def tie_connections(bound: BoundConnections, sticky: Tie | None) -> Tie:
    """A client goes to the server that it has a connection to, else as "sticky" says."""
    return lambda r: ConnectionTie(bound, r, sticky(r) if sticky is not None else None)


class ConnectionTie:
    """To the server of the connection that is the client's own."""

    __slots__ = ("_bound", "_other", "_r")

    def __init__(self, bound: BoundConnections, r: Request, other: Affinity | None) -> None:
        self._bound, self._r, self._other = bound, r, other

    def wanted(self) -> str:
        own = self._bound.wanted(self._r.connection)
        return own or (self._other.wanted() if self._other is not None else "")

    def chosen(self, peer: Peer) -> None:
        if self._other is not None:
            self._other.chosen(peer)

    def answered(self, peer: Peer) -> None:
        if self._other is not None:
            self._other.answered(peer)

    def served(self, peer: Peer) -> None:
        if self._other is not None:
            self._other.served(peer)
