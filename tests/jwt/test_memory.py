"""What is remembered, for how long, and how much at most."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyngx_jwt.jwt import (
    Form,
    Json,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    verify,
)
from pyngx_jwt.jwt.memory import footprint

from .keys import EVERY, NOW, enc_set, encryption_key, hs, key_set, known, secret, signing_key

HS = key_set(secret())


def test_same_answer_again() -> None:
    verifier = Verifier(EVERY, [HS], TokenMemory())
    token = hs({"sub": "u"})
    first = known(verifier, token)
    assert isinstance(first, Verified)
    assert verifier.verify("".join(list(token)), NOW + 1) is first


def test_shared_between_equal_verifiers_only() -> None:
    memory = TokenMemory()
    token = hs({"sub": "u"})
    first = known(Verifier(TokenPolicy(leeway=1), [HS], memory), token)
    assert Verifier(TokenPolicy(leeway=1), [key_set(secret())], memory).verify(token, NOW) is first
    others = [
        Verifier(TokenPolicy(leeway=2), [HS], memory),
        Verifier(TokenPolicy(leeway=1), [HS, HS], memory),
        Verifier(TokenPolicy(leeway=1), [HS, key_set(secret(b"x" * 32))], memory),
        Verifier(TokenPolicy(leeway=1), [HS]),
    ]
    for other in others:
        answer = other.verify(token, NOW)
        assert answer is not first and isinstance(answer, Verified)


def test_refusals_are_not_remembered() -> None:
    memory = TokenMemory()
    verifier = Verifier(TokenPolicy(), [HS], memory)
    for token in ("x", hs({}, None, b"bad"), hs({"exp": NOW}), hs({"nbf": NOW + 1})):
        assert isinstance(known(verifier, token), TokenRefusal)
    assert memory.count == 0 == memory.size


def test_times_are_looked_at_each_time() -> None:
    verifier = Verifier(TokenPolicy(leeway=2), [HS], TokenMemory(lifetime=1000))
    token = hs({"exp": NOW + 10, "nbf": NOW})
    reasons = []
    for now in (NOW, NOW + 11, NOW + 12, NOW - 2, NOW + 11, NOW - 3):
        answer = verifier.verify(token, now)
        reasons.append(answer.reason.name if isinstance(answer, TokenRefusal) else "")
    assert reasons == ["", "", "EXPIRED", "", "", "NOT_YET_VALID"]


def test_lifetime() -> None:
    memory = TokenMemory(lifetime=10)
    verifier = Verifier(TokenPolicy(), [HS], memory)
    token = hs({})
    first = known(verifier, token)
    assert verifier.verify(token, NOW + 9.9) is first
    second = verifier.verify(token, NOW + 10)
    assert second is not first and second == first
    assert verifier.verify(token, NOW + 19) is second
    assert verifier.verify(token, NOW + 9) is not second  # the clock was set back
    assert memory.count == 1


def test_flood_of_good_tokens_stays_within_bounds() -> None:
    memory = TokenMemory(entries=50, size=1_000_000)
    verifier = Verifier(TokenPolicy(), [HS], memory)
    regular = hs({"sub": "regular"})
    first = known(verifier, regular)
    for n in range(300):
        assert isinstance(known(verifier, hs({"sub": n})), Verified)
        assert verifier.verify(regular, NOW) is first  # who comes often is not driven out
        assert memory.count <= 50 and memory.size <= 1_000_000
    assert memory.count == 50


def test_bound_in_bytes() -> None:
    memory = TokenMemory(entries=1000, size=100_000)
    verifier = Verifier(TokenPolicy(), [HS], memory)
    for n in range(100):
        known(verifier, hs({"sub": "x" * 5000, "n": n}))
        assert memory.size <= 100_000
    assert 0 < memory.count < 10


def test_token_larger_than_the_space() -> None:
    memory = TokenMemory(entries=10, size=10_000)
    verifier = Verifier(TokenPolicy(), [HS], memory)
    small = known(verifier, hs({}))
    large = hs({"a": [[] for _ in range(4000)]})
    for _ in range(2):
        assert isinstance(verifier.verify(large, NOW), Verified)
    assert memory.count == 1
    assert verifier.verify(hs({}), NOW) is small


def test_clear() -> None:
    memory = TokenMemory()
    verifier = Verifier(TokenPolicy(), [HS], memory)
    known(verifier, hs({}))
    assert memory.count == 1
    memory.clear()
    assert memory.count == 0 == memory.size


def test_remembered_from_the_second_time_on() -> None:
    """What comes once, or too seldom to be found again, is not worth its place."""
    memory = TokenMemory(entries=10)
    verifier = Verifier(TokenPolicy(), [HS], memory)
    for n in (*range(100), *range(100)):
        assert isinstance(verifier.verify(hs({"sub": n}), NOW), Verified)
    assert memory.count == 0
    for n in (*range(4), *range(4)):
        verifier.verify(hs({"sub": n}), NOW)
    assert memory.count == 4


def test_no_memory_at_all() -> None:
    verifier = Verifier(TokenPolicy(), [HS], TokenMemory(entries=1, size=0))
    assert isinstance(verifier.verify(hs({}), NOW), Verified)


def deep_size(value: object, seen: set[int] | None = None) -> int:
    """Bytes of a value and all in it, each object once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(deep_size(k, seen) + deep_size(v, seen) for k, v in value.items())
    elif isinstance(value, list | tuple):
        size += sum(deep_size(element, seen) for element in value)
    return size


