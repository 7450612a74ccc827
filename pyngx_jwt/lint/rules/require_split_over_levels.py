"""Requirements are on two levels, and which ones apply depends on the module.

In NGINX Plus, pyngx and max-lt's module, a level with its own requirements does not inherit
those of outer levels.  In kjdev's module they accumulate, but version 0.14.2 drops some of the
inner ones if that level has more.  Either way, a requirement in the configuration is not
checked.  Keep all requirements of a location in one block.

Bad:

    server {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_claim iss https://idp.example.com;
        location /admin/ {
            auth_jwt_validate_claim role admin;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    server {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_claim iss https://idp.example.com;
        location /admin/ {
            auth_jwt_validate_claim iss https://idp.example.com;
            auth_jwt_validate_claim role admin;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...conf.parse import Statement
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J25", "require-split-over-levels", Severity.ERROR)
NAMES = (
    *("auth_jwt_require", "auth_jwt_require_claim", "auth_jwt_require_header"),
    "auth_jwt_validate_claim",
)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted:
        return
    for name in NAMES:
        levels = [statements for around in block.outward() if (statements := around.given(name))]
        for inner, outer in pairwise(levels):
            lost = outer[0] if block.auth.dialect.adds_up else _lost(inner, outer)
            if lost is not None:
                yield Hit(
                    inner[0],
                    f'"{name}" is set here and in an outer block: {_effect(block)}',
                    "keep all requirements of a location in one block",
                    ((lost, "this is the outer one"),),
                )


def _lost(inner: list[Statement], outer: list[Statement]) -> Statement | None:
    """One of the outer level that is not repeated on the inner one."""
    here = {frozenset(statement.args) for statement in inner}
    words = {word for statement in inner for word in statement.args}
    for statement in outer:
        whole = frozenset(statement.args) in here
        if not whole and not (statement.name == "auth_jwt_require" and words >= {*statement.args}):
            return statement
    return None


def _effect(block: Block) -> str:
    if block.auth.dialect.adds_up:
        return "kjdev 0.14.2 drops some of the inner ones"
    return "the outer ones do not apply"
