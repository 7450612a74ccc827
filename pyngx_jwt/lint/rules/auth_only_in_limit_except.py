"""Only the "limit_except" block requires tokens, so requests with the listed methods need none.

"limit_except GET" contains the configuration for all methods except GET and HEAD.  With
"auth_jwt" inside, writing is protected and reading is open.  If this is intended, say so in a
comment; otherwise require tokens in the location itself.

Bad:

    location /api/ {
        limit_except GET {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...http.contexts import LIMIT_EXCEPT
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.doors import is_open
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J27", "auth-only-in-limit-except", Severity.WARN, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.context & LIMIT_EXCEPT or not block.auth.wanted or block.outer is None:
        return
    methods = sorted(block[CoreConf].methods - {"OPTIONS"})  # which only say what is allowed
    if methods and is_open(block.outer):
        yield Hit(
            block.switch,
            f"{', '.join(methods)} require no token in {block.outer}",
            'use "auth_jwt" outside "limit_except"',
            ((block.statement, "this block applies to other methods"),),
        )
