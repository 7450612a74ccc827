"""Signatures: the examples of the RFCs, other implementations, edges of ECDSA and RSA."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from pyngx_jwt.jwt import ALGORITHMS, TokenRefusal, read
from pyngx_jwt.jwt.algorithms import Check
from pyngx_jwt.jwt.encoding import decode_base64url, decode_json

from .keys import NOW, accepted, key_set, outcome, signing_key
from .rfc_examples import EXAMPLES

VARIANTS = [(alg, None) for alg in ALGORITHMS] + [("EdDSA", "Ed448")]
variants = pytest.mark.parametrize("alg, crv", VARIANTS)


def parts(token: str) -> tuple[str, bytes, bytes]:
    """Algorithm, signature and signing input of a token whose payload need not be JSON."""
    first, second, third = token.encode().split(b".")
    header = decode_json(decode_base64url(first))
    assert isinstance(header, dict)
    return str(header["alg"]), decode_base64url(third), first + b"." + second


def check_of(alg: str, crv: str | None = None) -> Check:
    return key_set(signing_key(alg, crv=crv)).keys[0].checks[alg]


@pytest.mark.parametrize("source, jwk, token", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_examples(source: str, jwk: dict[str, str], token: str) -> None:
    alg, signature, signed = parts(token)
    (key,) = key_set(dict(jwk)).keys
    assert key.checks[alg](signature, signed)
    assert not key.checks[alg](signature, signed + b"x")
    for n in range(0, len(signature), 7):
        changed = bytearray(signature)
        changed[n] ^= 1
        assert not key.checks[alg](bytes(changed), signed)


@pytest.mark.parametrize("source, jwk, token", EXAMPLES[:3], ids=[e[0] for e in EXAMPLES[:3]])
def test_examples_whole(source: str, jwk: dict[str, str], token: str) -> None:
    keys = key_set(dict(jwk))
    claims = {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert accepted(token, keys, now=1300819379).claims == claims
    assert outcome(token, keys, now=1300819380) == "EXPIRED"


def test_unsecured_example() -> None:
    """RFC 7519, section 6.1."""
    token = (
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    )
    assert outcome(token, key_set(signing_key("RS256")), now=1300819379) == "ALGORITHM"


@variants
def test_own_tokens(alg: str, crv: str | None) -> None:
    key = signing_key(alg, crv=crv)
    assert accepted(key.sign({"sub": "é"}), key_set(key)).claims == {"sub": "é"}


@variants
def test_tokens_of_jwcrypto(alg: str, crv: str | None) -> None:
    key = signing_key(alg, crv=crv)
    jws = JWS(b'{"sub":"x"}')
    jws.allowed_algs = [alg]
    jws.add_signature(key.jwk, alg, json.dumps({"alg": alg}))
    assert accepted(jws.serialize(compact=True), key_set(key)).claims == {"sub": "x"}


@variants
def test_jwcrypto_takes_our_tokens(alg: str, crv: str | None) -> None:
    key = signing_key(alg, crv=crv)
    jws = JWS()
    jws.allowed_algs = [alg]
    jws.deserialize(key.sign({"sub": "x"}), JWK(**key.members()))
    assert json.loads(jws.payload) == {"sub": "x"}


@variants
def test_signature_of_any_other_length(alg: str, crv: str | None) -> None:
    check = check_of(alg, crv)
    _, signature, signed = parts(signing_key(alg, crv=crv).sign({}))
    assert check(signature, signed)
    assert not check(b"", signed)
    assert not check(signature[:-1], signed)
    assert not check(signature[1:], signed)
    assert not check(signature + b"\0", signed)
    assert not check(b"\0" + signature, signed)


@variants
def test_signature_of_another_key_or_text(alg: str, crv: str | None) -> None:
    check = check_of(alg, crv)
    _, signature, signed = parts(signing_key(alg, "other", crv).sign({}))
    assert not check(signature, signed)
    _, signature, signed = parts(signing_key(alg, crv=crv).sign({}))
    assert not check(signature, signed[:-1])


CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
    "ES256K": ec.SECP256K1(),
}
ORDERS = {alg: curve.group_order for alg, curve in CURVES.items()}


@pytest.mark.parametrize("alg", ORDERS)
def test_ecdsa_numbers_out_of_range(alg: str) -> None:
    """The "psychic" zeros (CVE-2022-21449) and what is congruent to a good number."""
    check, order = check_of(alg), ORDERS[alg]
    _, signature, signed = parts(signing_key(alg).sign({}))
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])

    def verifies(r: int, s: int) -> bool:
        return check(r.to_bytes(half) + s.to_bytes(half), signed)

    assert verifies(r, s)
    assert verifies(r, order - s)  # the other signature that anybody can make of a good one
    for bad in (0, order, order + 1, 256**half - 1):
        assert not verifies(bad, s)
        assert not verifies(r, bad)
        assert not verifies(bad, bad)
    if s + order < 256**half:
        assert not verifies(r, s + order)
    assert not check(r.to_bytes(half) + s.to_bytes(half + 1), signed)


def test_ecdsa_in_der() -> None:
    key = signing_key("ES256")
    _, _, signed = parts(key.sign({}))
    der = key.jwk.get_op_key("sign").sign(signed, ec.ECDSA(SHA256()))
    assert not check_of("ES256")(der, signed)


def test_rsa_schemes_and_hashes_do_not_mix() -> None:
    jwk = {n: v for n, v in signing_key("RS256").members().items() if n != "alg"}
    (key,) = key_set(dict(jwk)).keys
    assert sorted(key.checks) == ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    _, signature, signed = parts(signing_key("RS256").sign({}))
    assert [alg for alg, check in key.checks.items() if check(signature, signed)] == ["RS256"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_bound_to_its_kind_of_key(alg: str) -> None:
    """Even a mistake in the table of what fits could not make a check of the wrong key."""
    for other in ALGORITHMS:
        (key,) = key_set(signing_key(other)).keys
        if not ALGORITHMS[alg].fits(key.kty, key.crv):
            with pytest.raises(TypeError):
                ALGORITHMS[alg].make(key.material)


def test_none_is_no_algorithm() -> None:
    assert "none" not in ALGORITHMS


def test_reading_needs_no_key() -> None:
    token = read(signing_key("ES256", "k").sign({"exp": NOW}))
    assert not isinstance(token, TokenRefusal)
    assert (token.header["kid"], token.claims) == ("k", {"exp": NOW})
