"""Tokens that never expire are accepted.

The modules of NGINX Plus and max-lt check "exp" only if a token has one; those of kjdev,
TeslaGov and tizpuppi refuse a token without it.  By a mistake of the issuer, tokens can then be
valid forever, without a way to revoke them.  Require the claim.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_algorithm HS256;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_algorithm HS256;
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require $jwt_claim_exp;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import Presence
from ..finding import Severity
from ..flow.demands import claims_looked_at
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J23", "exp-not-required", Severity.INFO, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block in conf.answering:
        policy = block.auth.policy
        if policy is None or policy.exp is not Presence.OPTIONAL:
            continue
        if block.auth.demanded and not claims_looked_at(block) & {"exp", "*"}:
            yield Hit(
                block.switch,
                'a token without "exp" is accepted and never expires',
                "auth_jwt_require $jwt_claim_exp",
            )
