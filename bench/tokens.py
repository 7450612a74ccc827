"""Keys and tokens of the bench, minted with jwcrypto."""

from __future__ import annotations

import json
import time
from functools import cache

from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jwt import JWT  # type: ignore[import-untyped]

SIGNING: dict[str, dict[str, str | int]] = {
    "HS256": {"kty": "oct", "size": 256},
    "RS256": {"kty": "RSA", "size": 2048},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES512": {"kty": "EC", "crv": "P-521"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
ENC = "A256GCM"
ENCRYPTING: dict[str, dict[str, str | int]] = {
    "dir": {"kty": "oct", "size": 256, "alg": ENC},
    "RSA-OAEP-256": {"kty": "RSA", "size": 2048, "alg": "RSA-OAEP-256"},
}


@cache
def key(algorithm: str) -> JWK:
    kid = algorithm.lower()
    if algorithm in ENCRYPTING:
        return JWK.generate(**ENCRYPTING[algorithm], kid=kid, use="enc")
    return JWK.generate(**SIGNING[algorithm], kid=kid, alg=algorithm, use="sig")


@cache
def jwks() -> str:
    """What is needed to verify signatures, as a JWK Set."""
    keys = [key(name) for name in SIGNING]
    return json.dumps({"keys": [k.export(private_key=k.is_symmetric, as_dict=True) for k in keys]})


@cache
def private_jwks() -> str:
    """What is needed to decrypt, as a JWK Set."""
    return json.dumps({"keys": [key(name).export(as_dict=True) for name in ENCRYPTING]})


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
    header = {"alg": algorithm, "kid": algorithm.lower(), "typ": "JWT"}
    if algorithm in ENCRYPTING:
        token = JWT(header={**header, "enc": ENC}, claims=claims)
        token.make_encrypted_token(key(algorithm))
    else:
        token = JWT(header=header, claims=claims)
        token.make_signed_token(key(algorithm))
    text: str = token.serialize()
    return text
