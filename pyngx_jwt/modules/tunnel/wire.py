"""Tunnels: nothing is sent before what the client sends (ngx_http_tunnel_module)."""

from __future__ import annotations

from collections.abc import Callable

from ...gateway.wire import AddressWire, Outgoing
from ...http.request import Request
from ...log import Severity
from ...upstream.body import Decoder, UntilClose
from ...upstream.head import HTTP_11, PeerResponse
from ...upstream.layer import Layer
from ...upstream.reader import AFTER_LENGTH, ResponseReader


class TunnelReader:
    """A server whose connection is open has answered; what it sends is the client's."""

    new_layer: Callable[[], Layer] | None = None

    def __init__(self) -> None:
        self.excess_level = Severity.WARN

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        return PeerResponse(200, "200 OK", HTTP_11, [], [], 0, close=True)

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        return UntilClose()

    def excess(self, response: PeerResponse) -> str:
        return AFTER_LENGTH


TUNNEL: ResponseReader = TunnelReader()


class TunnelWire(AddressWire):
    """There is no request."""

    scheme = "tunnel"
    takes_body = False
    upgrades = True

    def __init__(self) -> None:
        super().__init__()
        self.hidden: frozenset[str] = frozenset()
        self.kept = TUNNEL

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        out.scheme, out.reader = out.vars.scheme, TUNNEL
        return b""

    def lines(self, head: bytes) -> list[str]:
        return []
