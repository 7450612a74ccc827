"""The cache stores error responses of the upstream and serves them to other clients.

"proxy_cache_valid any", or a code of 401, 403 or 500 and above, serves the refusal of one client
to all others, and makes a brief failure last as long as the cache entry.  List the codes that
should be cached.

Bad:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            proxy_cache pages;
            proxy_cache_valid any 10m;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            proxy_cache pages;
            proxy_cache_valid 200 301 302 10m;
            proxy_cache_valid 404 1m;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...cache import parse_valid
from ...conf.parse import Statement
from ..finding import Severity
from ..flow.cached import has_cache
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J54", "cache-errors", Severity.WARN)
ANY = 0


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    valid = block.caching.valid
    if not has_cache(block):
        return
    named = {v.status for v in valid}
    for validity in valid:
        refusals = [s for s in (401, 403, 500, 502, 503, 504) if s not in named]
        if validity.seconds and (
            _is_error(validity.status) or (validity.status == ANY and refusals)
        ):
            subject = (
                "errors and refusals are" if validity.status == ANY else f"{validity.status} is"
            )
            yield Hit(
                _statement(block, validity.status),
                f"{subject} cached for {validity.seconds} s and served to all clients of {block}",
                "list the codes that should be cached",
            )
            return


def _is_error(status: int) -> bool:
    return status in (401, 403, 407, 429) or status >= 500


def _statement(block: Block, status: int) -> Statement:
    for outer in block.outward():
        for statement in outer.given(block.named("cache_valid")):
            if status in {validity.status for validity in parse_valid(*statement.args)}:
                return statement
    return block.set_by(block.named("cache"))
