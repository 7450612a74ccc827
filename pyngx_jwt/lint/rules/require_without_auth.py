"""A requirement is set where tokens are not checked.

"auth_jwt_require" and similar directives are evaluated after a token has been verified.  If
"auth_jwt" is off or missing, they have no effect, and the location is open.

Bad:

    location /admin/ {
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require $jwt_claim_admin;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require $jwt_claim_admin;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J24", "require-without-auth", Severity.ERROR, missing=True)
NAMES = (
    *("auth_jwt_require", "auth_jwt_require_claim", "auth_jwt_require_header"),
    *("auth_jwt_validate_claim", "auth_jwt_validate_sub"),
)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if block.auth.wanted or _is_used(block):
        return
    for statement in block.given(*NAMES):
        if statement.args != ("off",):
            yield Hit(
                statement,
                f'"{statement.name}" has no effect: {block} does not require a token',
                'add "auth_jwt" here',
            )


@rule.each_block
def check_outer(block: Block) -> Iterator[Hit]:
    """On the outer levels it is wrong if no location below makes use of it."""
    if block.answers or not block.given(*NAMES):
        return
    if not _is_used(block):
        for statement in block.given(*NAMES):
            yield Hit(statement, f'"{statement.name}" has no effect: no token is required')


def _is_used(block: Block) -> bool:
    """Whether tokens are required in a block of this one."""
    return any(inner.auth.wanted for inner in block.walk())
