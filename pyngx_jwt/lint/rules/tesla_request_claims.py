"""TeslaGov's module adds a field with a claim, and leaves that of the client where it is.

"auth_jwt_extract_request_claims" adds "JWT-sub" behind whatever the client sent under that name:
the application sees "admin, u1", and just "admin" if the token has no such claim.  pyngx drops
the client's fields.  Where nginx is to run the configuration, pass claims with
"proxy_set_header", which replaces them.  With "underscores_in_headers on" the client has one name
more: applications take JWT_sub and JWT-sub for the same.

Bad:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_extract_request_claims sub;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_extract_var_claims sub;
        proxy_set_header JWT-sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.auth_jwt.dialects.tesla import TeslaConf
from ...modules.core import CoreConf
from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("D13", "tesla-request-claims", Severity.WARN)


@rule.each_location
def check(place: Place) -> Iterator[Hit]:
    conf = place.auth.conf
    if not isinstance(conf, TeslaConf) or not place.is_protected:
        return
    replaced = {field.low for field in place.gateway.fields}
    names = [name for name in conf.request_claims if f"jwt-{name}".lower() not in replaced]
    if not names:
        return
    statement = place.set_by("auth_jwt_extract_request_claims")
    field = f'"JWT-{names[0]}"'
    yield Hit(
        statement,
        f"TeslaGov's module passes the client's own {field} on, too",
        "pyngx drops it; for nginx, set the field with proxy_set_header from a variable of "
        '"auth_jwt_extract_var_claims"',
    )
    if place.server[CoreConf].underscores_in_headers:
        allowing = place.server.set_by("underscores_in_headers")
        yield Hit(
            allowing,
            f"clients can send the field {field} under another spelling, with an underscore",
            related=((statement, "the field is added here"),),
        )
