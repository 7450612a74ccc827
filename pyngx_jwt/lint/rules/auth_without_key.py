"""A location demands tokens, and no keys are named to verify them with.

Every request is refused then, valid token or not: an outage.  NGINX Plus does worse and takes
tokens with any signature.  "nginx -t" has nothing to say of it.  Name a file with
"auth_jwt_key_file" or a location with "auth_jwt_key_request", on the same level or around it.

Bad:

    location /api/ {
        auth_jwt "api";
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

from ...modules.auth_jwt.settings import JwtConf
from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J01", "auth-without-key", Severity.ERROR)


@rule.each_location
def check(place: Place) -> Iterator[Hit]:
    if not place.auth.wanted or place.auth.has_keys or place.is_internal:
        return
    told = "every token is refused"
    if place[JwtConf].pyngx_allow_unsigned:
        told = "tokens are accepted whoever signed them"
    yield Hit(
        place.switch,
        f"tokens are demanded in {place}, and no keys are named: {told}",
        'name them with "auth_jwt_key_file" or "auth_jwt_key_request"',
    )
