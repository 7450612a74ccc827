"""Tokens are taken from the query string.

A URI is written to access logs, to the history of browsers, to the Referer field of what the page
links to, and is passed on to the upstream: whoever reads one of them has the token.  Take it from
"Authorization", or from a cookie.

Bad:

    location /api/ {
        auth_jwt "api" token=$arg_token;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api" token=$cookie_token;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J60", "token-in-query", Severity.WARN)
QUERY = {"args", "query_string", "request_uri", "request"}


@rule.each_location
def check(place: Place) -> Iterator[Hit]:
    token = place.auth.token
    if token is None or not place.auth.wanted or place.is_internal:
        return
    names = sorted(origin.name for origin in place.conf.flow.origins(token, place))
    found = [name for name in names if name in QUERY or name.startswith("arg_")]
    if found:
        yield Hit(
            place.switch,
            f"tokens are taken from ${found[0]}: they end up in logs, histories and Referer fields",
            'take them from "Authorization" or from a cookie',
        )
