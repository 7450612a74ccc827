"""max-lt's module accepts every algorithm that fits the key, because "auth_jwt_alg" is missing.

Without "auth_jwt_alg" the algorithm is "any": a secret accepts tokens with HS256, HS384 and
HS512, a public key all algorithms of its family.  You know which one the issuer uses; RFC 8725
recommends allowing only that.

Bad:

    location /api/ {
        auth_jwt on;
        auth_jwt_key "0123456789abcdef0123456789abcdef!" utf8;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt on;
        auth_jwt_key "0123456789abcdef0123456789abcdef!" utf8;
        auth_jwt_alg HS256;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("D09", "maxlt-any-algorithm", Severity.WARN, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if block.auth.wanted and block.auth.takes_any_algorithm:
        yield Hit(
            block.set_by("auth_jwt_alg", "auth_jwt"),
            "tokens of any algorithm that fits the key are accepted",
            'set the algorithm of the issuer with "auth_jwt_alg"',
            severity=Severity.INFO if block.is_in_snippet else None,
        )
