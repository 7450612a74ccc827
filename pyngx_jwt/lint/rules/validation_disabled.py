"""Signatures or expiry dates of tokens are not checked.

With "auth_jwt_validate_sig off", anyone can create a token with arbitrary claims.  With
"auth_jwt_validate_exp off", a stolen token is valid forever.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_sig off;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_exp on;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import Presence
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J20", "validation-disabled", Severity.ERROR)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    policy = block.auth.policy
    if not block.auth.demanded or policy is None:
        return
    if not policy.check_signature and block.auth.has_keys:
        where = block.find("auth_jwt_validate_sig")
        if where is not None:
            yield Hit(where, "signatures are not checked: anyone can create a token")
    if policy.exp is Presence.IGNORED:
        where = block.find("auth_jwt_validate_exp")
        if where is not None:
            yield Hit(where, '"exp" is not checked: a stolen token is valid forever')
