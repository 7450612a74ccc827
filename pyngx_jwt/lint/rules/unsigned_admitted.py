"""The configuration accepts tokens that anyone can create.

In kjdev's module, a requirement on the header that allows the algorithm "none" disables the
signature check: tokens without a signature are accepted.  In max-lt's module, a key that is
empty after decoding makes claims of unverified tokens available.  pyngx does not start with
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

from ..errors.diagnose import reported_by
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D05", "unsigned-admitted", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for spot, message in reported_by(rule.name, conf.analysis):
        if "Invalid key" in message:
            yield Hit(
                spot, "the key is empty: max-lt's module sets variables from unverified tokens"
            )
        else:
            yield Hit(spot, message, "remove the value: kjdev's module accepts such tokens")
