"""Responses to requests with tokens are cached under a key that does not identify the user.

The default key consists of scheme, upstream and URI: a response to one user is sent to the next
one who requests the same URI, unless the application forbids caching in every response.  Add a
claim to the key, or do not cache: proxy_no_cache $http_authorization.  If all users get the same
response, say so in a comment: # pyngx: ignore[cache-key-without-identity] reason.

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

from ..finding import Severity
from ..flow.cached import is_cached, keeps_apart
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J50", "cache-key-without-identity", Severity.ERROR, missing=True)


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    if block.auth.wanted and is_cached(block) and not keeps_apart(block):
        key = block.find(block.named("cache_key"))
        yield Hit(
            key or block.set_by(block.named("cache")),
            f"responses of {block} to one user are cached for all: "
            f"{'the' if key else 'the default'} cache key does not identify the user",
            f'add a claim to "{block.named("cache_key")}"',
            ((block.switch, "tokens are required here"),),
        )
