"""The end of an http block: merging, checks, locations, addresses."""

from __future__ import annotations

from ..core.ports import Ports
from ..http.contexts import HTTP, SERVER
from ..http.level import Level
from ..http.module import http_modules
from ..http.ports import Built
from ..stream.module import stream_modules
from .listening import build_ports
from .locations import compile_server
from .merging import check, check_locations, merge, prepare
from .plans import Plans
from .variables import build_variables, check_variables


@HTTP.closes
def finish_http(http: Level) -> None:
    """Does what ngx_http_block does at the end of http."""
    scope = http.scope
    prepare(http, http_modules(scope))
    of_stream = frozenset(stream_modules(scope))
    merge(http, [module.conf for module in scope.modules if module not in of_stream])
    for server in http.inner(SERVER):
        check_locations(server)
    check(http, http_modules(scope))
    check_variables(http)
    build_variables(http)
    built = scope.shared(Built)
    plans = Plans(http, http_modules(scope))
    for level in http.inner(SERVER):
        built.servers.append((level, compile_server(level, plans)))
    build_ports(http, built)
    scope.shared(Ports).add(built.ports)
