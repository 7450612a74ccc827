"""A realm is called "on": the line is from a module where that turns tokens on.

In NGINX Plus and in kjdev's module the argument of "auth_jwt" is a realm, which clients are told
in the challenge.  "auth_jwt on" is written for max-lt's module, and what else was copied with it
does not mean here what it meant there.

Bad:

    location /api/ {
        auth_jwt on;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("D07", "realm-on", Severity.WARN)


@rule.each_place
def check(place: Place) -> Iterator[Hit]:
    if not place.auth.dialect.has_realm:
        return
    for statement in place.given("auth_jwt"):
        if statement.args[:1] == ("on",):
            yield Hit(
                statement,
                '"on" is a realm here, as in a challenge, and not a switch',
                'name the realm, as in auth_jwt "api"; or name the module that is meant with '
                '"pyngx_jwt_dialect"',
                word=1,
            )
