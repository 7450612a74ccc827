"""Clients can request the location that keys are fetched from.

The location is meant for subrequests of the server.  If it is public, clients can use it to send
any number of requests to the key server, with their own query strings and headers.  Add
"internal" to it.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks { proxy_pass http://127.0.0.1:9001/jwks.json; }

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

from collections.abc import Iterator

from ..finding import Severity
from ..flow.doors import is_open
from ..flow.jwks import proxied_key_locations
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J10", "jwks-location-public", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in proxied_key_locations(conf):
        if is_open(fetched.block):
            yield Hit(
                fetched.block.statement,
                f"clients can request {fetched.block}, which fetches keys",
                'add "internal" to it',
                fetched.related,
            )
