"""A requirement on "exp" or "nbf" replaces the date check of kjdev's module.

In kjdev's module, a requirement on "exp" that is met disables the usual check: with "exp gt
json=5", expired tokens are accepted forever.  pyngx checks both.  The module never checks "nbf"
without a requirement, and a requirement must say that it is in the past.  Leave "exp" to the
module, and require "nbf le $jwt_nowtime".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require_claim exp gt json=5;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require_claim nbf le $jwt_nowtime;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.expression import template
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D21", "kjdev-dates-replaced", Severity.WARN)
NOW = frozenset({"jwt_nowtime"})
USUAL = {"exp": ("gt", "ge"), "nbf": ("lt", "le")}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block, statement in conf.statements("auth_jwt_require_claim"):
        field, operator, expected = statement.args
        claim = field.removeprefix(".")
        if claim not in USUAL or (operator in USUAL[claim] and _is_now(expected, block)):
            continue
        if claim == "exp":
            message = "in kjdev's module this replaces the check whether the token has expired"
            yield Hit(statement, message, "remove it, or compare with $jwt_nowtime")
        else:
            message = 'this does not check that "nbf" is in the past'
            yield Hit(statement, message, "write auth_jwt_require_claim nbf le $jwt_nowtime")


def _is_now(text: str, block: Block) -> bool:
    value = template(text)
    return value is not None and flow_of(block).names(value, block) == NOW
