"""Keys are fetched for every request.

Every request with a token waits for the key server, and is refused if it does not respond.
(pyngx itself shares keys for a second if possible.)  Cache the keys: with "proxy_cache" and
"proxy_cache_valid" in the location that fetches them, or with "auth_jwt_key_cache" where tokens
are required.  "proxy_cache" alone caches only for the time that the key server sets.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }

Good:

    proxy_cache_path cache keys_zone=jwks:1m;
    server {
        location / {
            auth_jwt "api";
            auth_jwt_key_request /_jwks;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /_jwks {
            internal;
            proxy_cache jwks;
            proxy_cache_valid 200 10m;
            proxy_cache_use_stale error timeout updating;
            proxy_pass http://127.0.0.1:9001/jwks.json;
        }
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        auth_jwt_key_cache 10m;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.jwks import kept_by_module, kept_in_cache, nginx_key_locations
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J13", "jwks-not-cached", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in nginx_key_locations(conf):
        if kept_by_module(fetched.asking) or kept_in_cache(fetched.block):
            continue
        if fetched.block.caching.zone is None:
            yield fetched.fault(
                "keys are fetched for every request",
                'cache them with "proxy_cache" and "proxy_cache_valid"',
            )
        else:
            yield Hit(
                fetched.block.set_by(fetched.block.named("cache")),
                "keys are cached only if the key server sets a caching time",
                'add "proxy_cache_valid 200 10m"',
                fetched.related,
            )
