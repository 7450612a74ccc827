"""Requests to uwsgi servers: a packet of parameters, and the body behind it
(ngx_http_uwsgi_create_request)."""

from __future__ import annotations

import struct

from ...gateway.answer import ACCEL
from ...gateway.cgi import CGI, CGI_HEAD
from ...gateway.params import ParamsWire
from ...gateway.wire import Outgoing, UnwritableRequest
from ...http.level import Level
from ...http.request import Request
from .conf import UwsgiConf

_HEADER = struct.Struct("<BHB")  # modifier1, the packet's length, modifier2
_LENGTH = struct.Struct("<H")
_MOST = 0xFFFF  # bytes of a packet


class UwsgiWire(ParamsWire):
    """uwsgi as a location speaks it to its upstream."""

    scheme = "uwsgi"

    def __init__(self, conf: UwsgiConf, level: Level) -> None:
        super().__init__(conf, level)
        self.schemes = UwsgiConf.schemes
        self.hidden = ACCEL  # unlike SCGI and FastCGI, with a field "Status" that clients get
        self._modifiers = conf.uwsgi_modifier1, conf.uwsgi_modifier2
        self._tail = conf.uwsgi_string.encode("latin-1")

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest."""
        out.scheme, out.reader = out.vars.scheme, CGI_HEAD if r.method == "HEAD" else CGI
        words: list[bytes] = []
        for pair in self.pairs(r, validates=validates):
            words += [text.encode("latin-1") for text in pair]
        size = sum(map(len, words)) + _LENGTH.size * len(words) + len(self._tail)
        if size > _MOST:
            raise UnwritableRequest(f"uwsgi request is too big: {size}")
        first, second = self._modifiers
        packet = [_HEADER.pack(first, size, second)]
        for word in words:
            packet += (_LENGTH.pack(len(word)), word)
        return b"".join((*packet, self._tail))

    def lines(self, head: bytes) -> list[str]:
        words, at = [], _HEADER.size
        while at < len(head) - len(self._tail):
            (length,) = _LENGTH.unpack_from(head, at)
            at += _LENGTH.size + length
            words.append(head[at - length : at].decode("latin-1"))
        pairs = zip(words[::2], words[1::2], strict=True)
        return ["", *(f"{name}: {value}" for name, value in pairs)]
