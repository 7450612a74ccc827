"""Tokens are admitted that anybody can make.

In kjdev's module a requirement on the header that admits the algorithm "none" turns off the check
of signatures: whoever leaves the signature out is let in.  In max-lt's module a key that is
empty once it is decoded makes claims count that nobody has verified.  pyngx does not start with
either.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require_header alg in 'json=["HS256", "none"]';
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        auth_jwt on;
        auth_jwt_key "====" base64;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require_header alg in 'json=["HS256", "HS512"]';
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnose import told_by
from ..finding import Severity
from ..model import Configuration
from ..rule import Hit, Rule

rule = Rule("D05", "unsigned-admitted", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for spot, message in told_by(rule.name, conf.analysis):
        if "Invalid key" in message:
            yield Hit(spot, "the key is empty: max-lt's module lets variables tell any claims")
        else:
            yield Hit(spot, message, "leave the value out: kjdev's module takes it at its word")
