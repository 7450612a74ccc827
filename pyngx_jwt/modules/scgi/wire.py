"""Requests to SCGI applications: a netstring of parameters, and the body behind it
(ngx_http_scgi_create_request)."""

from __future__ import annotations

from ...gateway.cgi import CGI, CGI_HEAD, HIDDEN
from ...gateway.params import RequestParams
from ...gateway.wire import AddressWire, Outgoing, UnwritableRequest
from ...http.level import Level
from ...http.request import Request
from ...upstream.reader import ResponseReader
from .conf import ScgiConf


class ScgiWire(AddressWire):
    """SCGI as a location speaks it to its upstream."""

    scheme = "scgi"
    hidden = HIDDEN
    takes_body = True
    upgrades = True
    kept: ResponseReader = CGI

    def __init__(self, conf: ScgiConf, level: Level) -> None:
        self.plain = RequestParams(conf, level, validates=False)
        caches = conf.zone is not None
        self.validating = RequestParams(conf, level, validates=True) if caches else self.plain

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest."""
        out.scheme, out.reader = self.scheme, CGI_HEAD if r.method == "HEAD" else CGI
        pairs = (self.validating if validates else self.plain).pairs(r)
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
