"""Whether what a location answers can depend on the request that asks.

NGINX Plus asks a key location once for each request.  To ask less often is right only if all
requests would be told the same: one tenant's keys must not come to serve another's.
"""

from __future__ import annotations

from ...http.engine import find_location
from ...http.request import Request
from ...http.template import Template
from ..proxy.cache_conf import CacheConf
from ..proxy.conf import ProxyConf

# Variables by which no server chooses its keys, or which are the same for all that ask.
HARMLESS = frozenset(
    {
        *("args", "document_uri", "is_args", "query_string", "uri"),  # of the subrequest
        *("proxy_host", "proxy_port", "proxy_internal_body_length", "proxy_internal_chunked"),
        *("http_user_agent", "request_id", "scheme", "server_name", "server_port"),
        *("proxy_add_x_forwarded_for", "remote_addr", "remote_port"),
        *("upstream_cache_etag", "upstream_cache_last_modified"),
    }
)


def is_shareable(r: Request, uri: str, args: str) -> bool:
    """Whether a subrequest of `r` to this URI is proxied, to a place and with fields that are
    the same for all requests.  If in doubt it is not."""
    if r.server.rewrite:
        return False
    probe = Request()
    probe.server, probe.location, probe.connection = r.server, r.server.location, r.connection
    probe.uri, probe.args, probe.internal = uri, args, True
    probe.headers_in, probe.index = [], {}
    if find_location(probe) is not None or probe.location.rewrite:
        return False
    conf = probe.location.conf
    return _asks_the_same(conf(ProxyConf), conf(CacheConf))


def _asks_the_same(proxy: ProxyConf, cache: CacheConf) -> bool:
    """Whether the upstream is asked the same, or a cache answers all from one entry."""
    target = proxy._target
    if target is None or target.url is None:
        return False
    texts = [proxy.proxy_method, proxy.proxy_set_body, *(v for _, v in proxy.set_headers)]
    if not any(_varies(text) for text in texts):
        return True
    one_entry = cache.zone is not None and not _varies(cache.zone)
    return one_entry and not _varies(cache.proxy_cache_key) and not cache.bypass


def _varies(text: Template | None) -> bool:
    return text is not None and not HARMLESS.issuperset(text.names)
