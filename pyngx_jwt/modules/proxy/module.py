"""The module: its content handler and its variables."""

from __future__ import annotations

from ...gateway.cached import check_passing, purge_here
from ...gateway.wire import outgoing
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request
from ..upstream import pass_to
from .conf import ProxyConf
from .wire import HttpWire, ProxyVars

proxy = Module("proxy", ProxyConf)
proxy.after_merge(check_passing)


@proxy.upstream_content
def pass_request(conf: ProxyConf, level: Level) -> Handler | None:
    """The content handler of a location with proxy_pass."""
    if conf.target is None:
        return purge_here(conf, level)
    return pass_to(conf, level, _wire(conf, level))


def _wire(conf: ProxyConf, level: Level) -> HttpWire:
    if conf.proxy_http_version != "2":
        return HttpWire(conf, level)
    from .http2 import ProxyHttp2Wire  # which takes time to import

    return ProxyHttp2Wire(conf, level)


@proxy.variable("proxy_host", changeable=True)
def proxy_host(r: Request) -> str | None:
    """Name and port of the proxied server, as set in proxy_pass."""
    out = outgoing(r)
    return out.vars.host_header if out and isinstance(out.vars, ProxyVars) else None


@proxy.variable("proxy_port", changeable=True)
def proxy_port(r: Request) -> str | None:
    """Port of the proxied server, or the protocol's default port."""
    out = outgoing(r)
    return out.vars.port if out and isinstance(out.vars, ProxyVars) else None


@proxy.variable("proxy_add_x_forwarded_for")
def proxy_add_x_forwarded_for(r: Request) -> str:
    """The X-Forwarded-For header of the request with $remote_addr appended."""
    forwarded = r.index.get("x-forwarded-for")
    return f"{forwarded}, {r.connection.remote_addr}" if forwarded else r.connection.remote_addr


@proxy.variable("proxy_internal_body_length")
def proxy_internal_body_length(r: Request) -> str | None:
    """Length of the body that is passed on; used for the default Content-Length."""
    out = outgoing(r)
    return str(out.body_length) if out and out.body_length >= 0 else None


@proxy.variable("proxy_internal_chunked")
def proxy_internal_chunked(r: Request) -> str | None:
    """ "chunked" if the body is passed on in chunks; used for the default Transfer-Encoding."""
    out = outgoing(r)
    return "chunked" if out and out.chunked else None
