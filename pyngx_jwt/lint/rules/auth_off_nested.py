"""Tokens are turned off inside a block that requires them.

Such exceptions are easily forgotten, and are not visible in the outer block.  If one is
intended, give the reason in a comment: # pyngx: ignore[auth-off-nested] health checks have no
token.  A location that contains only "return" is not reported.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
        location /api/debug/ {
            auth_jwt off;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
        location /api/debug/ {
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J31", "auth-off-nested", Severity.WARN)


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    switch = block.auth.dialect.switch
    off = [s for s in block.given(switch) if s.args[:1] == ("off",)]
    if not off or block.outer is None or block.is_internal or block.auth.wanted:
        return
    if block.is_left:
        return
    around = block.outer.find(switch)
    if around is not None and around.args[:1] != ("off",):
        yield Hit(
            off[-1],
            f"{block} requires no token, although the block around it does",
            "if this is intended, say why: # pyngx: ignore[auth-off-nested] reason",
            ((around, "tokens are required here"),),
        )
