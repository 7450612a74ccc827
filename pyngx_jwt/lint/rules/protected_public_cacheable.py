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

from ...http.template import Template
from ...modules.headers import HeadersFilterConf, Start
from ..finding import Severity
from ..flow.fields import BEARER, carriers
from ..flow.flow import flow_of
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J55", "protected-public-cacheable", Severity.WARN)
PUBLIC = re.compile(r"\bpublic\b|\bs-maxage\s*=\s*[1-9]", re.IGNORECASE)
PRIVATE = re.compile(r"\bprivate\b|\bno-store\b|\bno-cache\b", re.IGNORECASE)
LASTING = (Start.ACCESS, Start.MODIFIED, Start.DAILY)


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted or block.is_internal:
        return
    conf = block[HeadersFilterConf]
    fields = [field.value for field in conf.fields if field.name.lower() == "cache-control"]
    given = [text for field in fields for text in _values(field, block)]
    public = next((text for text in given if PUBLIC.search(text)), "")
    if public:
        written = next(field.text for field in fields if public in _values(field, block))
        named = (s for p in block.outward() for s in p.given("add_header") if written in s.args)
        yield Hit(
            next(named, block.statement),
            f'responses of {block} are marked "{public}", although they require a token',
            'use "private" or "no-store"',
        )
        return
    expiry = conf.expiry
    lasts = expiry.start is Start.MAX or (expiry.start in LASTING and expiry.seconds > 0)
    if lasts and expiry.value is None and not any(PRIVATE.search(text) for text in given):
        bearer = carriers(block) == BEARER
        keeps = "browsers" if bearer else "browsers and shared caches"
        yield Hit(
            block.set_by("expires"),
            f"{keeps} keep responses of {block}, which require a token",
            'add_header Cache-Control "private"',
            severity=Severity.INFO if bearer else None,
        )


def _values(text: Template, block: Block) -> list[str]:
    """What a field can be; its text, as far as that is not known."""
    return sorted(flow_of(block).values(text, block)) or [text.text]
