"""What is too large is refused before any work that grows with it."""

from __future__ import annotations

import json

import pytest

from pyngx_jwt.jwt import (
    LIMITS,
    Form,
    KeySet,
    KeySetError,
    Limits,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verifier,
    read,
)
from pyngx_jwt.jwt.encoding import Json, decode_json, encode_base64url

from .keys import NOW, enc_set, encryption_key, hs, jwks, key_set, outcome, secret, signing_key

HS = key_set(secret())


class Untouchable(str):
    """A text of which nothing but the length may be asked."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"{name} of a text beyond the limit")

    def __hash__(self) -> int:
        raise AssertionError("hash of a text beyond the limit")


class UntouchableBytes(bytes):
    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"{name} of octets beyond the limit")


@pytest.fixture
def nothing_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    for place in ("token.decode_base64url", "token.decode_json", "keys.decode_json"):
        monkeypatch.setattr(f"pyngx_jwt.jwt.{place}", decode)
    monkeypatch.setattr("pyngx_jwt.jwt.keys.hashlib", None)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("memory", [None, TokenMemory()])
@pytest.mark.usefixtures("nothing_decoded")
def test_huge_token(form: Form, memory: TokenMemory | None) -> None:
    for text in ("a" * 1_000_000, "." * 16385, "\u20ac." * 10_000):
        answer = Verifier(TokenPolicy(form=form), [HS], memory).verify(Untouchable(text), NOW)
        assert isinstance(answer, TokenRefusal)
        assert answer.text == "malformed token: longer than 16384 bytes"
        assert read(Untouchable(text)) == answer


@pytest.mark.usefixtures("nothing_decoded")
def test_huge_header() -> None:
    for form, dots in ((Form.SIGNED, ".."), (Form.ENCRYPTED, "....")):
        answer = Verifier(TokenPolicy(form=form), [HS]).verify("a" * 8193 + dots, NOW)
        assert isinstance(answer, TokenRefusal)
        assert answer.detail == "header longer than 8192 bytes"


@pytest.mark.usefixtures("nothing_decoded")
def test_huge_key_sets() -> None:
    for source in (Untouchable("[" * 262_145), UntouchableBytes(100_000_000)):
        for parse in (KeySet.parse, KeySet.parse_pem, KeySet.parse_pem_map):
            with pytest.raises(KeySetError, match="is longer than 262144 bytes"):
                parse(source)


def test_no_key_is_read_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyngx_jwt.jwt.jwk.read_member", None)
    monkeypatch.setattr("pyngx_jwt.jwt.pem.read_pem", None)
    with pytest.raises(KeySetError, match="more than 64 keys"):
        key_set(*[secret()] * 65)
    with pytest.raises(KeySetError, match="more than 64 keys"):
        KeySet.parse_pem_map(json.dumps({str(n): "" for n in range(65)}))


TOO_MUCH = "the set would take too long to try"


def test_keys_that_keep_a_worker_busy() -> None:
    """A token without a kid is tried with all keys: 64 of these would take 0.4 seconds."""
    slow = [rsa_jwk(16384, 2**64 - 1, kid=str(number)) for number in range(64)]
    kept = key_set(*slow[:6])
    assert len(kept.keys) == 6 and not kept.warnings
    full = key_set(*slow)
    assert len(full.keys) == 6 and len(full.warnings) == 58
    assert full.warnings[0] == f'key 6 (kid "6") is skipped: {TOO_MUCH}'
    assert full.unusable["63"] == TOO_MUCH
    some = key_set(*slow[:6], *[rsa_jwk(2048, 65537) for _ in range(58)])
    assert len(some.keys) == 64  # what is left is enough for those of the usual size


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512", "ES256K", "EdDSA", "RS256"])
def test_as_many_keys_as_a_set_may_have(name: str) -> None:
    kept = key_set(*[{**signing_key(name).members(), "kid": str(n)} for n in range(64)])
    assert len(kept.keys) == 64


def test_large_keys_that_decrypt() -> None:
    with pytest.raises(KeySetError, match="16384 bits, which takes too long to decrypt with"):
        enc_set({**rsa_jwk(16384, 65537), "d": "AQAB", "use": "enc"})
    (key,) = enc_set({**rsa_jwk(16384, 65537), "d": "AQAB"}).keys
    assert key.checks and not key.decrypts


@pytest.mark.parametrize("bits, looks", [(2048, 26), (4096, 3), (8192, 0)])
def test_factors_are_not_sought_for_long(
    bits: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a private key that lacks them, and is wrong."""
    sought = list[int]()

    def factors(n: int, multiple: int) -> tuple[int, int]:
        sought.append(n)
        raise ValueError("wrong")

    monkeypatch.setattr("pyngx_jwt.jwt.jwk._factors", factors)
    with pytest.raises(KeySetError, match=TOO_MUCH):
        enc_set(*[{**rsa_jwk(bits, 65537), "d": "AQAB", "kid": str(n)} for n in range(64)])
    assert len(sought) == looks


