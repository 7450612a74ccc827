"""Responses to requests with tokens are kept in a cache whose key says nothing of the user.

The default key is scheme, upstream and URI: what one user got is sent to the next one who asks
for the same URI, if the application does not forbid it in each response.  Put the claim into the
key, or keep nothing: proxy_no_cache $http_authorization.  If all users see the same, say so in a
comment: # pyngx: ignore[cache-key-without-identity] reason.

Bad:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_cache_key $scheme$proxy_host$request_uri$jwt_claim_sub;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..cached import is_cached, keeps_apart
from ..finding import Severity
from ..once import each_statement
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J50", "cache-key-without-identity", Severity.ERROR)


@rule.whole
@each_statement
def check(place: Place) -> Iterator[Hit]:
    if place.auth.wanted and is_cached(place) and not keeps_apart(place):
        key = place.find(place.named("cache_key"))
        yield Hit(
            key or place.set_by(place.named("cache")),
            f"what one user gets of {place} is kept for all: "
            f"{'the' if key else 'the default'} key of the cache has no part that tells them apart",
            f'add a claim to "{place.named("cache_key")}"',
            ((place.switch, "tokens are demanded here"),),
        )
