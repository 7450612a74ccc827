"""Asks the compiled tables where a request would go."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...http.contexts import HTTP
from ...http.head import new_head
from ...http.request import Location, Request, Server
from ...http.status import DONE
from ...log import Severity
from ...modules.core import CoreConf
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


class Located(NamedTuple):
    """Where a request comes to: nowhere if it is redirected to the URI with a slash, or if that
    depends on locations that could not be read."""

    request: Probe
    block: Block | None
    is_redirected: bool = False


def location_of(server: Block, uri: str, method: str = "GET") -> Block | None:
    """The block that a URI of a server comes to, None if to none that is known.

    Rewrites of the server itself are not looked at."""
    return located(server, uri, method).block


def located(server: Block, uri: str, method: str = "GET") -> Located:
    """As location_of(), with the request that was sent there."""
    probe = Probe(server, uri, method)
    start = probe.location
    if start.tree is not None and start.tree.find(probe, uri) == DONE:
        return Located(probe, None, is_redirected=True)
    location: Location = probe.location
    if location.limit_except is not None and method not in location.limit_except[0]:
        location = location.limit_except[1]
    block = server.once(_by_location).get(location)
    if block is not None and falls_through(block, uri) and _may_have_others(block):
        return Located(probe, None)
    return Located(probe, block)


def falls_through(block: Block, uri: str) -> bool:
    """Whether a URI comes to a block only because no other location takes it."""
    if not block.is_location:
        return block.is_server
    core = block[CoreConf]
    return core.name == "/" and core.modifier in ("", "^~") and uri.partition("?")[0] != "/"


def _may_have_others(block: Block) -> bool:
    """Whether locations beside a block, or in it, are in a file that could not be read."""
    return any(around.is_incomplete for around in block.outward() if not around.context & HTTP)


def _by_location(http: Block) -> dict[Location, Block]:
    """The block that was compiled to a location."""
    return {p.level.location: p for p in http.walk() if p.level.location is not None}
