"""The decision of "auth_request" about one client is cached for all clients.

The default cache key consists of scheme, upstream and URI, and the URI of the subrequest is the
same for all clients: after one has been admitted, all are, until the response expires.  Add what
the decision depends on to the key, for example "$http_authorization$http_cookie", or do not cache
it.

Bad:

    proxy_cache_path cache keys_zone=decisions:1m;
    server {
        listen 8080;
        location / {
            auth_request /decide;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /decide {
            internal;
            proxy_cache decisions;
            proxy_cache_valid 200 10m;
            proxy_pass http://127.0.0.1:9001;
        }
    }

Good:

    proxy_cache_path cache keys_zone=decisions:1m;
    server {
        listen 8080;
        location / {
            auth_request /decide;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /decide {
            internal;
            proxy_cache decisions;
            proxy_cache_key $http_authorization$http_cookie;
            proxy_cache_valid 200 10m;
            proxy_pass http://127.0.0.1:9001;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.auth_request import AuthRequestConf
from ..finding import Severity
from ..flow.cached import has_cache, is_personal, keeps_apart
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J56", "auth-request-cached", Severity.ERROR, missing=True)
ADDRESSES = frozenset({"remote_addr", "binary_remote_addr", "realip_remote_addr"})
SHARED = frozenset({"http_host", "http_accept", "http_accept_encoding", "http_user_agent"})


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for asking in conf.answering:
        uri = asking[AuthRequestConf].uri
        decider = location_of(asking.server, uri.partition("?")[0]) if uri else None
        if decider is None or not has_cache(decider) or _knows_client(decider):
            continue
        key = decider.find(decider.named("cache_key"))
        yield Hit(
            key or decider.set_by(decider.named("cache")),
            f"what {decider} decides about one client is cached for all: "
            f"{'the' if key else 'the default'} cache key does not identify the client",
            f'set "{decider.named("cache_key")}" to what the decision depends on',
            ((asking.set_by("auth_request"), "the decision is used here"),),
        )


def _knows_client(block: Block) -> bool:
    """Whether another client has another key, or nothing is kept of its requests."""
    target, key = block.target, block.caching.cache_key
    text = key or (target.text if target is not None else None)
    if text is None or is_personal(text, block) or keeps_apart(block):
        return True
    names = flow_of(block).influences(text.names, block) - SHARED
    return bool(names & ADDRESSES) or any(name.startswith(("http_", "arg_")) for name in names)
