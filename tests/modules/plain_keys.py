"""Tokens of one secret or of one public key in PEM, for the modules that have such keys, and
what the log says of them."""

from __future__ import annotations

import re
import time

from cryptography.hazmat.primitives import serialization

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import SECRET, hs, signing_key
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import EXP

HEX = SECRET.hex()
RSA, EC, ED = signing_key("RS256"), signing_key("ES256"), signing_key("EdDSA")
PEM = serialization.Encoding.PEM
PAGE = {"html/a": "content"}
_LINE = re.compile(r"\[(\w+)\] \d+#\d+: \*\d+ (.*?)(?: \((?:token |refused: ).*)?, client: ")


def pem(key: SigningKey) -> str:
    """The public part."""
    public = key.jwk.get_op_key("verify")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = public.public_bytes(PEM, form)
    return text.decode()


def claims_of(**claims: Json) -> dict[str, Json]:
    """Claims that are good for an hour, unless they say otherwise; None leaves one out."""
    members: dict[str, Json] = {"sub": "u1", "exp": EXP, **claims}
    return {name: value for name, value in members.items() if value is not None}


def good(alg: str = "HS256", /, **claims: Json) -> str:
    """A token of the secret."""
    return hs(claims_of(**claims), {"alg": alg})


def auth(token: str, scheme: str = "Bearer ") -> str:
    return f"Authorization: {scheme}{token}"


def status(nginx: Nginx, uri: str, *fields: str, method: str = "GET") -> int:
    return nginx.request(f"{method} {uri}", *fields).status


def wait_for(nginx: Nginx, found: int, uri: str, *fields: str) -> None:
    """Asks until that is the status: a file is looked at once in a second."""
    deadline = time.monotonic() + DEADLINE
    while status(nginx, uri, *fields) != found:
        assert time.monotonic() < deadline


def sentences(nginx: Nginx) -> list[str]:
    """What the log says of tokens: level and sentence, without our reason in parentheses."""
    lines = nginx.error_log().splitlines()
    found = [_LINE.search(line) for line in lines if "JWT" in line or " refused: " in line]
    return [f"{match[1]}: {match[2]}" for match in found if match]
