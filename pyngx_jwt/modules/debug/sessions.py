"""What sessions of "stream" go through."""

from __future__ import annotations

from typing import Any

from ...log import Severity
from ...stream.session import StreamHandler, StreamPhase, StreamServer, StreamSession
from .trace import Tracing, tell, traced

PHASES = {
    StreamPhase.POST_ACCEPT: "generic phase",
    StreamPhase.PREACCESS: "generic phase",
    StreamPhase.ACCESS: "generic phase",
    StreamPhase.SSL: "generic phase",
}


def trace_stream_server(server: StreamServer, tracing: Tracing) -> None:
    """Has the sessions of a server logged, where a log asks for it."""
    server.log = tracing.log_for(server.log)
    if server.log.level < Severity.DEBUG:
        return

    def begin(s: StreamSession) -> None:
        tracing.begin(s)
        tell(s, "run phases")

    def end(s: StreamSession) -> None:
        for state in s.upstream_states:
            tell(s, f'proxy upstream: "{state.peer}" connect:{state.connect_time:.3f}')
        tell(s, f"finalize stream session: {s.status}")
        tell(s, "stream log handler")
        tracing.end(s)

    handlers: dict[StreamPhase, tuple[Any, ...]] = {
        phase: tuple(_traced(handler, PHASES[phase]) for handler in of_phase)
        for phase, of_phase in server.handlers.items()
    }
    first = StreamPhase.POST_ACCEPT
    server.handlers = {**handlers, first: (begin, *handlers[first])}
    server.prereads = tuple(
        (place, _traced(handler, "preread phase")) for place, handler in server.prereads
    )
    if server.content is not None:
        server.content = _traced(server.content, "content phase")
    server.log_handlers = (end, *server.log_handlers)


def _traced(handler: StreamHandler, phase: str) -> Any:
    """With the name of the module that the handler is of."""
    module: str = getattr(handler, "__module__", "")
    return traced(handler, f"{phase}: {module.rpartition('.')[2]}")
