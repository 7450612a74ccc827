"""Clients can set an identity header through another location.

One location sets the header to a claim of the token.  Another location that passes requests to
the same upstream does not set it, so the client's value reaches the application.  Set or clear
the header in every location that passes requests there: proxy_set_header X-JWT-Sub "".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ {
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ {
        proxy_set_header X-JWT-Sub "";
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.fields import identity_fields, lost_fields, passes_on
from ..model.backends import backends_of, passing
from ..model.configuration import Configuration
from ..model.place import Place
from ..rule import Hit, Rule

rule = Rule("J40", "identity-header-spoofable", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    told: dict[str, dict[str, tuple[str, Place]]] = {}  # backends, fields
    for place in conf.answering:
        fields = identity_fields(place) if place.target is not None else {}
        for backend in backends_of(place) if fields else ():
            of_backend = told.setdefault(backend.key, {})
            for low, name in fields.items():
                of_backend.setdefault(low, (name, place))
    for place in conf.answering if told else ():
        if not place.is_internal:
            yield from _check(place, told)


def _check(place: Place, told: dict[str, dict[str, tuple[str, Place]]]) -> Iterator[Hit]:
    known = {low for low, _ in lost_fields(place)}
    for backend in backends_of(place):
        for low, (name, other) in told.get(backend.key, {}).items():
            if low not in known and passes_on(place, low):
                known.add(low)
                yield Hit(
                    passing(place),
                    f'clients can send "{name}" to {backend.name} through {place}, '
                    f"where {other} sends the user's identity",
                    f'proxy_set_header {name} "";',
                    ((passing(other), f'"{name}" is a claim of the token here'),),
                )
