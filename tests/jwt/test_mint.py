"""Keys and tokens for development."""

from __future__ import annotations

import json

import pytest

from pyngx_jwt.jwt import ALGORITHMS, Json, KeySet
from pyngx_jwt.jwt.mint import EncryptionKey, SigningKey, key_set, mint

from .keys import accepted, outcome


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_mint(alg: str) -> None:
    token, text, key = mint(alg, {"sub": "u"}, kid="k")
    keys = KeySet.parse(text)
    verified = accepted(token, keys)
    assert verified.header == {"alg": alg, "typ": "JWT", "kid": "k"}
    assert verified.claims == {"sub": "u"}
    assert keys.warnings == ()
    assert "d" not in json.loads(text)["keys"][0]
    assert outcome(key.sign(b'{"n":1}', {"typ": "x"}), keys) == "ACCEPTED"


def test_key_set_of_several_keys() -> None:
    keys = [SigningKey.generate(alg, alg) for alg in ("HS256", "ES256", "EdDSA")]
    parsed = KeySet.parse(key_set(*keys))
    assert [key.kid for key in parsed.keys] == ["HS256", "ES256", "EdDSA"]
    for key in keys:
        assert outcome(key.sign({}), parsed) == "ACCEPTED"


def test_key_survives_its_file() -> None:
    key = SigningKey.generate("ES256", "k")
    again = SigningKey.from_members(json.loads(json.dumps(key.members(private=True))))
    assert outcome(again.sign({}), KeySet.parse(key_set(key))) == "ACCEPTED"


def test_key_of_a_secret() -> None:
    octets = bytes(range(40))
    key = SigningKey.from_secret("HS256", octets, "k")
    assert outcome(key.sign({}), KeySet.parse(key_set(key))) == "ACCEPTED"
    assert outcome(key.sign({}), KeySet.of_secret(octets)) == "ACCEPTED"


def test_public_key_in_pem() -> None:
    for alg in ("RS256", "ES256", "EdDSA"):
        key = SigningKey.generate(alg)
        assert outcome(key.sign({}), KeySet.parse_pem(key.pem())) == "ACCEPTED"
    with pytest.raises(ValueError, match="a secret has no public key"):
        SigningKey.generate("HS256").pem()


@pytest.mark.parametrize(
    "members, reason",
    [
        ({"kty": "EC"}, "not a JWK"),
        ({}, "not a JWK"),
        ({"kty": "oct", "k": "AAAA"}, 'it is not a key for "alg" null'),
        ({"kty": "oct", "k": "AAAA", "alg": "RS256"}, 'it is not a key for "alg" "RS256"'),
        (SigningKey.generate("ES256").members(), "not a private key"),
    ],
)
def test_no_signing_key(members: dict[str, Json], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SigningKey.from_members(members)


def test_no_encryption_key() -> None:
    key = EncryptionKey.generate("A128KW", "A128GCM")
    assert EncryptionKey.from_members("A128KW", "A256GCM", key.members()).enc == "A256GCM"
    for alg in ("RSA-OAEP", "A256KW"):
        with pytest.raises(ValueError, match="it is not a key for"):
            EncryptionKey.from_members(alg, "A128GCM", key.members())
