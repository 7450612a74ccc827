"""Requests to HTTP/2 upstreams (ngx_http_proxy_v2_create_request)."""

from __future__ import annotations

from ...gateway.fields import Defaults, Fields, compile_fields
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
        self.sets_host = any(name.lower() == "host" for name, _ in conf.set_headers)
        super().__init__(conf, level)
        self.connection, self.kept = Http2Connection, HTTP2

    def compile(self, level: Level, defaults: Defaults) -> Fields:
        """The authority is in the place of a Host that is not set."""
        others = tuple((n, "" if n == "Host" else v) for n, v in defaults)
        return compile_fields(self.conf.set_headers, others, level, OWN)

    def start(self, r: Request, out: Outgoing, method: str) -> list[str]:
        out.chunked, out.reader = False, HTTP2
        scheme = "https" if SCHEMES[out.vars.scheme].tls else "http"
        authority = "" if self.sets_host else out.vars.host_header
        return start_lines(method, scheme, out.uri, authority)

    def join(self, lines: list[str]) -> bytes:
        return join_head(lines)

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """The connection makes frames, as far as the windows of the server allow."""
        return data

    def lines(self, head: bytes) -> list[str]:
        return lines_of(head)
