"""Secrets and public keys are in one set, or two keys share a "kid".

Where a set has both, an implementation that chooses the algorithm by the token may take a public
key, which everybody has, for the secret of HS256.  Of two keys with one "kid" it depends on their
order, or on the implementation, which of them counts.  Keep secrets in a file of their own, and
give each key a "kid" of its own.

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
from ..keys import Jwk, is_for_signatures, key_sources
from ..model import Configuration
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
                f"a secret and keys of type {' and '.join(public)} are in one set",
                "keep secrets in a file of their own",
            )
        for kid in _repeated(jwks):
            yield Hit(source.statement, f'several keys have the "kid" "{kid}"')


def _repeated(jwks: list[Jwk]) -> Iterator[str]:
    """The kids of different keys."""
    first: dict[str, Jwk] = {}
    told: set[str] = set()
    for jwk in jwks:
        kid = jwk.get("kid")
        if isinstance(kid, str) and first.setdefault(kid, jwk) != jwk and kid not in told:
            told.add(kid)
            yield kid
