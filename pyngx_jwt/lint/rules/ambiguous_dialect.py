"""NGINX Plus and kjdev's module both have all of the JWT directives here, and differ.

pyngx takes the configuration for one of NGINX Plus.  kjdev's module refuses tokens without "exp",
which NGINX Plus takes; it never looks at "nbf" by itself; and it answers 401 and not 500 if
keys cannot be had.  "pyngx_jwt_dialect" says which of them is meant; nginx does not know it, so
leave it out of what is to run there.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    pyngx_jwt_dialect kjdev;
    server {
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model import Configuration
from ..rule import Hit, Rule

rule = Rule("D25", "ambiguous-dialect", Severity.INFO)
COMMON = ("auth_jwt", "auth_jwt_key_file", "auth_jwt_key_request")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if not conf.analysis.choice.ambiguous:
        return
    for _, statement in conf.statements(*COMMON):
        yield Hit(
            statement,
            'read as NGINX Plus means it; kjdev\'s module demands "exp", leaves "nbf" unchecked '
            "and answers 401 instead of 500 without keys",
            'say which is meant with "pyngx_jwt_dialect"',
        )
        return
