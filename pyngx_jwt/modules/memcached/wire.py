"""Requests to memcached servers: "get" and a key (ngx_http_memcached_create_request)."""

from __future__ import annotations

from ...gateway.wire import AddressWire, Outgoing, UnwritableRequest
from ...http.level import Level
from ...http.request import Request
from ...http.uri import escape_memcached
from ...upstream.reader import ResponseReader
from .conf import KEY, MemcachedConf
from .reader import MemcachedReader


class MemcachedWire(AddressWire):
    """memcached's text protocol."""

    scheme = "memcached"
    takes_body = False
    upgrades = False

    def __init__(self, conf: MemcachedConf, level: Level) -> None:
        super().__init__()
        self.hidden: frozenset[str] = frozenset()
        self.text = KEY.bind(level.variables)
        self.gzip_flag = conf.gzip_flag
        self.kept: ResponseReader = MemcachedReader("", conf.gzip_flag, wanted=True)

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """Raises UnwritableRequest.  The key has neither blanks nor control characters."""
        key = escape_memcached(self.text(r))
        if not key:
            raise UnwritableRequest('the "$memcached_key" variable is not set')
        out.scheme = out.vars.scheme
        out.reader = MemcachedReader(key, self.gzip_flag, wanted=r.method != "HEAD")
        return f"get {key}\r\n".encode("latin-1")

    def lines(self, head: bytes) -> list[str]:
        return head.decode("latin-1").split("\r\n")
