"""The token is passed to an upstream that already gets the identity in other headers.

The operator of the upstream, or anyone who reads its logs, can use the token elsewhere until it
expires.  An application that trusts the headers with claims does not need it: remove it with
proxy_set_header Authorization "", with grpc_set_header Authorization "", or with
fastcgi_param HTTP_AUTHORIZATION "" and the like.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_set_header Authorization "";
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.fields import forwarded, identity_fields, removal, shown
from ..model.backends import passing
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J43", "token-forwarded", Severity.INFO, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if block.target is None or not block.auth.wanted:
        return
    identity = identity_fields(block)
    field = next(forwarded(block, block), "") if identity else ""
    if field:
        yield Hit(
            passing(block),
            f'{block} passes on the token in "{shown(field)}" in addition to '
            f'"{next(iter(identity.values()))}"',
            f"the upstream does not need it: {removal(block, shown(field))}",
        )
