"""A block with its own "proxy_set_header" does not inherit the identity header.

nginx inherits "proxy_set_header" if and only if the level has none of its own.  One for "Host"
or "Connection" is enough to lose the header with the claim, and the application then gets the
value that the client sends.  Repeat all of them.

Bad:

    proxy_set_header X-JWT-Sub $jwt_claim_sub;
    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.fields import lost_fields, passes_on
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J41", "identity-header-inheritance-lost", Severity.ERROR, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    for low, lost in lost_fields(block):
        if passes_on(block, low):
            setter = block.named(block.gateway.set_by)
            yield Hit(
                block.set_by(setter),
                f'"{lost.args[0]}" is not set in {block}: its own "{setter}" replaces '
                "the inherited ones, so the upstream gets the client's value",
                "repeat it here",
                ((lost, "this is not inherited"),),
            )
