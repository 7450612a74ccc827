"""Keys, made once, and short cuts to tokens and key sets of them."""

from __future__ import annotations

import hmac
import json
from functools import cache

from pyngx_jwt.jwt import (
    SIG_AND_ENC,
    Form,
    Json,
    KeySet,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    verify,
)
from pyngx_jwt.jwt.algorithms import ALGORITHMS
from pyngx_jwt.jwt.encoding import encode_base64url, encode_json
from pyngx_jwt.jwt.mint import EncryptionKey, SigningKey

NOW = 1_800_000_000
EVERY = TokenPolicy(algorithms=frozenset(ALGORITHMS))
ENCRYPTED = TokenPolicy(form=Form.ENCRYPTED)
NESTED = TokenPolicy(algorithms=frozenset(ALGORITHMS), form=Form.NESTED)
SECRET = b"a secret that two services share"


def signing_key(
    alg: str, kid: str | None = None, crv: str | None = None, copy: int = 0
) -> SigningKey:
    """The same key for the same arguments."""
    return _signing_key(alg, kid, crv, copy)


@cache
def _signing_key(alg: str, kid: str | None, crv: str | None, copy: int) -> SigningKey:
    return SigningKey.generate(alg, kid, crv=crv)


@cache
def encryption_key(alg: str, enc: str, kid: str | None = None, copy: int = 0) -> EncryptionKey:
    """The same key for the same arguments."""
    return EncryptionKey.generate(alg, enc, kid)


Listed = Json | SigningKey | EncryptionKey


def jwks(*keys: Listed) -> str:
    minted = SigningKey | EncryptionKey
    return json.dumps({"keys": [k.members() if isinstance(k, minted) else k for k in keys]})


def key_set(*keys: Listed) -> KeySet:
    return KeySet.parse(jwks(*keys))


def enc_set(*keys: Listed) -> KeySet:
    """A set of which keys may decrypt, too."""
    return KeySet.parse(jwks(*keys), SIG_AND_ENC)


def without(key: SigningKey, *names: str) -> dict[str, Json]:
    return {name: value for name, value in key.members().items() if name not in names}


def secret(octets: bytes = SECRET, **members: str) -> dict[str, Json]:
    return {"kty": "oct", "k": encode_base64url(octets).decode(), **members}


def hs(
    claims: Json | bytes, header: dict[str, Json] | bytes | None = None, octets: bytes = SECRET
) -> str:
    """A token with any header and payload, and a good HMAC of it (HS256 unless HS384, HS512)."""
    members: dict[str, Json] | bytes = {"alg": "HS256"} if header is None else header
    first = members if isinstance(members, bytes) else encode_json(members).encode()
    second = claims if isinstance(claims, bytes) else encode_json(claims).encode()
    signed = encode_base64url(first) + b"." + encode_base64url(second)
    alg = members.get("alg") if isinstance(members, dict) else None
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(alg), "sha256")
    return (signed + b"." + encode_base64url(hmac.digest(octets, signed, digest))).decode()


def outcome(token: str, *sets: KeySet, policy: TokenPolicy = EVERY, now: float = NOW) -> str:
    """The reason of the refusal, by name, or ACCEPTED."""
    result = verify(token, sets, policy, now)
    return result.reason.name if isinstance(result, TokenRefusal) else "ACCEPTED"


def accepted(token: str, *sets: KeySet, policy: TokenPolicy = EVERY, now: float = NOW) -> Verified:
    result = verify(token, sets, policy, now)
    assert isinstance(result, Verified), result
    return result


def known(verifier: Verifier, token: str, now: float = NOW) -> Verified | TokenRefusal:
    """As verify(), of a token that was asked about before: from then on it is remembered."""
    verifier.verify(token, now)
    return verifier.verify(token, now)


def refused(
    token: str, *sets: KeySet, policy: TokenPolicy = EVERY, now: float = NOW
) -> TokenRefusal:
    result = verify(token, sets, policy, now)
    assert isinstance(result, TokenRefusal), result
    return result
