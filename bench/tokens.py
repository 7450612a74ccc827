"""Keys and tokens of the bench, minted with jwcrypto."""

from __future__ import annotations

import json
import time
from functools import cache

from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jwt import JWT  # type: ignore[import-untyped]

KEYS: dict[str, dict[str, str | int]] = {
    "RS256": {"kty": "RSA", "size": 2048},
    "ES256": {"kty": "EC", "crv": "P-256"},
}


@cache
def key(algorithm: str) -> JWK:
    return JWK.generate(**KEYS[algorithm], kid=algorithm.lower(), alg=algorithm, use="sig")


@cache
def jwks() -> str:
    """The public halves, as a JWK Set."""
    return json.dumps({"keys": [key(name).export_public(as_dict=True) for name in KEYS]})


def mint(algorithm: str, number: int) -> str:
    """A token good for a day; its subject is the number."""
    now = int(time.time())
    claims = {
        "iss": "https://issuer.example",
        "sub": f"user-{number}",
        "iat": now,
        "exp": now + 86400,
        "roles": ["reader", "writer"],
    }
    token = JWT(header={"alg": algorithm, "kid": algorithm.lower(), "typ": "JWT"}, claims=claims)
    token.make_signed_token(key(algorithm))
    text: str = token.serialize()
    return text
