"""Tokens are taken from the query string.

URIs are written to access logs and browser histories, sent in the Referer header to linked
sites, and passed to the upstream: anyone who can read one of these has the token.  Take it from
"Authorization" or from a cookie.

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
from ..flow.flow import flow_of
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J60", "token-in-query", Severity.WARN)
QUERY = {"args", "query_string", "request_uri", "request"}


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    token = block.auth.token
    if token is None or not block.auth.wanted or block.is_internal:
        return
    names = sorted(origin.name for origin in flow_of(block).origins(token, block))
    parameters = [name for name in names if name in QUERY or name.startswith("arg_")]
    if parameters:
        yield Hit(
            block.switch,
            f"tokens are taken from ${parameters[0]}: "
            "they leak to logs, histories and Referer headers",
            'take them from "Authorization" or from a cookie',
        )
