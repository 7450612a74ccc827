"""A requirement on "exp" or "nbf" takes the place of the check of dates.

In kjdev's module a requirement on "exp" that a token meets turns the usual check off: with
"exp gt json=5" every token that has ever been good stays so.  pyngx checks both.  "nbf" is never
looked at by that module without a requirement, and what is required of it has to be that it is
past.  Leave "exp" to the module, and ask for "nbf le $jwt_nowtime".

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
from ..model import Configuration
from ..rule import Hit, Rule

rule = Rule("D21", "kjdev-dates-replaced", Severity.WARN)
NOW = ("$jwt_nowtime", "${jwt_nowtime}")
USUAL = {"exp": ("gt", "ge"), "nbf": ("lt", "le")}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for _, statement in conf.statements("auth_jwt_require_claim"):
        field, operator, expected = statement.args
        claim = field.removeprefix(".")
        if claim not in USUAL or (operator in USUAL[claim] and expected in NOW):
            continue
        if claim == "exp":
            told = "kjdev's module checks this in the place of whether the token has expired"
            yield Hit(statement, told, "leave it out, or compare with $jwt_nowtime")
        else:
            told = 'this does not check whether "nbf" is past'
            yield Hit(statement, told, "write auth_jwt_require_claim nbf le $jwt_nowtime")
