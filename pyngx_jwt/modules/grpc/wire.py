"""Requests to gRPC servers (ngx_http_grpc_create_request)."""

from __future__ import annotations

from ...gateway.answer import ACCEL
from ...gateway.fields import compile_fields, split_host
from ...gateway.http2 import join_head, lines_of, start_lines
from ...gateway.wire import AddressVars, AddressWire, Outgoing
from ...http.level import Level
from ...http.request import Request
from ...http.uri import escape_uri
from ...upstream.address import Url
from ...upstream.http2 import GRPC, HTTP2, Http2Connection
from ...upstream.reader import ResponseReader
from .conf import GrpcConf

HIDDEN = ACCEL | {"date", "server"}
DEFAULTS = (
    ("Content-Length", "$content_length"),
    ("TE", "$grpc_internal_trailers"),
    ("Host", ""),
    ("Connection", ""),
    ("Proxy-Connection", ""),
    ("Transfer-Encoding", ""),
    ("Keep-Alive", ""),
    ("Expect", ""),
    ("Upgrade", ""),
)


class GrpcWire(AddressWire):
    """gRPC as a location speaks it to its upstream."""

    scheme = "grpc"
    takes_body = True
    streams_unknown_length = True
    upgrades = False

    def __init__(self, conf: GrpcConf, level: Level) -> None:
        super().__init__()
        self.connection = Http2Connection
        self.kept: ResponseReader = HTTP2
        self.schemes, self.hidden = GrpcConf.schemes, HIDDEN
        set_headers, host = split_host(conf.set_headers)
        self._host = host.bind(level.variables) if host else None
        self._fields = compile_fields(set_headers, DEFAULTS, level, {})

    def describe(self, scheme: str, url: Url, *, from_variables: bool) -> AddressVars:
        """The address is what the server is told of its name."""
        if url.text.startswith("unix:"):
            name = "localhost"
        else:
            name = url.host if url.no_port else f"{url.host}:{url.port}"
        return AddressVars(scheme or self.scheme, name)

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest."""
        out.scheme, out.is_head, out.reader = out.vars.scheme, r.method == "HEAD", GRPC
        scheme = "https" if self.schemes[out.scheme].tls else "http"
        authority = self._host(r) if self._host else ""
        lines = start_lines(r.method, scheme, _path(r), authority or out.vars.address)
        self._fields.write(r, lines, passes=True)
        return join_head(lines)

    def lines(self, head: bytes) -> list[str]:
        return lines_of(head)


def _path(r: Request) -> str:
    """The URI as the client sent it, or as it is now."""
    if r.valid_unparsed_uri:
        return r.unparsed_uri
    path = escape_uri(r.uri)
    return f"{path}?{r.args}" if r.args else path
