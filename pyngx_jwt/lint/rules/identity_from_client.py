"""An identity header is set from client input.

proxy_set_header X-User $http_x_user looks as if it passed on an identity, but it passes on
whatever the client claims to be, regardless of the token.  Use a claim of the token.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-User $http_x_user;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-User $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..finding import Severity
from ..flow.fields import carriers
from ..flow.flow import flow_of
from ..model.configuration import Configuration
from ..model.place import Place
from ..rule import Hit, Rule

rule = Rule("J45", "identity-from-client", Severity.ERROR)
NAME = re.compile(
    r"(?:^|[-_])(?:user(?!-?agent)(?:-?(?:id|name))?|uid|sub|subject|email|identity|principal"
    r"|roles?|groups?|scopes?|tenant(?:-?id)?|account(?:-?id)?|authenticated)(?:$|[-_])"
)
WRITTEN = ("http_", "arg_", "cookie_")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    claimed: set[str] = set()
    places = [p for p in conf.answering if p.target is not None and p.auth.wanted]
    for place in places:
        for low, _, value in place.gateway.fields:
            if flow_of(conf).has_claims(value, place):
                claimed.add(low)
    for place in places:
        yield from _check(place, claimed)


def _check(place: Place, claimed: set[str]) -> Iterator[Hit]:
    for low, name, value in place.gateway.fields:
        if value.is_constant or not (low in claimed or NAME.search(low)):
            continue
        origins = flow_of(place.conf).origins(value, place)
        written = sorted(o.name for o in origins if o.name.startswith(WRITTEN))
        written = [w for w in written if w not in carriers(place)]
        if written and not any(o.is_claim for o in origins):
            given = [s for p in place.outward() for s in p.given(place.named(place.gateway.set_by))]
            yield Hit(
                next((s for s in given if s.args[0] == name), place.statement),
                f'"{name}" identifies the user to the upstream of {place}, but the client controls '
                f"${written[0]}",
                "use a claim of the token",
            )
