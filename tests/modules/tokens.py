"""Tokens, keys and snippets for the tests of auth_jwt."""

from __future__ import annotations

import time

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import jwks, signing_key

KEY = signing_key("ES256", "k1")
OTHER = signing_key("ES256", "k2")
FILES = {"jwks.json": jwks(KEY), "other.json": jwks(OTHER)}
KEYS = "auth_jwt_key_file jwks.json;"
EXP = int(time.time()) + 3600


def token(key: SigningKey = KEY, /, **claims: Json) -> str:
    """A token that is good for an hour, unless the claims say otherwise; None leaves one out."""
    members: dict[str, Json] = {"sub": "u1", "exp": EXP, **claims}
    return key.sign({name: value for name, value in members.items() if value is not None})


def bearer(key: SigningKey = KEY, /, **claims: Json) -> str:
    """The line of a request head with such a token."""
    return f"Authorization: Bearer {token(key, **claims)}"


def tampered(text: str) -> str:
    """The token with another first character of its signature."""
    head, _, signature = text.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