def rsa_jwk(bits: int, exponent: int, **members: Json) -> dict[str, Json]:
    """A public key that nobody has the private one of."""
    n = 3 * 2 ** (bits - 2) + 2**64 + 13
    octets = (n.to_bytes(bits // 8), exponent.to_bytes(-(-exponent.bit_length() // 8)))
    texts = [encode_base64url(text).decode() for text in octets]
    return {"kty": "RSA", "n": texts[0], "e": texts[1], **members}


def test_other_limits_of_tokens() -> None:
    token = hs({"a": {"b": {}}})
    header = token.index(".")
    for limits, result in (
        (Limits(token_size=len(token)), "ACCEPTED"),
        (Limits(token_size=len(token) - 1), "MALFORMED"),
        (Limits(header_size=header), "ACCEPTED"),
        (Limits(header_size=header - 1), "MALFORMED"),
        (Limits(depth=2), "ACCEPTED"),
        (Limits(depth=1), "MALFORMED"),
        (Limits(token_size=10**6, header_size=10**6, depth=10**6), "ACCEPTED"),
    ):
        policy = TokenPolicy(limits=limits)
        assert outcome(token, HS, policy=policy) == result
        seen = read(token, limits)
        assert isinstance(seen, TokenRefusal) == (result != "ACCEPTED")


def test_other_limits_of_encrypted_tokens() -> None:
    key = encryption_key("dir", "A128GCM")
    token, keys = key.encrypt({"a": {"b": {}}}), enc_set(key)
    for limits, result in (
        (Limits(token_size=len(token)), "ACCEPTED"),
        (Limits(token_size=len(token) - 1), "MALFORMED"),
        (Limits(header_size=token.index(".") - 1), "MALFORMED"),
        (Limits(depth=1), "MALFORMED"),
    ):
        policy = TokenPolicy(form=Form.ENCRYPTED, limits=limits)
        assert outcome(token, keys, policy=policy) == result


def test_other_limits_of_key_sets() -> None:
    text = jwks(secret(), secret())
    assert KeySet.parse(text, limits=Limits(set_size=len(text), set_keys=2, depth=3))
    for limits in (Limits(set_size=len(text) - 1), Limits(set_keys=1), Limits(depth=2)):
        with pytest.raises(KeySetError):
            KeySet.parse(text, limits=limits)


@pytest.mark.parametrize("depth", [1, 10, 100, 100_000])
def test_depth(depth: int) -> None:
    """Beyond what Python's stack takes it is a matter of the stack."""
    for n in (depth, depth + 1):
        try:
            decode_json(b"[" * n + b"1" + b"]" * n, depth)
        except ValueError as error:
            assert str(error) == "nested too deeply"
            assert n > depth or depth > 500
        else:
            assert n <= depth


def test_limits_are_part_of_a_policy() -> None:
    assert TokenPolicy().id == TokenPolicy(limits=Limits()).id == TokenPolicy(limits=LIMITS).id
    others = [Limits(token_size=1), Limits(header_size=1), Limits(depth=1)]
    assert len({TokenPolicy(limits=limits).id for limits in (LIMITS, *others)}) == 4


@pytest.mark.parametrize("name", ["token_size", "header_size", "depth", "set_size", "set_keys"])
@pytest.mark.parametrize("value", [0, -1])
def test_rejected(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} is not positive$"):
        Limits(**{name: value})
