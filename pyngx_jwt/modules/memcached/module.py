"""The module: its content handler."""

from __future__ import annotations

from ...gateway.exchange import Gateway
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from ..upstream import pass_to
from .conf import MemcachedConf
from .wire import MemcachedWire

memcached = Module("memcached", MemcachedConf)


class MemcachedGateway(Gateway):
    """What is got has no head: its type is that of the URI."""

    def admits(self, r: Request) -> Status:
        if r.method not in ("GET", "HEAD"):
            return 405
        r.content_type = r.content_type or r.location.content_type_of(r.uri)
        return 0


@memcached.upstream_content
def pass_request(conf: MemcachedConf, level: Level) -> Handler | None:
    """The content handler of a location with memcached_pass."""
    if conf.target is None:
        return None
    return pass_to(conf, level, MemcachedWire(conf, level), MemcachedGateway)
