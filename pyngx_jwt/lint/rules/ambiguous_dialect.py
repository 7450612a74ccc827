"""The JWT directives do not show whether they are for NGINX Plus or for kjdev's module.

pyngx reads the configuration in the dialect of NGINX Plus.  kjdev's module refuses tokens
without "exp", which NGINX Plus accepts; it does not check "nbf"; and it answers 401 instead of
500 if keys are not available.  Set "pyngx_jwt_dialect" to choose.  nginx does not know this
directive, so leave it out of configurations that nginx runs.

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
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D25", "ambiguous-dialect", Severity.INFO)
COMMON = ("auth_jwt", "auth_jwt_key_file", "auth_jwt_key_request")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if not conf.analysis.choice.ambiguous or conf.analysis.is_partial:
        return
    for _, statement in conf.statements(*COMMON):
        yield Hit(
            statement,
            'read in the dialect of NGINX Plus; kjdev\'s module requires "exp", does not check '
            '"nbf" and answers 401 instead of 500 if keys are not available',
            'set "pyngx_jwt_dialect"',
        )
        return
