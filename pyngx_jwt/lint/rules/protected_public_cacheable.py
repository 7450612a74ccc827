"""Responses of a protected location are marked as cacheable by shared caches or browsers.

"Cache-Control: public" or "s-maxage" allows shared caches to serve the response to users without
a token.  "expires" with a time makes browsers keep it after the token has expired, and shared
caches too if the token is not in "Authorization".  Use "private" or "no-store".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        add_header Cache-Control "public, max-age=3600";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        add_header Cache-Control "private, no-store" always;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...modules.headers import HeadersFilterConf, Start
from ..finding import Severity
from ..flow.fields import BEARER, carriers
from ..model.place import Place
from ..rule import Hit, Rule, each_statement

rule = Rule("J55", "protected-public-cacheable", Severity.WARN)
PUBLIC = re.compile(r"\bpublic\b|\bs-maxage\s*=\s*[1-9]", re.IGNORECASE)
PRIVATE = re.compile(r"\bprivate\b|\bno-store\b|\bno-cache\b", re.IGNORECASE)
LASTING = (Start.ACCESS, Start.MODIFIED, Start.DAILY)


@rule.whole
@each_statement
def check(place: Place) -> Iterator[Hit]:
    if not place.auth.wanted or place.is_internal:
        return
    conf = place[HeadersFilterConf]
    given = [field.value.text for field in conf.fields if field.name.lower() == "cache-control"]
    public = next((text for text in given if PUBLIC.search(text)), "")
    if public:
        named = (s for p in place.outward() for s in p.given("add_header") if public in s.args)
        yield Hit(
            next(named, place.statement),
            f'responses of {place} are marked "{public}", although they require a token',
            'use "private" or "no-store"',
        )
        return
    expiry = conf.expiry
    lasts = expiry.start is Start.MAX or (expiry.start in LASTING and expiry.seconds > 0)
    if lasts and expiry.value is None and not any(PRIVATE.search(text) for text in given):
        bearer = carriers(place) == BEARER
        keeps = "browsers" if bearer else "browsers and shared caches"
        yield Hit(
            place.set_by("expires"),
            f"{keeps} keep responses of {place}, which require a token",
            'add_header Cache-Control "private"',
            severity=Severity.INFO if bearer else None,
        )
