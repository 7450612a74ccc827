"""Requests to FastCGI servers: records of parameters and of the body
(ngx_http_fastcgi_create_request)."""

from __future__ import annotations

from ...gateway.params import ParamsWire
from ...gateway.wire import Outgoing, UnwritableRequest
from ...http.level import Level
from ...http.request import Request
from .conf import FastcgiConf
from .reader import FastcgiReader, KeptReader
from .records import (
    MOST,
    PARAMS,
    STDIN,
    STDIN_SIZE,
    begin_request,
    pack_pairs,
    record,
    unpack_pairs,
)


class FastcgiWire(ParamsWire):
    """FastCGI as a location speaks it to its upstream."""

    scheme = "fastcgi"
    upgrades = False
    streams_unknown_length = True

    def __init__(self, conf: FastcgiConf, level: Level) -> None:
        super().__init__(conf, level)
        self.kept = KeptReader()
        self._keeps, self._marks = conf.fastcgi_keep_conn, conf.stderr_marks
        self._start = begin_request(keeps=self._keeps)

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest."""
        out.scheme, out.is_head = out.vars.scheme, r.method == "HEAD"
        out.reader = FastcgiReader(r, keeps=self._keeps, marks=self._marks)
        params = pack_pairs(self.pairs(r, validates=validates))
        if len(params) > MOST:
            raise UnwritableRequest(f"fastcgi request record is too big: {len(params)}")
        head = self._start + record(PARAMS, params) + record(PARAMS, b"")
        return head if out.sends_body else head + record(STDIN, b"")

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """Records of a size that nginx has as well, and an empty one at the end."""
        starts = range(0, len(data), STDIN_SIZE)
        records = [record(STDIN, data[at : at + STDIN_SIZE]) for at in starts]
        return b"".join((*records, record(STDIN, b"") if last else b""))

    def lines(self, head: bytes) -> list[str]:
        begin = len(self._start) + len(record(PARAMS, b""))
        length = int.from_bytes(head[begin - 4 : begin - 2], "big")
        pairs = unpack_pairs(head[begin : begin + length])
        return ["", *(f"{name}: {value}" for name, value in pairs)]
