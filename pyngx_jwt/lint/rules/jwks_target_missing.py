"""No location answers key requests.

The key request reaches "location /", or no location: the response is a page of the application
or 404, which is not a key set, and every token is refused.  Add a location for the keys.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..finding import Severity
from ..flow.doors import is_same
from ..flow.jwks import KeyRequested, key_requests
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.probe import falls_through, located
from ..rule import Hit, Rule

rule = Rule("J17", "jwks-target-missing", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for key_request in key_requests(conf):
        server = key_request.asking.server
        if server.given("rewrite", "return", "if"):  # which may lead elsewhere
            continue
        located_at = located(server, key_request.uri.partition("?")[0])
        block = located_at.block
        hint = f'add "location = {key_request.uri.partition("?")[0]}" to {server}'
        if located_at.is_redirected:
            yield Hit(key_request.statement, f"{key_request.uri} responds with a redirect", hint)
        elif block is not None and falls_through(block, key_request.uri):
            location = block.level.location
            assert location is not None
            if block.target is None and os.path.exists(location.path_of(located_at.request)):
                continue
            where = block if block.is_location else f"no location of {server}"
            yield Hit(
                key_request.statement,
                f"keys are requested from {key_request.uri}, which reaches {where}",
                hint,
                severity=_severity(block, key_request),
            )


def _severity(block: Block, key_request: KeyRequested) -> Severity:
    """Another server than the application's may well have keys."""
    if block.target is None or block.auth.wanted or is_same(block, key_request.asking):
        return Severity.ERROR
    return Severity.WARN
