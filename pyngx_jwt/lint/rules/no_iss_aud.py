"""Tokens are accepted from any issuer and for any audience.

The keys of an identity provider sign tokens for many services.  If neither "iss" nor "aud" is
checked, a token that a client got for a harmless service is accepted here as well (RFC 8725,
sections 3.8 and 3.9).  Require them: with "auth_jwt_validate_claim", with
"auth_jwt_require_claim" in kjdev's module, or with "auth_jwt_require" and a "map".

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_validate_claim iss https://idp.example.com;
        auth_jwt_validate_claim aud api;
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }

Good:

    map $jwt_claim_aud $for_us { api 1; default 0; }
    server {
        location / {
            auth_jwt "api";
            auth_jwt_require $for_us;
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.demands import claims_looked_at
from ..flow.fields import is_from_client
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.keys import key_sets_of
from ..rule import Hit, Rule

rule = Rule("J21", "no-iss-aud", Severity.WARN, missing=True)
ENOUGH = {"iss", "aud", "*"}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block in conf.answering:
        if not block.auth.demanded or block.is_internal or not block.auth.has_keys:
            continue
        if is_from_client(block) and not claims_looked_at(block) & ENOUGH:
            yield Hit(
                block.switch,
                'neither "iss" nor "aud" is checked: a token for another service is accepted',
                'require "iss" and "aud"',
                severity=_severity(block),
            )


def _severity(block: Block) -> Severity:
    able = block.auth.dialect.demands_claims
    return Severity.INFO if not able or _own_secret(block) else Severity.WARN


def _own_secret(block: Block) -> bool:
    """Whether tokens are made with secrets, which fewer issue and share than public keys."""
    sets = key_sets_of(block)
    return bool(sets) and all(
        key_set is not None and all(key.kty == "oct" for key in key_set.keys) for key_set in sets
    )
