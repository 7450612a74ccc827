"""Connections to servers that belong to one client each ("ntlm").

With NTLM and Negotiate a client proves once on a connection who it is: what follows there is
taken for its own.  Such a connection serves no other client.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from .client import PeerConnection


class Client(Protocol):
    """A client's connection; the object itself tells clients apart."""

    @property
    def closed(self) -> bool: ...


class Bound(NamedTuple):
    connection: PeerConnection
    sid: str  # of the server
    tag: Hashable  # what connections must have in common to be exchangeable


class BoundConnections:
    """Those of one group in this worker that wait for their client's next request."""

    __slots__ = ("_bound", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout  # seconds
        self._bound: dict[Client, Bound] = {}

    def wanted(self, client: Client) -> str:
        """The id of the server that the client has a connection to, "" if it has none."""
        bound = self._bound.get(client)
        return bound.sid if bound is not None else ""

    def get(self, client: Client, sid: str, tag: Hashable) -> PeerConnection | None:
        """The client's connection, if it is one to this server; any other is closed."""
        bound = self._bound.pop(client, None)
        if bound is None:
            return None
        bound.connection.unpark()
        if (bound.sid, bound.tag) == (sid, tag):
            return bound.connection
        bound.connection.close()
        return None

    def put(self, client: Client, connection: PeerConnection, sid: str, tag: Hashable) -> None:
        """Keeps the connection for the client, or closes it if it is of no more use."""
        for other in [other for other in self._bound if other.closed]:
            self._close(other)
        if client in self._bound:
            self._close(client)
        if client.closed or not connection.reusable:
            connection.close()
            return
        self._bound[client] = Bound(connection, sid, tag)
        connection.park(self.timeout, lambda _: self._forget(client))

    def close(self) -> None:
        """Closes what waits: the worker is to exit."""
        for client in tuple(self._bound):
            self._close(client)

    def _close(self, client: Client) -> None:
        bound = self._bound.pop(client)
        bound.connection.unpark()
        bound.connection.close()

    def _forget(self, client: Client) -> None:
        self._bound.pop(client, None)
