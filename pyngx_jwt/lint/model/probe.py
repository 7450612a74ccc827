"""Asks the compiled tables where a request would go."""

from __future__ import annotations

from typing import Any

from ...http.head import new_head
from ...http.request import Location, Request, Server
from ...http.status import DONE
from ...log import Severity
from .place import Place


class Probe(Request):
    """A request that goes nowhere and tells nobody."""

    def __init__(self, server: Place, uri: str, method: str = "GET") -> None:
        found = Server()
        nobody: Any = None
        assert server.level.location is not None
        found.location = server.level.location
        super().__init__(new_head(0, ""), nobody, nobody, found)
        self.uri, self.method = uri, method

    def log(self, level: Severity, text: str) -> None:
        """A match limit is no matter here."""


def location_of(server: Place, uri: str, method: str = "GET") -> Place | None:
    """The place that a URI of a server comes to, None if it is redirected to one with a slash.

    Rewrites of the server itself are not looked at."""
    return located(server, uri, method)[1]


def located(server: Place, uri: str, method: str = "GET") -> tuple[Probe, Place | None]:
    """As location_of(), with the request that was sent there."""
    probe = Probe(server, uri, method)
    start = probe.location
    if start.tree is not None and start.tree.find(probe, uri) == DONE:
        return probe, None
    location: Location = probe.location
    if location.limit_except is not None and method not in location.limit_except[0]:
        location = location.limit_except[1]
    return probe, server.conf.by_location.get(location)
