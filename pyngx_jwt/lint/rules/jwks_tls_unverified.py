"""Keys are fetched over TLS without verifying the server's certificate.

"proxy_ssl_verify" is off by default: an attacker who can respond in place of the key server can
supply his own keys and sign tokens with them.  Also set the file of trusted certificates, and
"proxy_ssl_server_name" for servers with several names.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass https://idp.example.com/jwks.json;
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
        proxy_ssl_server_name on;
        proxy_ssl_trusted_certificate keys/ca.pem;
        proxy_pass https://idp.example.com/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.jwks import key_locations
from ..flow.tls import passes_over_tls
from ..model.backends import verifies
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J12", "jwks-tls-unverified", Severity.ERROR, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in key_locations(conf):
        target = fetched.block.target
        if target is None or not passes_over_tls(fetched.block):
            continue
        if not verifies(fetched.block):
            yield fetched.fault(
                f"keys are fetched from {target.text.text} without verifying its certificate",
                f'set "{fetched.block.named("ssl_verify")} on" and '
                f'"{fetched.block.named("ssl_trusted_certificate")}"',
            )
