"""The module: its content handler."""

from __future__ import annotations

from collections.abc import Awaitable

from ...gateway.exchange import Exchange, Gateway
from ...gateway.target import Destination
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from ...upstream.head import PeerResponse
from ..upstream import pass_to
from .conf import TunnelConf
from .wire import TunnelWire

tunnel = Module("tunnel", TunnelConf)


class TunnelExchange(Exchange):
    """A connection is all that is asked of a server."""

    def url_at(self, name: str) -> str:
        return name

    def respond(self, response: PeerResponse) -> Awaitable[Status]:
        return self.open_tunnel(response)


class TunnelGateway(Gateway):
    """Only clients that want a tunnel get one."""

    def new_exchange(self, r: Request, destination: Destination) -> Exchange:
        return TunnelExchange(self, r, destination)

    def admits(self, r: Request) -> Status:
        return 0 if r.method == "CONNECT" else 405


@tunnel.upstream_content
def connect(conf: TunnelConf, level: Level) -> Handler | None:
    """The content handler of a location with tunnel_pass."""
    return pass_to(conf, level, TunnelWire(), TunnelGateway) if conf.target else None
