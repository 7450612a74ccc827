"""A location's way to its upstream: what the load knows of it."""

from __future__ import annotations

from typing import NamedTuple

from ..core.capabilities import KeptCapabilities
from ..http.level import Level
from ..http.template import Template, bind_size
from ..upstream.client import PeerSettings
from .answer import compile_copy, compile_redirected
from .conf import GatewayConf
from .hints import compile_hints
from .target import FindDestination, Names, compile_target
from .wire import Wire


class GatewayOptions(NamedTuple):
    """What other modules say of a location that passes its requests on."""

    names: Names | None  # None: names that variables give are an error
    early_hints: tuple[Template, ...]  # when those of the upstream are passed on


class Route:
    """All that the load can know is computed once; exchanges read it."""

    def __init__(
        self,
        conf: GatewayConf,
        level: Level,
        wire: Wire,
        options: GatewayOptions,
        *,
        keeps_heads: bool = False,
    ) -> None:
        self.conf, self.wire = conf, wire
        self.find: FindDestination = compile_target(conf, level, wire, options.names)
        self.copy_headers = compile_copy(conf, wire.special, wire.hidden, whole=wire.whole_heads)
        self.copy_redirected = compile_redirected(conf, wire.special)
        self.settings = PeerSettings(
            connect_timeout=conf.connect_timeout,
            send_timeout=conf.send_timeout,
            read_timeout=conf.read_timeout,
            buffer_size=conf.buffer_size,
            buffers=conf.buffers[0] * conf.buffers[1],
            pass_trailers=conf.pass_trailers,
            socket_keepalive=conf.socket_keepalive,
            keep_head=keeps_heads,
        )
        self.bind = conf.bind.address.bind(level.variables) if conf.bind else None
        self.is_transparent = conf.bind is not None and conf.bind.transparent
        if self.is_transparent:
            level.scope.shared(KeptCapabilities).net_raw = True
        self.conditions = tuple(text.bind(level.variables) for text in conf.allowed)
        # What exchanges ask of the conf each time.
        self.force_ranges, self.pass_trailers = conf.force_ranges, conf.pass_trailers
        self.intercept_errors = conf.intercept_errors
        self.ignore_client_abort = conf.ignore_client_abort
        self.next_upstream_tries = conf.next_upstream_tries
        self.looks_at_servers = bool(conf.allowed) or conf.request_dynamic
        self.next = conf.next_kinds
        self.hints = compile_hints(conf, level, options.early_hints, wire.hidden)
        self.temp_files = conf.temp_files
        self.limit_rate = bind_size(conf.limit_rate, level.variables)
