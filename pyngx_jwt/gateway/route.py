"""A location's way to its upstream: what the load knows of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..cache import HashedPath
from ..core.capabilities import KeptCapabilities
from ..http.level import Level
from ..http.request import Request
from ..http.template import Template, Text, bind_size
from ..metrics import Tallies
from ..upstream.client import PeerSettings
from .answer import Fields, compile_copy, copy_redirected
from .conf import GatewayConf
from .hints import compile_hints
from .target import FindDestination, Names, compile_target
from .wire import Wire


class GatewayOptions(NamedTuple):
    """What other modules say of a location that passes its requests on."""

    names: Names | None  # None: names that variables give are an error
    early_hints: tuple[Template, ...]  # when those of the upstream are passed on


class Inherited(NamedTuple):
    """What is made of settings that locations have in common."""

    settings: PeerSettings
    bind: Text | None
    is_transparent: bool
    conditions: tuple[Text, ...]
    looks_at_servers: bool
    next: frozenset[str]
    temp_files: HashedPath
    limit_rate: Callable[[Request], int] | None


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
        self.tallies = level.scope.shared(Tallies)
        self.find: FindDestination = compile_target(conf, level, wire, options.names)
        whole = wire.whole_heads
        self.copy_headers = compile_copy(conf, level, wire.special, wire.hidden, whole=whole)
        self.hints = compile_hints(conf, level, options.early_hints, wire.hidden)
        key = Inherited, conf.origin, keeps_heads
        (
            self.settings,
            self.bind,
            self.is_transparent,
            self.conditions,
            self.looks_at_servers,
            self.next,
            self.temp_files,
            self.limit_rate,
        ) = level.variables.once(key, lambda: _inherited(conf, level, keeps_heads))
        # What exchanges ask of the conf each time.
        self.force_ranges, self.pass_trailers = conf.force_ranges, conf.pass_trailers
        self.intercept_errors = conf.intercept_errors
        self.ignore_client_abort = conf.ignore_client_abort
        self.next_upstream_tries = conf.next_upstream_tries

    def copy_redirected(self, r: Request, names: list[str], fields: Fields) -> None:
        """Gives the response what goes on to where X-Accel-Redirect points."""
        copy_redirected(self.conf, self.wire.special, r, names, fields)


def _inherited(conf: GatewayConf, level: Level, keeps_heads: bool) -> Inherited:
    settings = PeerSettings(
        connect_timeout=conf.connect_timeout,
        send_timeout=conf.send_timeout,
        read_timeout=conf.read_timeout,
        buffer_size=conf.buffer_size,
        buffers=conf.buffers[0] * conf.buffers[1],
        pass_trailers=conf.pass_trailers,
        socket_keepalive=conf.socket_keepalive,
        keep_head=keeps_heads,
    )
    is_transparent = conf.bind is not None and conf.bind.transparent
    if is_transparent:
        level.scope.shared(KeptCapabilities).net_raw = True
    return Inherited(
        settings,
        conf.bind.address.bind(level.variables) if conf.bind else None,
        is_transparent,
        tuple(text.bind(level.variables) for text in conf.allowed),
        bool(conf.allowed) or conf.request_dynamic,
        conf.next_kinds,
        conf.temp_files,
        bind_size(conf.limit_rate, level.variables),
    )
