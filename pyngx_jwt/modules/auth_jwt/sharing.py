"""Whether what a location answers can depend on the request that asks.

NGINX Plus asks a key location once for each request.  To ask less often is right only if all
requests would get the same response: one tenant's keys must not come to serve another's.  So all
that takes part in an answer has to be known to be the same for all requests.  What is not known
here, a new module for instance, is not: then each request asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...gateway.conf import GatewayConf, gateway_of
from ...gateway.groups import Upstreams
from ...http.engine import find_location
from ...http.head import new_head
from ...http.level import Level
from ...http.module import Phase
from ...http.request import Location, Request
from ...http.template import Template
from ..rewrite import RewriteConf

# Modules whose handlers and filters neither choose nor change an answer by the request.
REWRITES = frozenset({"rewrite", "otel"})  # "rewrite" without an operation
BEFORE = frozenset({"limit_conn", "limit_req", "mirror", "otel", "realip"})
PROTOCOLS = frozenset({"fastcgi", "grpc", "memcached", "proxy", "scgi", "uwsgi"})
FILTERS = frozenset(
    {"brotli", "charset", "gunzip", "gzip", "headers", "not_modified", "range", "zstd"}
)
HANDLERS = {
    Phase.REWRITE: REWRITES,
    Phase.PREACCESS: BEFORE,
    Phase.PRECONTENT: BEFORE,
    Phase.CONTENT: PROTOCOLS,
}
# Settings with variables by which nothing is asked: where an answer is kept, and when not.
KEEPING = frozenset({"bypass", "cache_key", "not_kept", "purge_rule", "store_to", "zone"})

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
    probe.method, probe.uri, probe.args, probe.internal = "GET", uri, args, True
    if _rewrites(probe.location) or find_location(probe) is not None:
        return None
    location = probe.location
    if _rewrites(location) or not _asks_the_same(location):
        return None
    return location


def _rewrites(location: Location) -> bool:
    """Whether another URI may be asked than that of the configuration."""
    rewrite: RewriteConf = location.conf(RewriteConf)
    return bool(rewrite.operations) or not _is_known(location.core.level, Phase.REWRITE)


def _is_known(level: Level, phase: Phase) -> bool:
    return all(name in HANDLERS[phase] for name, _ in level.handlers.get(phase, ()))


def _asks_the_same(location: Location) -> bool:
    """Whether one server, or servers that are alike, get the same request, and nothing changes
    their answer."""
    level: Level = location.core.level
    conf = gateway_of(level)
    if conf is None or conf.target is None or conf.target.url is None:
        return False
    if not all(_is_known(level, phase) for phase in HANDLERS) or not FILTERS.issuperset(
        level.filters
    ):
        return False
    url = conf.target.url
    group = level.scope.shared(Upstreams).declared.get(url.host.lower())
    if group is not None and not group.is_impartial:
        return False
    return not any(_varies(text) for text in (*conf.sent, *_settings(conf)))


def _settings(conf: GatewayConf) -> Iterator[Template]:
    """The texts of all settings of a location by which something is asked."""
    for name, value in vars(conf).items():
        if name not in KEEPING:
            yield from _texts(value)


def _texts(value: object) -> Iterable[Template]:
    if isinstance(value, Template):
        return (value,)
    if isinstance(value, (tuple, list)):
        return (text for one in value for text in _texts(one))
    return ()


def _varies(text: Template | None) -> bool:
    return text is not None and not HARMLESS.issuperset(text.names)
