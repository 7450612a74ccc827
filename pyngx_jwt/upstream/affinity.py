"""Ties between clients and servers, for balancers of any method."""

from __future__ import annotations

from typing import Protocol

from .peer import Peer


class Affinity(Protocol):
    """What ties the client of one request to a server."""

    def wanted(self) -> str:
        """The id of the server that should be chosen, "" if it may be any."""

    def chosen(self, peer: Peer) -> None:
        """The request is sent to this server."""

    def answered(self, peer: Peer) -> None:
        """The head of the server's response is passed on."""

    def served(self, peer: Peer) -> None:
        """The server has done its work, without failing."""
