"""Asks the compiled tables where a request would go."""

from __future__ import annotations

from ..http.location import Location
from ..http.request import Request
from ..http.status import DONE
from ..log import Level as LogLevel
from .place import Place


class Probe(Request):
    """A request that goes nowhere and tells nobody."""

    def __init__(self, server: Place, uri: str, method: str = "GET") -> None:
        super().__init__()
        self.headers_in, self.index = [], {}
        self.uri, self.method = uri, method
        found = server.level.location
        assert found is not None
        self.location = found

    def log(self, level: LogLevel, text: str) -> None:
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
