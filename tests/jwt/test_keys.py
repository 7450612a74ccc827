"""JWK Sets: what is used, what is skipped, what makes the whole set unusable."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pyngx_jwt.jwt import Json, KeySet, KeySetError, NoUsableKey, Reason
from pyngx_jwt.jwt.encoding import decode_base64url, encode_base64url
from pyngx_jwt.jwt.mint import SigningKey

from .keys import hs, jwks, key_set, outcome, refused, secret, signing_key, without

RSA = signing_key("RS256", "rsa").members()
EC = signing_key("ES256", "ec").members()
OKP = signing_key("EdDSA", "okp").members()
EC_PEM = (
    signing_key("ES256")
    .jwk.get_op_key("verify")
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
OCT = secret(b"k" * 64, kid="oct")
GOOD = secret(b"g" * 32, kid="good")


def rsa_of(bits: int) -> dict[str, Json]:
    n = (1 << bits - 1) | 1
    text = encode_base64url(n.to_bytes((bits + 7) // 8)).decode()
    return {"kty": "RSA", "n": text, "e": "AQAB"}


def exponent(value: int) -> dict[str, Json]:
    text = encode_base64url(value.to_bytes((value.bit_length() + 7) // 8)).decode()
    return {**RSA, "e": text}


@pytest.mark.parametrize(
    "jwk, kty, crv, algorithms",
    [
        (RSA, "RSA", None, ["RS256"]),
        (EC, "EC", "P-256", ["ES256"]),
        (OKP, "OKP", "Ed25519", ["Ed25519", "EdDSA"]),
        (OCT, "oct", None, ["HS256", "HS384", "HS512"]),
        (without(signing_key("ES384"), "alg"), "EC", "P-384", ["ES384"]),
        (without(signing_key("ES512"), "alg"), "EC", "P-521", ["ES512"]),
        (without(signing_key("ES256K"), "alg"), "EC", "secp256k1", ["ES256K"]),
        (signing_key("EdDSA", crv="Ed448").members(), "OKP", "Ed448", ["Ed448", "EdDSA"]),
        ({**OKP, "alg": "Ed25519"}, "OKP", "Ed25519", ["Ed25519", "EdDSA"]),
        ({**OCT, "alg": "HS384"}, "oct", None, ["HS384"]),
        ({**OCT, "crv": "P-256"}, "oct", None, ["HS256", "HS384", "HS512"]),
        ({**RSA, "key_ops": ["sign", "verify"]}, "RSA", None, ["RS256"]),
        ({**RSA, "jku": "http://x/", "x5u": "http://x/", "x5c": ["!"]}, "RSA", None, ["RS256"]),
        ({**RSA, "generate": "RSA", "size": 4096}, "RSA", None, ["RS256"]),
        ({**RSA, "n": f"{RSA['n']}=="}, "RSA", None, ["RS256"]),
        (rsa_of(2048), "RSA", None, ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]),
        (exponent(3), "RSA", None, ["RS256"]),
    ],
)
def test_used(jwk: dict[str, Json], kty: str, crv: str | None, algorithms: list[str]) -> None:
    keys = key_set(jwk)
    (key,) = keys.keys
    assert (key.kty, key.crv, key.kid) == (kty, crv, jwk.get("kid"))
    assert sorted(key.checks) == algorithms
    assert keys.warnings == ()


@pytest.mark.parametrize(
    "jwk, why",
    [
        ("text", "not an object"),
        ({}, 'unsupported key type ""'),
        ({"kty": "XXX"}, 'unsupported key type "XXX"'),
        ({"kty": "rsa", **without(signing_key("RS256"), "kty")}, 'unsupported key type "rsa"'),
        ({**RSA, "kty": 1}, '"kty", "use", "alg" or "kid" is not a string'),
        ({**RSA, "kid": 1}, '"kty", "use", "alg" or "kid" is not a string'),
        ({**RSA, "alg": None}, '"kty", "use", "alg" or "kid" is not a string'),
        ({**RSA, "kid": ""}, 'empty "kid"'),
        ({**RSA, "use": "enc"}, '"use" is not "sig"'),
        ({**RSA, "use": ""}, '"use" is not "sig"'),
        ({**RSA, "key_ops": ["sign"]}, '"key_ops" has no "verify"'),
        ({**RSA, "key_ops": []}, '"key_ops" has no "verify"'),
        ({**RSA, "key_ops": "verify"}, '"key_ops" has no "verify"'),
        ({**RSA, "alg": "RSA-OAEP"}, 'unsupported algorithm "RSA-OAEP"'),
        ({**RSA, "alg": "HS256"}, 'unsupported algorithm "HS256"'),
        ({**RSA, "alg": "none"}, 'unsupported algorithm "none"'),
        ({**RSA, "alg": "rs256"}, 'unsupported algorithm "rs256"'),
        ({**EC, "alg": "ES384"}, 'unsupported algorithm "ES384"'),
        ({**OCT, "alg": "RS256"}, 'unsupported algorithm "RS256"'),
        ({**OKP, "alg": "Ed448"}, 'unsupported algorithm "Ed448"'),
        ({**OKP, "alg": "ESP256"}, 'unsupported algorithm "ESP256"'),
        (without(signing_key("RS256"), "n"), '"n" is missing'),
        (without(signing_key("RS256"), "e"), '"e" is missing'),
        ({**RSA, "n": 5}, '"n" is not a string'),
        ({**RSA, "n": ""}, "RSA modulus of 0 bits"),
        (rsa_of(512), "RSA modulus of 512 bits"),
        (rsa_of(1023), "RSA modulus of 1023 bits"),
        (rsa_of(16385), "RSA modulus of 16385 bits"),
        (exponent(1), "unsuitable RSA exponent"),
        (exponent(65536), "unsuitable RSA exponent"),
        (exponent(2**64 + 1), "unsuitable RSA exponent"),
        ({**EC, "crv": "P-192"}, 'unsupported curve "P-192"'),
        ({**EC, "crv": "Ed25519"}, 'unsupported curve "Ed25519"'),
        ({**EC, "crv": "P-384"}, '"x" or "y" of wrong length'),
        (without(signing_key("ES256"), "y"), '"y" is missing'),
        ({**EC, "x": f"AAAA{EC['x']}"}, '"x" or "y" of wrong length'),
        ({**OKP, "crv": "X25519"}, 'unsupported curve "X25519"'),
        ({**OKP, "crv": "P-256"}, 'unsupported curve "P-256"'),
        ({**OKP, "crv": "Ed448"}, '"x" of wrong length'),
        (without(signing_key("EdDSA"), "x"), '"x" is missing'),
        ({"kty": "oct"}, '"k" is missing'),
        ({"kty": "oct", "k": ""}, "empty secret"),
        ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, 'unsupported key type "AKP"'),
    ],
)
def test_skipped(jwk: Json, why: str) -> None:
    keys = key_set(jwk, GOOD)
    assert [key.kid for key in keys.keys] == ["good"]
    (warning,) = keys.warnings
    assert warning.startswith("key 0") and warning.endswith(f" is skipped: {why}")
    with pytest.raises(KeySetError) as caught:
        key_set(jwk)
    assert str(caught.value) == f"no usable key in the JWK Set; {warning}"


@pytest.mark.parametrize(
    "jwk, warnings",
    [
        (rsa_of(1024), ["key 0: RSA modulus of 1024 bits is weak"]),
        (rsa_of(2047), ["key 0: RSA modulus of 2047 bits is weak"]),
        (secret(b"short"), ["key 0: secret of 5 bytes is weak"]),
        (secret(bytes(47), alg="HS384"), ["key 0: secret of 47 bytes is weak"]),
        (secret(bytes(63), alg="HS512"), ["key 0: secret of 63 bytes is weak"]),
        (secret(bytes(48), alg="HS384"), []),
        (secret(bytes(32)), []),
        (
            signing_key("RS256", "a\nb").members(private=True),
            [r'key 0 (kid "a\nb"): private key; only its public part is used'],
        ),
    ],
)
def test_used_with_a_warning(jwk: dict[str, Json], warnings: list[str]) -> None:
    keys = key_set(jwk)
    assert len(keys.keys) == 1
    assert list(keys.warnings) == warnings


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_private_key_verifies_and_is_not_kept(alg: str) -> None:
    key = signing_key(alg)
    keys = key_set(key.members(private=True))
    assert outcome(key.sign({}), keys) == "ACCEPTED"
    assert not hasattr(keys.keys[0].material, "sign")


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "JWK Set is not valid JSON: "),
        ("-----BEGIN PUBLIC KEY-----", "JWK Set is not valid JSON: "),
        ('{"keys":[],"keys":[]}', "JWK Set is not valid JSON: a member name is repeated"),
        ("[]", 'JWK Set is not an object with an array "keys"'),
        (json.dumps(RSA), 'JWK Set is not an object with an array "keys"'),
        ('{"keys":{}}', 'JWK Set is not an object with an array "keys"'),
        ('{"keys":[]}', "no usable key in the JWK Set"),
        (jwks(*[GOOD] * 65), "JWK Set has more than 64 keys"),
        (jwks(GOOD) + " " * 262_144, "JWK Set is longer than 262144 bytes"),
        ("\u20ac", "JWK Set is not text of one character per byte"),
        (jwks(GOOD).replace('"kty"', '"kty":"RSA","kty"'), "JWK Set is not valid JSON: "),
    ],
)
def test_malformed(text: str, error: str) -> None:
    with pytest.raises(KeySetError) as caught:
        KeySet.parse(text)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    "jwk, fault",
    [
        ({**RSA, "n": "!!"}, '"n" is not base64url'),
        ({**RSA, "n": "A"}, '"n" is not base64url'),
        ({**RSA, "n": "\u00e9"}, '"n" is not base64url'),
        ({**RSA, "n": str(RSA["n"]).replace("-", "+").replace("_", "/") + "+/=="}, '"n" is not'),
        ({**EC, "x": "+" * 43}, '"x" is not base64url'),
        ({**OCT, "k": "a b"}, '"k" is not base64url'),
        ({**EC, "y": "A" * 43}, "Invalid EC key"),
    ],
)
def test_malformed_key_does_not_disable_the_others(jwk: dict[str, Json], fault: str) -> None:
    """RFC 7517, section 5.  A refusal of its kid names the fault."""
    keys = key_set(jwk, GOOD)
    assert [key.kid for key in keys.keys] == ["good"]
    (warning,) = keys.warnings
    assert warning.startswith(f'key 0 (kid "{jwk["kid"]}") is skipped: {fault}')
    assert warning.isascii() and warning.isprintable()
    refusal = refused(hs({}, {"alg": "HS256", "kid": jwk["kid"]}), keys)
    assert refusal.reason is Reason.UNKNOWN_KID
    assert f"its key is skipped: {fault}" in refusal.detail


def test_set_of_malformed_keys_withdraws_none() -> None:
    """Other than a set whose keys are for something else, or that is empty."""
    with pytest.raises(KeySetError) as caught:
        key_set({**RSA, "n": "!!"})
    assert not isinstance(caught.value, NoUsableKey)
    for nothing in ([], [{**RSA, "use": "enc"}]):
        with pytest.raises(NoUsableKey):
            key_set(*nothing)


def test_faults_by_kid() -> None:
    """Of kids that no usable key has."""
    one, other = secret(b"a" * 32, kid="k"), secret(b"b" * 32, kid="k")
    keys = key_set({**RSA, "use": "enc"}, {**RSA, "kid": "good", "n": "!"}, GOOD, one, other)
    assert keys.unusable == {"rsa": '"use" is not "sig"', "k": "more than one"}
    pem = KeySet.parse_pem_map(json.dumps({"a": "none", "b": EC_PEM}))
    assert pem.unusable == {"a": "not in PEM"}


def test_limits_that_are_just_kept() -> None:
    assert len(key_set(*[GOOD] * 64).keys) == 64
    text = jwks(GOOD)
    whole = text + " " * (262_144 - len(text))
    assert KeySet.parse(whole)
    with pytest.raises(KeySetError):
        KeySet.parse(f"{whole} ")


def test_errors_and_repr_hold_no_secret() -> None:
    keys = key_set(OCT)
    k = str(OCT["k"])
    for text in (repr(keys), repr(keys.keys), repr(signing_key("HS256"))):
        assert k not in text and k not in text and repr(b"k" * 64) not in text
    with pytest.raises(KeySetError) as caught:
        key_set({**OCT, "k": f"{k}!"})
    assert k not in str(caught.value)


def test_generation_follows_the_text() -> None:
    assert KeySet.parse(jwks(GOOD)).generation == KeySet.parse(jwks(GOOD).encode()).generation
    assert key_set(GOOD).generation != key_set(OCT).generation
    assert KeySet.parse(jwks(GOOD) + " ").generation != KeySet.parse(jwks(GOOD)).generation


def test_by_kid() -> None:
    same = secret(b"s" * 64, kid="good", alg="HS512")
    keys = key_set({**GOOD, "alg": "HS256"}, secret(b"u" * 32), same, RSA)
    assert [len(keys.by_kid[kid]) for kid in ("good", "rsa")] == [2, 1]
    assert [key.material for key in keys.by_kid["good"]] == [b"g" * 32, b"s" * 64]
    assert [key.material for key in keys.unlabelled] == [b"u" * 32]


def test_kid_of_several_keys() -> None:
    """Of a token with that kid nobody could tell which of them is meant."""
    one, other = secret(b"a" * 32, kid="k"), secret(b"b" * 32, kid="k")
    with pytest.raises(KeySetError, match='keys of kid "k" are skipped: more than one'):
        key_set(one, other)
    keys = key_set(one, GOOD, other)
    assert [key.kid for key in keys.keys] == ["good"]
    assert keys.warnings == ('keys of kid "k" are skipped: more than one',)
    assert len(key_set(one, one).keys) == 2
    assert len(key_set(one, {**RSA, "kid": "k"}).keys) == 2


def test_kid_is_unicode_whatever_the_source() -> None:
    jwk = secret(kid="\u00e9\u20ac")
    text = json.dumps({"keys": [jwk]}, ensure_ascii=False).encode()
    for source in (text, text.decode("latin-1"), jwks(jwk)):
        assert list(KeySet.parse(source).by_kid) == ["\u00e9\u20ac"]


def test_modulus_with_a_leading_zero() -> None:
    """As some issuers encode a signed integer."""
    key = signing_key("RS256")
    n = decode_base64url(str(key.members()["n"]).encode())
    padded = encode_base64url(b"\0" + n).decode()
    assert outcome(key.sign({}), key_set({**key.members(), "n": padded})) == "ACCEPTED"


def test_legacy_modulus_verifies() -> None:
    key = SigningKey.generate("RS256", bits=1024)
    assert outcome(key.sign({}), key_set(key)) == "ACCEPTED"


def test_keys_of_issuers() -> None:
    """Which key verifies a token decides, not which one could."""
    mine = key_set(secret(b"m" * 32)).bound_to(frozenset({"a"}))
    theirs = key_set(secret(b"t" * 32)).bound_to(frozenset({"b", "c"}))
    free = key_set(secret(b"f" * 32))
    assert len({mine.generation, theirs.generation, key_set(secret(b"m" * 32)).generation}) == 3
    tokens: list[tuple[bytes, Json, str]] = [
        (b"m", "a", "ACCEPTED"),
        (b"m", "b", "ISSUER"),
        (b"t", "b", "ACCEPTED"),
        (b"t", "c", "ACCEPTED"),
        (b"t", "a", "ISSUER"),
        (b"f", "x", "ACCEPTED"),
        (b"m", None, "ISSUER"),
        (b"m", ["a"], "ISSUER"),
    ]
    for octets, issuer, expected in tokens:
        token = hs({"iss": issuer}, None, octets * 32)
        assert outcome(token, mine, theirs, free) == expected
    assert outcome(hs({}, None, b"m" * 32), mine) == "ISSUER"
    assert "m" * 32 not in repr(mine)
