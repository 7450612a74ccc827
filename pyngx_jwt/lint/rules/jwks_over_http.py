"""Keys are fetched from another machine without TLS.

An attacker on the network path, or one who can respond in the key server's name, can replace the
keys and sign tokens with his own.  Tokens then protect nothing.  Fetch keys with https and
"proxy_ssl_verify on".

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://192.0.2.7/jwks.json;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate keys/ca.pem;
        proxy_pass https://192.0.2.7/jwks.json;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://localhost:8080/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.flow import flow_of
from ..flow.jwks import key_locations
from ..model.backends import is_local, servers_behind
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J11", "jwks-over-http", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in key_locations(conf):
        target = fetched.block.target
        for url in flow_of(fetched.block).values(target.text, fetched.block) if target else ():
            if not url.lower().startswith("http://"):
                continue
            remote = [name for name in servers_behind(fetched.block, url) if not is_local(name)]
            if remote:
                yield fetched.fault(
                    f"keys are fetched from {remote[0]} without TLS",
                    "fetch them with https",
                )
                break
