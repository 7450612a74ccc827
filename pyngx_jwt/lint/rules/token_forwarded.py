"""The token is passed on to an upstream that is told the identity in other fields already.

Whoever runs the upstream, or reads its logs, can use the token in other places, until it expires.
An application that trusts the fields with claims has no need of it:
proxy_set_header Authorization "".

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

from ..backends import passing
from ..fields import forwarded, identity_fields, shown
from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J43", "token-forwarded", Severity.INFO)


@rule.each_location
def check(place: Place) -> Iterator[Hit]:
    if place.target is None or not place.auth.wanted:
        return
    told = identity_fields(place)
    found = next(forwarded(place, place), "") if told else ""
    if found:
        yield Hit(
            passing(place),
            f'the token in "{shown(found)}" is passed on by {place}, beside '
            f'"{next(iter(told.values()))}"',
            f'the upstream can do without it: proxy_set_header {shown(found)} "";',
        )
