"""Examples in RFCs of key sets, and of tokens that are refused."""

from __future__ import annotations

import pytest

from pyngx_jwt.jwt import Json, KeySet, KeySetError, TokenRefusal, check_signature, parse_signed

from .jwk_examples import KEY_SETS, REFUSED
from .keys import ENCRYPTED, EVERY, NESTED, enc_set, key_set, outcome


def abilities(keys: KeySet) -> dict[str, str]:
    return {key.kid or "": " ".join(sorted([*key.checks, *key.decrypts])) for key in keys.keys}


@pytest.mark.parametrize("source, jwks, verify, both", KEY_SETS, ids=[e[0] for e in KEY_SETS])
def test_key_sets(
    source: str, jwks: list[dict[str, Json]], verify: dict[str, str], both: dict[str, str]
) -> None:
    assert abilities(enc_set(*jwks)) == both
    if verify:
        assert abilities(key_set(*jwks)) == verify
    else:
        with pytest.raises(KeySetError):
            key_set(*jwks)


EVERY_KEY = enc_set(*[jwk for _, jwks, _, _ in KEY_SETS for jwk in jwks])


@pytest.mark.parametrize("source, why, token", REFUSED, ids=[e[0] for e in REFUSED])
def test_refused(source: str, why: str, token: str) -> None:
    policies = [EVERY] if token.count(".") == 2 else [ENCRYPTED, NESTED]
    for policy in policies:
        assert outcome(token, EVERY_KEY, policy=policy) == why


def test_payload_that_is_no_claims_set() -> None:
    """RFC 7797, section 4.1: a JWS, but no JWT."""
    token = "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ"
    signed = parse_signed(token)
    assert not isinstance(signed, TokenRefusal)
    assert signed.payload == b"$.02" and check_signature(signed, [EVERY_KEY], EVERY) is None
    assert outcome(token, EVERY_KEY) == "MALFORMED"
