"""The end of a stream block: merging, checks, servers, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..core.logs import Logs
from ..core.main import MainConf
from ..core.ports import Ports
from ..http.listen import Listen
from ..http.ports import AddressOf
from ..modules.core.stream import StreamCoreConf
from ..stream.contexts import STREAM, STREAM_SERVER
from ..stream.level import StreamLevel
from ..stream.module import AnyStreamModule, stream_modules
from ..stream.ports import StreamBuilt, StreamPort
from ..stream.session import StreamPhase, StreamServer
from .listening import addresses_of, grouped, run_hooks
from .merging import check, merge, prepare
from .variables import build_variables, check_variables

B = TypeVar("B")


@STREAM.closes
def finish_stream(stream: StreamLevel) -> None:
    """Does what ngx_stream_block does at the end of stream."""
    scope, modules = stream.scope, stream_modules(stream.scope)
    prepare(stream, modules)
    merge(stream, (MainConf, *(module.conf for module in modules)))
    check(stream, modules)
    check_variables(stream)
    build_variables(stream)
    built = scope.shared(StreamBuilt)
    for level in stream.inner(STREAM_SERVER):
        built.servers.append((level, _compile(level, modules)))
    addresses = addresses_of(built.servers, _listens_of, StreamCoreConf, AddressOf[StreamServer])
    run_hooks(addresses.values(), (m.listens for m in modules), scope)
    built.ports = grouped(addresses, StreamPort)
    scope.shared(Ports).add(built.ports)


def _listens_of(level: StreamLevel) -> tuple[Listen, ...]:
    return level[StreamCoreConf].listens


def _compile(level: StreamLevel, modules: tuple[AnyStreamModule, ...]) -> StreamServer:
    server, core = StreamServer(), level[StreamCoreConf]
    server.name, server.level = core.server_name_value, level
    server.log = level.scope.shared(Logs).of(level[MainConf])
    server.preread_buffer_size = core.preread_buffer_size
    server.preread_timeout = core.preread_timeout
    server.proxy_protocol_timeout = core.proxy_protocol_timeout
    server.tcp_nodelay = core.tcp_nodelay
    last_first = modules[::-1]
    server.handlers = {
        phase: _built(level, [(m, m.handlers[phase]) for m in last_first if phase in m.handlers])
        for phase in StreamPhase
        if phase != StreamPhase.PREREAD
    }
    server.prereads = tuple(
        (place, handler)
        for place, m in enumerate(last_first)
        for handler in _built(level, [(m, m.handlers.get(StreamPhase.PREREAD))])
    )
    # Of several directives that say what serves a connection the last one counts.
    contents = [(m, m.content_builder) for m in modules if m.conf is core.serves]
    server.content = next(iter(_built(level, contents)), None)
    server.log_handlers = _built(level, [(m, m.log_builder) for m in last_first])
    return server


def _built(
    level: StreamLevel,
    builders: Iterable[tuple[AnyStreamModule, Callable[[Any, StreamLevel], B | None] | None]],
) -> tuple[B, ...]:
    """What modules build for a server."""
    found: list[B] = []
    for module, build in builders:
        if build is None:
            continue
        try:
            built = build(level[module.conf], level)
        except level.scope.watch.caught as error:
            level.scope.watch.failed(error, level)
        else:
            if built is not None:
                found.append(built)
    return tuple(found)
