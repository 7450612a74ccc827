"""Asks the compiled tables where a request would go."""

from __future__ import annotations

from typing import Any

from ...http.head import new_head
from ...http.request import Location, Request, Server
from ...http.status import DONE
from ...log import Severity
from .block import Block


class Probe(Request):
    """A request that is located, and neither logged nor answered."""

    def __init__(self, server: Block, uri: str, method: str = "GET") -> None:
        virtual_server = Server()
        nothing: Any = None
        assert server.level.location is not None
        virtual_server.location = server.level.location
        super().__init__(new_head(0, ""), nothing, nothing, virtual_server)
        self.uri, self.method = uri, method

    def log(self, level: Severity, text: str) -> None:
        """A match limit does not matter here."""


def location_of(server: Block, uri: str, method: str = "GET") -> Block | None:
    """The block that a URI of a server comes to, None if it is redirected to one with a slash.

    Rewrites of the server itself are not looked at."""
    return located(server, uri, method)[1]


def located(server: Block, uri: str, method: str = "GET") -> tuple[Probe, Block | None]:
    """As location_of(), with the request that was sent there."""
    probe = Probe(server, uri, method)
    start = probe.location
    if start.tree is not None and start.tree.find(probe, uri) == DONE:
        return probe, None
    location: Location = probe.location
    if location.limit_except is not None and method not in location.limit_except[0]:
        location = location.limit_except[1]
    return probe, server.once(_by_location).get(location)


def _by_location(http: Block) -> dict[Location, Block]:
    """The block that was compiled to a location."""
    return {p.level.location: p for p in http.walk() if p.level.location is not None}
