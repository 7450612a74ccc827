"""The cache of a protected location ignores caching headers of the application.

With Cache-Control in "proxy_ignore_headers", responses that are marked "private" or "no-store"
are cached; with Set-Cookie, session cookies are cached and sent to other clients; with Vary, one
client's variant is sent to another.

Bad:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_cache_key $request_uri$jwt_claim_sub;
            proxy_ignore_headers Cache-Control Set-Cookie;
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
            proxy_cache_key $request_uri$jwt_claim_sub;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.cached import is_cached
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J51", "cache-ignores-private", Severity.ERROR)
EFFECTS = {
    "Cache-Control": "responses that are marked private are cached",
    "Set-Cookie": "cookies of one user are sent to others",
    "Vary": "the variant of one client is sent to others",
}


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted or not is_cached(block):
        return
    ignored = [n for n in EFFECTS if n in block.gateway.ignore_headers]
    if ignored:
        yield Hit(
            block.set_by(block.named("ignore_headers")),
            f'{EFFECTS[ignored[0]]}: "{", ".join(ignored)}" headers are ignored in {block}',
            related=((block.set_by(block.named("cache")), "responses are cached here"),),
        )
