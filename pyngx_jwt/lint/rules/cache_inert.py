"""A cache without "proxy_cache_valid" only stores responses that set a caching time themselves.

Without "proxy_cache_valid", a response is cached only if it has "X-Accel-Expires", "Expires" or
"Cache-Control" with a time.  Usually the directive was forgotten.

Bad:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            proxy_cache pages;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            proxy_cache pages;
            proxy_cache_valid 200 10m;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.cached import has_cache
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J53", "cache-inert", Severity.INFO, missing=True)
TELLING = {"X-Accel-Expires", "Expires", "Cache-Control"}


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    if not has_cache(block) or block.caching.valid:
        return
    valid = block.named("cache_valid")
    if block.gateway.ignore_headers >= TELLING:
        yield Hit(
            block.set_by(block.named("cache")),
            f'nothing is ever cached in {block}: there is no "{valid}", and the '
            "caching headers of the upstream are ignored",
            severity=Severity.WARN,
        )
        return
    yield Hit(
        block.set_by(block.named("cache")),
        f"nothing is cached in {block} unless the upstream sets a caching time",
        f'add "{valid}"',
    )
