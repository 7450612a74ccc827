"""Requests to HTTP/2 upstreams (ngx_http_proxy_v2_create_request)."""

from __future__ import annotations

from ...gateway.fields import Defaults, Fields, compile_fields, split_host
from ...gateway.http2 import join_head, lines_of, start_lines
from ...gateway.wire import Outgoing
from ...http.level import Level
from ...http.request import Request
from ...upstream.http2 import HTTP2, Http2Connection
from .conf import SCHEMES, ProxyConf
from .wire import OWN, HttpWire


class ProxyHttp2Wire(HttpWire):
    """HTTP/2 as a location speaks it to its upstream."""

    whole_heads = False
    upgrades = False

    def __init__(self, conf: ProxyConf, level: Level) -> None:
        self.set_headers, host = split_host(conf.set_headers)
        self.set_host = host.bind(level.variables) if host else None
        super().__init__(conf, level)
        self.connection, self.kept = Http2Connection, HTTP2

    def compile(self, level: Level, defaults: Defaults) -> Fields:
        """The authority is in the place of Host."""
        others = tuple((n, "" if n == "Host" else v) for n, v in defaults)
        return compile_fields(self.set_headers, others, level, OWN)

    def start(self, r: Request, out: Outgoing, method: str) -> list[str]:
        out.chunked, out.reader = False, HTTP2
        scheme = "https" if SCHEMES[out.vars.scheme].tls else "http"
        authority = self.set_host(r) if self.set_host else ""
        return start_lines(method, scheme, out.uri, authority or out.vars.host_header)

    def join(self, lines: list[str]) -> bytes:
        return join_head(lines)

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """The connection makes frames, as far as the windows of the server allow."""
        return data

    def lines(self, head: bytes) -> list[str]:
        return lines_of(head)