SMALL = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SMALL | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text("ab\u20ac"), inner),
    max_leaves=60,
)


@pytest.mark.parametrize("escaped", [True, False])
@settings(max_examples=40)
@example({"a": [[]] * 3000}, {})
@example({"a": [{}] * 3000}, {})
@example({"a": [{"": 0}] * 1500}, {})
@example({"a": [1e5] * 2000}, {})
@example({"a": [{"": {"": {"": 0}}}] * 500}, {})
@example({"a": [{"": {"": {"": {"": {"": {"": {"": {}}}}}}}}] * 250}, {})
@example({"a": "x" * 9000 + "\U0001f600"}, {})
@example({"\u20ac" * n: 0 for n in range(1, 80)}, {})
@example({chr(0x100 + n): chr(0x200 + n) for n in range(600)}, {})
@example({str(n): n + 1000 for n in range(900)}, {})
@example({}, {"x": [{"": 0}] * 700})
@example({}, {"x": [{}] * 1500})
@example({}, {"x": "x" * 5000 + "\U0001f600"})
@given(
    st.dictionaries(st.text("abc\u00e9"), VALUES),
    st.dictionaries(st.text("xyz\u20ac"), VALUES, max_size=3),
)
def test_footprint_is_an_upper_bound(
    escaped: bool, claims: dict[str, Json], header: dict[str, Json]
) -> None:
    first = json.dumps({**header, "alg": "HS256"}, ensure_ascii=escaped, separators=(",", ":"))
    second = json.dumps(claims, ensure_ascii=escaped, separators=(",", ":"))
    token = hs(second.encode(), first.encode())
    verified = verify(token, [HS], EVERY, NOW)
    if isinstance(verified, Verified):
        memory = TokenMemory(entries=10_000_000)
        memory.put(("x" * 64, token), verified, NOW)
        taken = deep_size((verified, "x" * 64, token)) + 600  # 600: what cachetools adds
        assert taken <= memory.size == footprint(token, verified)


@pytest.mark.parametrize("claims", [{"a": [{"": 0}] * 900}, {"a": "x" * 5000 + "\u20ac"}, {}])
@pytest.mark.parametrize("form", [Form.ENCRYPTED, Form.NESTED])
def test_footprint_of_other_forms(form: Form, claims: dict[str, Json]) -> None:
    key, signer = encryption_key("dir", "A128GCM"), signing_key("HS256")
    token = key.encrypt(claims if form is Form.ENCRYPTED else signer.sign(claims))
    verified = verify(token, [enc_set(key, signer)], TokenPolicy(form=form), NOW)
    assert isinstance(verified, Verified)
    assert deep_size((verified, "x" * 64, token)) + 600 <= footprint(token, verified)


def test_footprint_of_a_usual_token_is_not_far_off() -> None:
    claims: Json = {
        "iss": "https://issuer.example.com/",
        "sub": "user-123",
        "aud": ["api", "web"],
        "exp": 4102444800,
        "scope": "read write",
        "roles": ["admin", "dev"],
    }
    token = hs(claims, {"alg": "HS256", "typ": "JWT", "kid": "key-1"})
    verified = verify(token, [HS], EVERY, NOW)
    assert isinstance(verified, Verified)
    assert footprint(token, verified) < 3 * deep_size((token, verified))
