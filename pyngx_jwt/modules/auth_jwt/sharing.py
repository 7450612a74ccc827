"""Whether what a location answers can depend on the request that asks.

NGINX Plus asks a key location once for each request.  To ask less often is right only if all
requests would get the same response: one tenant's keys must not come to serve another's.
"""

from __future__ import annotations

from ...gateway.cache_conf import CachedConf
from ...gateway.conf import gateway_of
from ...http.engine import find_location
from ...http.head import new_head
from ...http.request import Location, Request
from ...http.template import Template
from ..rewrite import RewriteConf

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


def shared_location(r: Request, uri: str, args: str) -> Location | None:
    """The location that answers a subrequest of `r` to this URI, if it is proxied, to a place
    and with fields that are the same for all requests.  None if it is not, or in doubt."""
    probe = Request(new_head(0, ""), r.connection, r.sink, r.server)
    probe.uri, probe.args, probe.internal = uri, args, True
    if _rewrites(probe.location) or find_location(probe) is not None:
        return None
    location = probe.location
    if _rewrites(location) or not _asks_the_same(location):
        return None
    return location


def _rewrites(location: Location) -> bool:
    rewrite: RewriteConf = location.conf(RewriteConf)
    return bool(rewrite.operations)


def _asks_the_same(location: Location) -> bool:
    """Whether the upstream gets the same request, or a cache answers all from one entry."""
    conf = gateway_of(location.core.level)
    if conf is None or conf.target is None or conf.target.url is None:
        return False
    if not any(_varies(text) for text in conf.sent):
        return True
    if not isinstance(conf, CachedConf) or not conf.keeps or conf.bypass:
        return False
    return not _varies(conf.zone) and not _varies(conf.cache_key)


def _varies(text: Template | None) -> bool:
    return text is not None and not HARMLESS.issuperset(text.names)
