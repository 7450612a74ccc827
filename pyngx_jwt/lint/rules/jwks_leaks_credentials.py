"""The key server gets every client's token and cookies.

The subrequest that fetches keys has the headers of the client's request, and they are passed on:
the operator of the key server, or anyone who reads its logs, can use them.  The key server needs
none of them: "proxy_pass_request_headers off".  pyngx itself passes on only "User-Agent".

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass_request_headers off;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.jwks import leaks, nginx_key_locations
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J14", "jwks-leaks-credentials", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in nginx_key_locations(conf):
        if passed := leaks(fetched):
            verb = "is" if len(passed) == 1 else "are"
            yield fetched.fault(
                f"the client's {' and '.join(passed)} {verb} sent to the key server",
                "proxy_pass_request_headers off",
            )
