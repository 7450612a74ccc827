"""Requests to SCGI applications: a netstring of parameters, and the body behind it
(ngx_http_scgi_create_request)."""

from __future__ import annotations

from ...gateway.cgi import CGI, CGI_HEAD
from ...gateway.params import ParamsWire
from ...gateway.wire import Outgoing, UnwritableRequest
from ...http.request import Request


class ScgiWire(ParamsWire):
    """SCGI as a location speaks it to its upstream."""

    scheme = "scgi"

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest."""
        out.scheme, out.reader = out.vars.scheme, CGI_HEAD if r.method == "HEAD" else CGI
        pairs = self.pairs(r, validates=validates)
        parts = [f"CONTENT_LENGTH\0{max(out.body_length, 0)}\0"]
        parts += [f"{name}\0{value}\0" for name, value in pairs]
        text = "".join(parts)
        if text.count("\0") != 2 * len(parts):
            raise UnwritableRequest("NUL in a parameter for upstream, the request is not sent")
        return f"{len(text)}:{text},".encode("latin-1")

    def lines(self, head: bytes) -> list[str]:
        words = head.partition(b":")[2][:-2].decode("latin-1").split("\0")
        pairs = zip(words[::2], words[1::2], strict=True)
        return ["", *(f"{name}: {value}" for name, value in pairs)]
