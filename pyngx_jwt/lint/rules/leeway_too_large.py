"""Tokens are accepted more than five minutes after they have expired.

"auth_jwt_leeway" compensates for clocks that differ by seconds.  A large value extends the life
of every stolen token, and of tokens whose owners have logged out.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_leeway 1h;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_leeway 30s;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J22", "leeway-too-large", Severity.WARN)
MOST = 300  # seconds


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    policy = block.auth.policy
    if block.auth.demanded and policy is not None and policy.leeway > MOST:
        yield Hit(
            block.set_by("auth_jwt_leeway"),
            f"tokens are accepted {policy.leeway:g} seconds after they have expired",
            "clocks differ by seconds: 30s to 60s are enough",
        )
