"""What requests go through."""

from __future__ import annotations

from typing import Any

from ...http.level import Level
from ...http.module import Phase
from ...http.request import Handler, Location, Request, Server
from ...log import Severity
from .secrets import learn_fields
from .trace import Tracing, tell, tell_header, traced

# As nginx calls what looks at a request in a phase.
PHASES = {
    Phase.POST_READ: "generic phase",
    Phase.REWRITE: "rewrite phase",
    Phase.PREACCESS: "generic phase",
    Phase.ACCESS: "access phase",
    Phase.PRECONTENT: "generic phase",
    Phase.CONTENT: "content phase",
}


def trace_server(level: Level, server: Server, tracing: Tracing) -> None:
    """Has the requests of a server logged, where a log asks for it."""
    for inner in level.levels:
        _trace_levels(inner, tracing)
    location = server.location
    location.log = tracing.log_for(location.log)
    if location.log.level < Severity.DEBUG:
        return
    names = _names(level)
    _trace_location(location, names, tracing)
    location.rewrite = ()  # which are the server's own

    def begin(r: Request) -> None:
        _tell_head(r, tracing)

    server.rewrite = (begin, *(_traced(handler, names) for handler in server.rewrite))


def _trace_levels(level: Level, tracing: Tracing) -> None:
    for inner in level.levels:
        _trace_levels(inner, tracing)
    location = level.location
    if location is not None:
        location.log = tracing.log_for(location.log)
        if location.log.level >= Severity.DEBUG:
            _trace_location(location, _names(level), tracing)


def _names(level: Level) -> dict[int, str]:
    """What handlers are called, by their identity."""
    return {
        id(handler): f"{PHASES[Phase(phase)]}: {name}"
        for phase, handlers in level.handlers.items()
        for name, handler in handlers
    }


def _traced(handler: Handler, names: dict[int, str]) -> Any:
    """Of several in one, such as those of "satisfy any", the names are not known."""
    return traced(handler, names.get(id(handler), "generic phase"))


def _trace_location(location: Location, names: dict[int, str], tracing: Tracing) -> None:
    known: dict[int, Any] = {}

    def wrapped(handler: Handler) -> Any:
        return known.setdefault(id(handler), _traced(handler, names))

    def tell_location(r: Request) -> None:
        tell(r, f'using configuration "{location.name}"')

    def tell_response(r: Request) -> None:
        tell(r, f"HTTP/1.1 {r.status}")
        learn_fields(r, r.headers_out)
        for name, value in r.headers_out:
            tell_header(r, "http header out", name, value)

    def end(r: Request) -> None:
        for state in r.upstream_states or ():
            tell(
                r,
                f'http upstream: "{state.peer}" status:{state.status}'
                f" connect:{state.connect_time:.3f} header:{state.header_time:.3f}"
                f" response:{state.response_time:.3f}",
            )
        tell(r, f'http finalize request: {r.status}, "', f"{r.uri}?{r.args}", '"')
        tell(r, "http log handler")
        tracing.end(r)

    location.rewrite = (tell_location, *map(wrapped, location.rewrite))
    location.handlers = tuple(map(wrapped, location.handlers))
    location.subrequest_handlers = tuple(map(wrapped, location.subrequest_handlers))
    if location.content is not None:
        location.content = wrapped(location.content)
    location.header_filters = (*location.header_filters, tell_response)
    location.log_handlers = (end, *location.log_handlers)


def _tell_head(r: Request, tracing: Tracing) -> None:
    """Of what the client has sent, once."""
    if r.parent is not None:
        tell(r, 'http subrequest "', f"{r.uri}?{r.args}", '"')
    elif r.internal:
        tell(r, 'internal redirect: "', f"{r.uri}?{r.args}", '"')
    else:
        tracing.begin(r)
        tell(r, "http process request line")
        tell(r, 'http request line: "', r.request_line, '"')
        tell(r, 'http uri: "', r.uri, '"')
        tell(r, 'http args: "', r.args, '"')
        tell(r, "http process request header line")
        for name, value in r.headers_in:
            tell_header(r, "http header", name, value)
        tell(r, "http header done")
