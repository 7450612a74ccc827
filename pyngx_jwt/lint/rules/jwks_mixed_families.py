"""A key set contains both secrets and public keys, or two keys with the same "kid".

With both in one set, an implementation that selects the algorithm by the token may use a public
key, which is known to everyone, as the secret for HS256.  For two keys with one "kid", the order
of the keys or the implementation decides which is used.  Keep secrets in a separate file, and
give each key its own "kid".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/mixed.json;
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

from ..finding import Severity
from ..model.configuration import Configuration
from ..model.keys import Jwk, is_for_signatures, key_sources
from ..rule import Hit, Rule

rule = Rule("J08", "jwks-mixed-families", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for source in key_sources(conf):
        jwks = [jwk for jwk in source.jwks if is_for_signatures(jwk)]
        kinds = {kty for jwk in jwks if isinstance(kty := jwk.get("kty"), str)}
        public = sorted(kinds & {"RSA", "EC", "OKP"})
        if "oct" in kinds and public:
            yield Hit(
                source.statement,
                f"the key set contains a secret and keys of type {' and '.join(public)}",
                "keep secrets in a separate file",
            )
        for kid in _repeated(jwks):
            yield Hit(source.statement, f'several keys have the "kid" "{kid}"')


def _repeated(jwks: list[Jwk]) -> Iterator[str]:
    """The kids of different keys."""
    first: dict[str, Jwk] = {}
    reported: set[str] = set()
    for jwk in jwks:
        kid = jwk.get("kid")
        if isinstance(kid, str) and first.setdefault(kid, jwk) != jwk and kid not in reported:
            reported.add(kid)
            yield kid
