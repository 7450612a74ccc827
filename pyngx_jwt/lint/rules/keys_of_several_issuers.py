"""Keys of several issuers verify the tokens of each other.

All keys of a location are used together: if tokens of issuers A and B are accepted, a token that A
has signed and in which "iss" is B is accepted too, and A can act for the users of B.  Bind the keys
with "pyngx_jwt_key_issuer", which nginx does not know; or let "iss" choose them, with a "map" whose
values are key files; or use one location per issuer, or check "iss" and "kid" together.

Bad:

    auth_jwt_key_file keys/jwks.json;
    auth_jwt_key_file keys/world.json;
    location / {
        auth_jwt "api";
        auth_jwt_validate_claim iss https://a.example https://b.example;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    auth_jwt_key_file keys/jwks.json;
    auth_jwt_key_file keys/world.json;
    pyngx_jwt_key_issuer keys/jwks.json https://a.example;
    pyngx_jwt_key_issuer keys/world.json https://b.example;
    location / {
        auth_jwt "api";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    map $jwt_claim_iss $keys {
        https://a.example keys/jwks.json;
        https://b.example keys/world.json;
    }
    server {
        auth_jwt_key_file $keys;
        location / {
            auth_jwt "api";
            auth_jwt_validate_claim iss https://a.example https://b.example;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    auth_jwt_key_file keys/jwks.json;
    auth_jwt_key_file keys/world.json;
    location / {
        auth_jwt "api";
        auth_jwt_validate_claim iss https://a.example;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...http.template import Template
from ...modules.auth_jwt.settings import JwtConf
from ..finding import Severity
from ..flow.demands import required_texts
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.keys import NAMES, sources_of
from ..rule import Hit, Rule

rule = Rule("J09", "keys-of-several-issuers", Severity.WARN)
ISSUER, KEY = "jwt_claim_iss", {"jwt_header_kid", "jwt_kid"}


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.demanded or len(sources_of(block)) < 2:
        return
    if block[JwtConf].key_issuers or _checks_key(block):
        return
    count = max(_compared(block), _mapped(block))
    if count > 1:
        yield Hit(
            block.set_by(*NAMES),
            f"tokens of {count} issuers are verified with keys of any of them",
            'bind them with "pyngx_jwt_key_issuer", or choose them by "iss"',
            ((block.switch, "tokens are required here"),),
        )


def _compared(block: Block) -> int:
    """How many issuers the dialect's own requirement admits."""
    members = (member for member in block.auth.conf.compared if member.claim == "iss")
    return max((sum(map(_number, member.values)) for member in members), default=0)


def _number(value: Template) -> int:
    text = value.text.removeprefix("json=")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return 1
    return len(values) if isinstance(values, list) else 1


def _mapped(block: Block) -> int:
    """How many issuers a "map" knows on which a requirement depends."""
    tables = flow_of(block).definitions.tables
    names = {name for text in required_texts(block) for name in text.names}
    return max(
        (tables[name].size for name in names if name in tables and _is_by_issuer(name, block)),
        default=0,
    )


def _is_by_issuer(name: str, block: Block) -> bool:
    return flow_of(block).definitions.tables[name].chosen_by == (ISSUER,)


def _checks_key(block: Block) -> bool:
    """Whether a requirement depends on the issuer and the key."""
    names = {name for text in required_texts(block) for name in text.names}
    behind = flow_of(block).influences(names, block)
    return ISSUER in behind and bool(KEY & behind)
