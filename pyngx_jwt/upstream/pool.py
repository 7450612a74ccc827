"""Idle connections to the servers of an upstream (ngx_http_upstream_keepalive_module).

Each worker has its own.  Nothing here waits: a connection is either in the pool or with
one user.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeAlias

from .client import PeerConnection

Key: TypeAlias = tuple[str, Hashable]


class Keepalive(NamedTuple):
    """The keepalive directives of an upstream.  Times are seconds."""

    connections: int = 32  # idle ones kept, 0 is none
    local: bool = True  # kept for the location that opened them; so if "keepalive" is not set
    requests: int = 1000
    time: float = 3600.0
    timeout: float = 60.0

    def tag(self, location: Hashable, protocol: Hashable = None) -> Hashable:
        """What connections must have in common to be exchangeable, in addition to the address:
        the protocol with its TLS settings in any case, the location if `local`."""
        return (location, protocol) if self.local else protocol


class Pool:
    """The idle connections of one upstream in this worker, the last used first."""

    __slots__ = ("_idle", "_stacks", "closing", "keepalive")

    def __init__(self, keepalive: Keepalive) -> None:
        self.keepalive = keepalive
        self.closing = False
        self._idle: dict[PeerConnection, Key] = {}  # the longest idle first
        self._stacks: dict[Key, list[PeerConnection]] = {}

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def get(self, address: str, tag: Hashable) -> PeerConnection | None:
        """The connection to the address that was used last, if one idles."""
        stack = self._stacks.get((address, tag))
        if not stack:
            return None
        connection = stack.pop()
        del self._idle[connection]
        connection.unpark()
        return connection

    def put(self, connection: PeerConnection, tag: Hashable, now: float) -> None:
        """Keeps the connection, or closes it if it is of no more use.

        `now` is the loop's time.  For a newcomer the longest idle one has to go.
        """
        if not self._accepts(connection, now):
            connection.close()
            return
        if len(self._idle) >= self.keepalive.connections:
            self._close(next(iter(self._idle)))
        key = (connection.address.name, tag)
        self._idle[connection] = key
        self._stacks.setdefault(key, []).append(connection)
        connection.park(self.keepalive.timeout, self._forget)

    def close(self) -> None:
        """Closes what idles, and all that is put from now on: the worker is to exit."""
        self.closing = True
        for connection in tuple(self._idle):
            self._close(connection)

    def _accepts(self, connection: PeerConnection, now: float) -> bool:
        keepalive = self.keepalive
        return (
            connection.reusable
            and keepalive.connections > 0
            and connection.requests < keepalive.requests
            and now - connection.started <= keepalive.time
            and not self.closing
        )

    def _close(self, connection: PeerConnection) -> None:
        self._forget(connection)
        connection.unpark()
        connection.close()

    def _forget(self, connection: PeerConnection) -> None:
        key = self._idle.pop(connection)
        stack = self._stacks[key]
        stack.remove(connection)
        if not stack:
            del self._stacks[key]
