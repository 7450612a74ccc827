"""The kinds of blocks of an HTTP server."""

from __future__ import annotations

from ..conf.block import ConfBlock
from ..conf.context import Context
from ..conf.directive import MAIN
from ..core.contexts import LOGGED
from .level import Level

HTTP = Context("http", "http", MAIN, block=Level)
UPSTREAM = Context("upstream", "http.upstream", HTTP, apart=True)
SERVER = Context("server", "http.server", HTTP)
LOCATION = Context("location", "http.location", SERVER, nests=True)
LIMIT_EXCEPT = Context("limit_except", "http.limit_except", LOCATION)
SERVER_IF = Context("if in server", "http.server.if", SERVER)
LOCATION_IF = Context("if in location", "http.location.if", LOCATION)
EVERYWHERE = HTTP | SERVER | LOCATION  # nginx's usual triple
CONDITIONS = SERVER_IF | LOCATION_IF
IN_LOCATION = LOCATION_IF | LIMIT_EXCEPT  # blocks that answer as the location around them does
LOGGED.include(EVERYWHERE)


def http_levels(root: ConfBlock) -> list[Level]:
    """The http block of a configuration, if it has one."""
    return [level for level in root.inner(HTTP) if isinstance(level, Level)]
