"""TeslaGov's module adds a header with a claim and keeps the client's header of the same name.

"auth_jwt_extract_request_claims" adds "JWT-sub" after a header of that name from the client: the
application gets "admin, u1", and only "admin" if the token has no such claim.  pyngx drops the
client's header.  If nginx also runs this configuration, pass claims with "proxy_set_header",
which replaces them.  With "underscores_in_headers on", clients have one more name: applications
treat JWT_sub and JWT-sub alike.

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
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("D13", "tesla-request-claims", Severity.WARN)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    conf = block.auth.conf
    if not isinstance(conf, TeslaConf) or not block.is_protected:
        return
    replaced = {field.low for field in block.gateway.fields}
    names = [name for name in conf.request_claims if f"jwt-{name}".lower() not in replaced]
    if not names:
        return
    statement = block.set_by("auth_jwt_extract_request_claims")
    field = f'"JWT-{names[0]}"'
    yield Hit(
        statement,
        f"TeslaGov's module also passes on the client's own {field}",
        "pyngx drops it; for nginx, use proxy_set_header with a variable of "
        '"auth_jwt_extract_var_claims"',
    )
    if block.server[CoreConf].underscores_in_headers:
        allowing = block.server.set_by("underscores_in_headers")
        yield Hit(
            allowing,
            f"clients can send {field} in another spelling, with an underscore",
            related=((statement, "the header is added here"),),
        )
