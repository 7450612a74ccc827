"""A key is too short: a secret shorter than its hash, or an RSA key below 2048 bits.

Anyone who has a single token can try secrets offline, billions per second: a password of eight
letters does not last a day.  RFC 7518 requires at least as many bytes as the hash has (32 for
HS256, 48 for HS384, 64 for HS512), and 2048 bits for RSA.  Create the secret with "openssl
rand", not by hand.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/short.json;
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        auth_jwt on;
        auth_jwt_key "a secret of many years" utf8;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import Key
from ..finding import Severity
from ..model.configuration import Configuration
from ..model.keys import KeySource, key_sources
from ..rule import Hit, Rule

rule = Rule("J04", "weak-key", Severity.ERROR)
LEAST = {"HS256": 256, "HS384": 384, "HS512": 512}  # bits (RFC 7518, section 3.2)
LEAST_RSA = 2048  # RFC 7518, section 3.3


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for source in key_sources(conf):
        for key in source.keys:
            least, what = _least(key, source)
            if key.bits < least:
                named = "" if key.kid is None else f' of kid "{key.kid}"'
                text = f"the key{named} has {key.bits} bits, but {what} needs at least {least}"
                yield Hit(source.statement, text)


def _least(key: Key, source: KeySource) -> tuple[int, str]:
    if key.kty == "RSA":
        return LEAST_RSA, "RSA"
    if key.kty != "oct":
        return 0, ""
    name = min(source.algorithms(key) or {"HS256"})
    return LEAST[name], name
