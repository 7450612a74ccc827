"""The order of checks, which keys are tried, times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.jwt import (
    ALGORITHMS,
    ClaimRequirement,
    Json,
    KeySet,
    Presence,
    Reason,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    read,
)
from pyngx_jwt.jwt.claims import Members
from pyngx_jwt.jwt.encoding import encode_base64url, encode_json
from pyngx_jwt.jwt.token import Headers, Signed, parse_signed, remember_header
from pyngx_jwt.jwt.trial import select

from .keys import NOW, accepted, hs, key_set, outcome, refused, secret, signing_key

A, B, C, D = (bytes([n]) * 32 for n in b"ABCD")  # secrets; in the tables, their letters
HS = key_set(secret())


def sets(*listed: str) -> list[KeySet]:
    """ "A:1 B" is a set of key A with kid 1 and key B without."""
    made = []
    for text in listed:
        keys: list[Json] = []
        for item in text.split():
            letter, _, kid = item.partition(":")
            keys.append(secret(letter.encode() * 32, **({"kid": kid} if kid else {})))
        made.append(key_set(*keys))
    return made


@pytest.mark.parametrize(
    "listed, kid, tried",
    [
        (["A:1 B:2 C"], "1", "A"),
        (["A:1 B:1 C"], "1", "C"),
        (["A:1 B:2 C D"], "3", "CD"),
        (["A:1 B:2"], "3", ""),
        (["A:1 B:2 C"], None, "ABC"),
        (["C", "A:1"], "1", "AC"),
        (["C B:2", "A:1 D"], "1", "AC"),
        (["B:1", "A:1"], "1", "BA"),
        (["A", "B:2", "C"], "1", "AC"),
        (["A:1", "B", "C:3"], None, "ABC"),
        (["A:a"], "A", ""),
        (["A:1"], "1 ", ""),
        (["A:../key B"], "../key", "A"),
    ],
)
def test_keys_tried(listed: list[str], kid: str | None, tried: str) -> None:
    key_sets = sets(*listed)
    chosen = [key.material for key in select(key_sets, kid)]
    assert chosen == [letter.encode() * 32 for letter in tried]
    header: dict[str, Json] = {"alg": "HS256"}
    if kid is not None:
        header["kid"] = kid
    for letter in "ABCD":
        result = outcome(hs({}, header, letter.encode() * 32), *key_sets)
        assert (result == "ACCEPTED") == (letter in tried)


@pytest.mark.parametrize("kid", ["", 1, None, True, ["1"], {"1": 1}])
def test_kid_that_counts_as_absent(kid: Json) -> None:
    header: dict[str, Json] = {"alg": "HS256", "kid": kid}
    assert outcome(hs({}, header, B), *sets("A:1 B:2")) == "ACCEPTED"
    assert outcome(hs({}, header, C), *sets("A:1 B:2")) == "SIGNATURE"


RS = signing_key("RS256", "r")


@pytest.mark.parametrize(
    "token, keys, expected",
    [
        (hs({}), [key_set(RS)], "no matching key: alg HS256"),
        (
            hs({}, {"alg": "HS256", "kid": "r"}),
            [key_set(RS)],
            'no matching key: kid "r" and alg HS256',
        ),
        (
            hs({}, {"alg": "HS256", "kid": "x"}),
            [key_set(RS)],
            'unknown kid: kid "x" and alg HS256, keys without kid tried: 0',
        ),
        (
            hs({}, {"alg": "HS256", "kid": "x"}, D),
            sets("A B:2", "C"),
            'unknown kid: kid "x" and alg HS256, keys without kid tried: 2',
        ),
        (
            hs({}, {"alg": "HS256", "kid": "2"}, D),
            sets("A B:2", "C"),
            'invalid signature: kid "2" and alg HS256, keys tried: 2',
        ),
        (hs({}, None, D), sets("A B:2"), "invalid signature: alg HS256, keys tried: 2"),
        (hs({}), [], "no matching key: alg HS256"),
        (hs({}, {"alg": "none"}), [HS], 'algorithm not allowed: "none"'),
        (hs({}, {"alg": "a\r\n\u20ac"}), [HS], r'algorithm not allowed: "a\r\n\u20ac"'),
        (
            hs({"exp": NOW}),
            [HS],
            f"expired: exp={NOW} now={NOW} leeway=0",
        ),
        (
            hs({"nbf": NOW + 1}),
            [HS],
            f"not yet valid: nbf={NOW + 1} now={NOW} leeway=0",
        ),
        (hs({"exp": "1"}), [HS], "invalid time claim: exp is not a number"),
        ("a.b", [HS], "malformed token: not three segments"),
        ("a.b.c.d.e", [HS], "malformed token: five segments: an encrypted token"),
        (
            hs({}, {"alg": "HS256", "crit": ["x"]}),
            [HS],
            "unsupported header: critical or unencoded-payload extension",
        ),
    ],
)
def test_refusal_says_why(token: str, keys: list[KeySet], expected: str) -> None:
    assert refused(token, *keys).text == expected


def test_every_reason_before_the_next() -> None:
    """A token with all faults, mended one by one."""
    demand = TokenPolicy(
        algorithms=frozenset({"HS256"}),
        demands=(ClaimRequirement("iss", ("i",)), ClaimRequirement("aud", ("a",))),
    )
    keys = sets("A:1")
    good: dict[str, Json] = {"exp": NOW + 1, "nbf": NOW, "iss": "i", "aud": "a"}
    known: dict[str, Json] = {"alg": "HS256", "kid": "1"}
    steps: list[tuple[str, str]] = [
        (hs(b"[]", b'{"alg":"none","crit":[]}]'), "MALFORMED"),
        (hs(b"[]", {"alg": "none", "crit": []}), "UNSUPPORTED"),
        (hs(b"[]", {"alg": "none", "kid": "x"}), "ALGORITHM"),
        (hs(b"[]", {"alg": "HS256", "kid": "x"}), "UNKNOWN_KID"),
        (hs(b"[]", known), "SIGNATURE"),
        (hs(b"[]", known, A), "MALFORMED"),
        (hs({"exp": 1, "nbf": True}, known, A), "DATE"),
        (hs({"exp": 1, "nbf": NOW + 1}, known, A), "NOT_YET_VALID"),
        (hs({"exp": 1, "nbf": 1}, known, A), "EXPIRED"),
        (hs({**good, "iss": "j", "aud": "b"}, known, A), "CLAIM"),
        (hs({**good, "aud": "b"}, known, A), "CLAIM"),
        (hs(good, known, A), "ACCEPTED"),
    ]
    for token, expected in steps:
        assert outcome(token, *keys, policy=demand) == expected


NOT_FINITE_NUMBERS: list[Json] = ["1", "", True, False, None, [], {}, [NOW], {"a": 1}]


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", [*NOT_FINITE_NUMBERS, 2**53, -(2**53), 2**64, 1e300, -1e20])
def test_unusable_dates(name: str, value: Json) -> None:
    token = hs({name: value})
    assert outcome(token, HS) == "DATE"
    ignoring = TokenPolicy(exp=Presence.IGNORED, nbf=Presence.IGNORED)
    assert outcome(token, HS, policy=ignoring) == "ACCEPTED"


@pytest.mark.parametrize(
    "claims, policy, result",
    [
        ({}, TokenPolicy(), "ACCEPTED"),
        ({"exp": NOW}, TokenPolicy(), "EXPIRED"),
        ({"exp": NOW + 1}, TokenPolicy(), "ACCEPTED"),
        ({"exp": NOW + 0.5}, TokenPolicy(), "ACCEPTED"),
        ({"exp": NOW - 0.5}, TokenPolicy(), "EXPIRED"),
        ({"exp": 0}, TokenPolicy(), "EXPIRED"),
        ({"exp": -5}, TokenPolicy(), "EXPIRED"),
        ({"exp": -0.0}, TokenPolicy(), "EXPIRED"),
        ({"exp": 2**53 - 1}, TokenPolicy(), "ACCEPTED"),
        ({"exp": 1e15}, TokenPolicy(), "ACCEPTED"),
        ({"exp": NOW - 9}, TokenPolicy(leeway=10), "ACCEPTED"),
        ({"exp": NOW - 10}, TokenPolicy(leeway=10), "EXPIRED"),
        ({"exp": NOW}, TokenPolicy(exp_inclusive=True), "ACCEPTED"),
        ({"exp": NOW - 1}, TokenPolicy(exp_inclusive=True), "EXPIRED"),
        ({"exp": NOW - 10}, TokenPolicy(exp_inclusive=True, leeway=10), "ACCEPTED"),
        ({"exp": NOW - 11}, TokenPolicy(exp_inclusive=True, leeway=10), "EXPIRED"),
        ({}, TokenPolicy(exp=Presence.REQUIRED), "DATE"),
        ({"exp": NOW}, TokenPolicy(exp=Presence.REQUIRED), "EXPIRED"),
        ({"exp": NOW + 1}, TokenPolicy(exp=Presence.REQUIRED), "ACCEPTED"),
        ({"exp": 1}, TokenPolicy(exp=Presence.IGNORED), "ACCEPTED"),
        ({"nbf": NOW}, TokenPolicy(), "ACCEPTED"),
        ({"nbf": NOW + 1}, TokenPolicy(), "NOT_YET_VALID"),
        ({"nbf": NOW + 10}, TokenPolicy(leeway=10), "ACCEPTED"),
        ({"nbf": NOW + 11}, TokenPolicy(leeway=10), "NOT_YET_VALID"),
        ({"nbf": -(2**53) + 1}, TokenPolicy(), "ACCEPTED"),
        ({"nbf": 2**53 - 1}, TokenPolicy(), "NOT_YET_VALID"),
        ({"nbf": NOW + 1}, TokenPolicy(nbf=Presence.IGNORED), "ACCEPTED"),
        ({}, TokenPolicy(nbf=Presence.REQUIRED), "DATE"),
        ({"nbf": 1}, TokenPolicy(nbf=Presence.REQUIRED), "ACCEPTED"),
        ({"iat": NOW + 1000}, TokenPolicy(), "ACCEPTED"),
    ],
)
@pytest.mark.parametrize("remembered", [False, True])
def test_times(claims: Json, policy: TokenPolicy, result: str, remembered: bool) -> None:
    """What a memory knows from an earlier, or later, second changes nothing."""
    token = hs(claims)
    verifier = Verifier(policy, [HS], TokenMemory(lifetime=math.inf) if remembered else None)
    for now in (0, NOW - 20, NOW):
        answer = verifier.verify(token, now)
    name = answer.reason.name if isinstance(answer, TokenRefusal) else "ACCEPTED"
    assert name == result


@given(st.floats(-1e12, 1e12), st.floats(0, 1e6), st.floats(0, 1e12), st.booleans())
def test_expiry_is_the_comparison_it_claims_to_be(
    exp: float, leeway: float, now: float, inclusive: bool
) -> None:
    policy = TokenPolicy(leeway=leeway, exp_inclusive=inclusive, algorithms=frozenset({"HS256"}))
    end = exp + leeway
    good = math.floor(now) <= end if inclusive else now < end
    assert (outcome(hs({"exp": exp}), HS, policy=policy, now=now) == "ACCEPTED") == good


def test_what_is_verified() -> None:
    payload = b' {"sub":"\xc3\xa9",\r\n "exp":1800000100, "nbf":1799999990}'
    verified = accepted(hs(payload), HS, policy=TokenPolicy(leeway=5))
    assert verified == Verified(
        {"sub": "é", "exp": NOW + 100, "nbf": NOW - 10},
        {"alg": "HS256"},
        payload,
        NOW - 15,
        NOW + 105,
        payload,
    )


def test_signature_not_asked_for() -> None:
    policy = TokenPolicy(check_signature=False)
    token = hs({"exp": NOW + 1}, None, b"whatever")
    assert outcome(token, policy=policy) == "ACCEPTED"
    assert outcome(hs({"exp": NOW}), policy=policy) == "EXPIRED"
    assert outcome(hs({}, {"alg": "none"}), policy=policy) == "ALGORITHM"
    assert outcome(token) == "NO_KEY"


def test_longest_token_and_header() -> None:
    def token(header: int, whole: int) -> str:
        first = b'{"alg":"HS256"' + b" " * (header * 3 // 4 - 15) + b"}"
        room = whole - header - 2 - 43
        return hs(b"{" + b" " * (room * 3 // 4 - 2) + b"}", first)

    assert len(token(8192, 16384)) in (16382, 16383, 16384)
    assert outcome(token(8192, 16384), HS) == "ACCEPTED"
    assert refused(token(8196, 16384), HS).detail == "header longer than 8192 bytes"
    assert refused(token(8192, 16388), HS).detail == "longer than 16384 bytes"
    assert refused("." * 16385, HS).detail == "longer than 16384 bytes"


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a", "a.b", "....", "e30.e30.", "e30.e30.AA", ".e30.AA", "e30..AA"],
)
def test_not_a_token(text: str) -> None:
    assert outcome(text, HS) == "MALFORMED"


@pytest.mark.parametrize("alg", [None, 1, True, ["HS256"], {"alg": "HS256"}])
def test_alg_that_is_no_string(alg: Json) -> None:
    assert refused(hs({}, {"alg": alg}), HS).detail == '"alg" is not a string'


def test_reading_alone_does_not_judge_the_algorithm() -> None:
    unsigned = encode_base64url(b'{"alg":"none"}') + b"." + encode_base64url(b'{"a":1}') + b"."
    token = read(unsigned.decode())
    assert not isinstance(token, TokenRefusal)
    assert (token.header, token.claims) == ({"alg": "none"}, {"a": 1})


def test_algorithms_of_a_policy() -> None:
    key = signing_key("ES256K")
    some = TokenPolicy(algorithms=frozenset(ALGORITHMS) - {"ES256K"})
    assert outcome(key.sign({}), key_set(key), policy=some) == "ALGORITHM"
    assert outcome(key.sign({}), key_set(key), policy=TokenPolicy()) == "ACCEPTED"


def test_headers_of_accepted_tokens_are_read_once() -> None:
    """What is remembered of a header changes nothing but the time that it takes."""
    keys = sets("A:1 B:2")
    verifier = Verifier(TokenPolicy(), keys)
    first = verifier.verify(hs({}, {"alg": "HS256", "kid": "1"}, A), NOW)
    again = verifier.verify(hs({"sub": "x"}, {"alg": "HS256", "kid": "1"}, A), NOW)
    assert isinstance(first, Verified) and isinstance(again, Verified)
    assert again.header is first.header and again.claims == {"sub": "x"}
    for octets, reason in ((B, Reason.SIGNATURE), (A, None)):
        token = hs({}, {"alg": "HS256", "kid": "1"}, octets)
        answer = verifier.verify(token, NOW)
        assert (answer.reason if isinstance(answer, TokenRefusal) else None) is reason
    for n in range(40):
        header: dict[str, Json] = {"alg": "HS256", "kid": "2", "n": n}
        for octets in (C, B, C, B):
            answer = verifier.verify(hs({"n": n}, header, octets), NOW)
            assert isinstance(answer, Verified) == (octets == B)
            assert isinstance(answer, TokenRefusal) or answer.header == header


def test_headers_seen_last_are_remembered() -> None:
    """However many others came before."""
    known: Headers = {}
    for number in range(5):
        token = parse_signed(hs_token({"alg": "HS256", "n": number}))
        assert isinstance(token, Signed)
        remember_header(token, known, 3)
    assert [like.header["n"] for like in known.values()] == [2, 3, 4]


def hs_token(header: Members) -> str:
    return ".".join([encode_base64url(encode_json(header).encode()).decode(), "e30", "AA"])
