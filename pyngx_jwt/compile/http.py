"""The end of an http block: merging, checks, locations, addresses."""

from __future__ import annotations

from ..core.ports import Ports
from ..http.contexts import HTTP, SERVER
from ..http.level import Level
from ..http.module import http_modules
from ..http.ports import Built
from .listening import build_ports
from .locations import Builders, compile_server
from .merging import check, check_locations, merge
from .variables import build_variables, check_variables


@HTTP.closes
def finish_http(http: Level) -> None:
    """Does what ngx_http_block does at the end of http."""
    merge(http, tuple(module.conf for module in http.scope.modules))
    for server in http.inner(SERVER):
        check_locations(server)
    check(http, [(module.conf, module.after_merge) for module in http_modules(http.scope)])
    check_variables(http)
    build_variables(http)
    built = http.scope.shared(Built)
    builders = Builders(http.scope)
    for level in http.inner(SERVER):
        built.servers.append((level, compile_server(level, builders)))
    build_ports(http, built)
    http.scope.shared(Ports).add(built.ports)
