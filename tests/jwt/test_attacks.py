"""Known attacks on verifiers of tokens, each with a valid token for comparison."""

from __future__ import annotations

import hmac
import json
import string

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from pyngx_jwt.jwt import (
    ALGORITHMS,
    ClaimRequirement,
    Json,
    KeySet,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verifier,
    verify,
)
from pyngx_jwt.jwt.encoding import decode_base64url, encode_base64url
from pyngx_jwt.jwt.mint import SigningKey

from .keys import (
    EVERY,
    NOW,
    SECRET,
    hs,
    jwks,
    key_set,
    known,
    outcome,
    refused,
    secret,
    signing_key,
    without,
)

HS = key_set(secret())
CLAIMS: dict[str, Json] = {"sub": "u1", "exp": NOW + 60}


def resigned(key: SigningKey, **header: Json) -> str:
    """A token with this header and a good signature by the key's own algorithm."""
    return key.sign_raw(json.dumps(header).encode(), b"{}")


def public_forms(key: SigningKey) -> list[bytes]:
    """All that the public key may look like to somebody who takes it for a secret."""
    public = key.jwk.get_op_key("verify")
    members = key.members()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = public.public_bytes(serialization.Encoding.PEM, info)
    forms = [pem, pem.strip(), public.public_bytes(serialization.Encoding.DER, info)]
    forms += [str(members.get(name, "")).encode() for name in ("n", "x")]
    return [*forms, json.dumps(members).encode(), jwks(key).encode(), b""]


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("forged", ["HS256", "HS384", "HS512"])
def test_hmac_with_the_public_key(alg: str, forged: str) -> None:
    key = signing_key(alg, "k")
    for jwk in (key.members(), without(key, "alg")):
        for form in public_forms(key):
            for more in ({}, {"kid": "k"}):
                assert outcome(hs({}, {"alg": forged, **more}, form), key_set(jwk)) == "NO_KEY"
    assert outcome(key.sign({}), key_set(key)) == "ACCEPTED"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", ""])
@pytest.mark.parametrize("keys", [HS, key_set(signing_key("RS256"))])
def test_no_algorithm(name: str, keys: KeySet) -> None:
    first = encode_base64url(json.dumps({"alg": name}).encode())
    unsigned = (first + b"." + encode_base64url(b"{}") + b".").decode()
    for token in (unsigned, f"{unsigned}AA", hs({}, {"alg": name})):
        assert outcome(token, keys) == "ALGORITHM"
        assert outcome(token, keys, policy=TokenPolicy(check_signature=False)) == "ALGORITHM"
    with pytest.raises(ValueError, match='unknown algorithm "none"'):
        TokenPolicy(algorithms=frozenset({"HS256", "none"}))


@pytest.mark.parametrize("name", ["hs256", "Hs256", "HS256 ", "HS1", "HS256\0", "SHA256"])
def test_algorithm_names_are_exact(name: str) -> None:
    assert outcome(hs({}, {"alg": name}), HS) in ("ALGORITHM", "MALFORMED")


def test_another_hash_under_the_same_secret() -> None:
    pinned = key_set(secret(alg="HS256"))
    only = TokenPolicy(algorithms=frozenset({"HS256"}))
    token = hs({}, {"alg": "HS512"})
    assert outcome(token, HS) == "ACCEPTED"  # the key does not say
    assert outcome(token, pinned) == "NO_KEY"
    assert outcome(token, HS, policy=only) == "ALGORITHM"


@pytest.mark.parametrize("jwk_alg", ["RS256", "PS256"])
def test_another_scheme_under_the_same_modulus(jwk_alg: str) -> None:
    key = signing_key(jwk_alg)
    pair = {"RS256": "PS256", "PS256": "RS256"}
    assert outcome(resigned(key, alg=pair[jwk_alg]), key_set(key)) == "NO_KEY"
    unpinned = key_set(without(key, "alg"))
    assert outcome(resigned(key, alg=pair[jwk_alg]), unpinned) == "SIGNATURE"
    assert outcome(resigned(key, alg=jwk_alg), unpinned) == "ACCEPTED"


@pytest.mark.parametrize("signed_as", ["RS256", "ES256", "EdDSA", "HS256"])
@pytest.mark.parametrize("says", ALGORITHMS)
def test_alg_of_the_header_changed(signed_as: str, says: str) -> None:
    key = signing_key(signed_as)
    is_same = (signed_as, says) == ("EdDSA", "Ed25519")  # RFC 9864, section 2.2
    expected = {"ACCEPTED"} if says == signed_as or is_same else {"NO_KEY", "SIGNATURE"}
    for jwk in (key.members(), without(key, "alg")):
        assert outcome(resigned(key, alg=says), key_set(jwk)) in expected


KIDS = ["../../dev/null", "/etc/passwd", "' OR 1=1 --", "http://evil/jwks", "$jwt_claim_sub", "*"]


@pytest.mark.parametrize("kid", KIDS)
def test_kid_is_only_a_name(kid: str) -> None:
    keys = key_set(secret(kid="good"))
    for octets in (b"", SECRET):
        assert outcome(hs({}, {"alg": "HS256", "kid": kid}, octets), keys) == "UNKNOWN_KID"
    assert outcome(hs({}, {"alg": "HS256", "kid": kid}), key_set(secret(kid=kid))) == "ACCEPTED"


def test_kid_never_falls_back_to_keys_of_other_names() -> None:
    mine = secret(b"m" * 32, kid="mine")
    keys = key_set(secret(kid="theirs"), mine)
    assert outcome(hs({}, {"alg": "HS256", "kid": "mine"}), keys) == "SIGNATURE"
    assert outcome(hs({}, {"alg": "HS256", "kid": "other"}), keys) == "UNKNOWN_KID"


def test_keys_that_the_token_brings_along() -> None:
    evil = signing_key("RS256", "evil")
    jwk: Json = evil.members()
    for header in (
        {"jwk": jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AA", "x5t#S256": "AA"},
        {"jwk": jwk, "kid": "evil"},
    ):
        token = evil.sign_raw(json.dumps({"alg": "RS256", **header}).encode(), b"{}")
        keys = key_set(signing_key("RS256", "good"))
        assert outcome(token, keys) in ("SIGNATURE", "UNKNOWN_KID")
        assert outcome(token, key_set(without(evil, "kid"))) == "ACCEPTED"


def test_psychic_signature() -> None:
    for alg, size in (("ES256", 64), ("ES384", 96), ("ES512", 132), ("ES256K", 64)):
        signed = signing_key(alg).sign({}).rpartition(".")[0]
        for octets in (bytes(size), b"\0" * (size - 1) + b"\1"):
            token = f"{signed}.{encode_base64url(octets).decode()}"
            assert outcome(token, key_set(signing_key(alg))) == "SIGNATURE"


@pytest.mark.parametrize("says", ["ES256", "ES384", "ES512", "ES256K"])
@pytest.mark.parametrize("curve", ["ES256", "ES384", "ES512", "ES256K"])
def test_algorithm_and_curve(says: str, curve: str) -> None:
    key = signing_key(curve)
    result = outcome(resigned(key, alg=says), key_set(without(key, "alg")))
    assert result == ("ACCEPTED" if says == curve else "NO_KEY")


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "ES256K"])
def test_the_other_signature_is_no_other_answer(alg: str) -> None:
    """(R, n-S) verifies as (R, S) does: a token's text identifies nothing."""
    order = {
        "ES256": ec.SECP256R1().group_order,
        "ES384": ec.SECP384R1().group_order,
        "ES512": ec.SECP521R1().group_order,
        "ES256K": ec.SECP256K1().group_order,
    }[alg]
    key = signing_key(alg)
    token = key.sign(CLAIMS)
    signed, _, last = token.rpartition(".")
    octets = decode_base64url(last.encode())
    half = len(octets) // 2
    twin = octets[:half] + (order - int.from_bytes(octets[half:])).to_bytes(half)
    other = f"{signed}.{encode_base64url(twin).decode()}"
    memory = TokenMemory()
    verifier = Verifier(EVERY, [key_set(key)], memory)
    assert not isinstance(known(verifier, token), TokenRefusal)
    assert known(verifier, other) == verifier.verify(token, NOW)
    assert memory.count == 2


@pytest.mark.parametrize(
    "sent, wanted",
    [
        ("e\u0301", "\u00e9"),
        ("Admin", "admin"),
        ("admin ", "admin"),
        ("\u0430dmin", "admin"),
        ("\ufb01le", "file"),
        ("stra\u00dfe", "strasse"),
        ("admin\u200b", "admin"),
    ],
)
def test_text_is_compared_by_code_points(sent: str, wanted: str) -> None:
    policy = TokenPolicy(demands=(ClaimRequirement("sub", (wanted,)),))
    assert outcome(hs({"sub": sent}), HS, policy=policy) == "CLAIM"
    assert outcome(hs({sent: wanted}), HS, policy=policy) == "CLAIM"
    assert outcome(hs({"sub": wanted}), HS, policy=policy) == "ACCEPTED"
    labelled = key_set(secret(kid=wanted))
    assert outcome(hs({}, {"alg": "HS256", "kid": sent}), labelled) == "UNKNOWN_KID"


def test_no_key_at_all() -> None:
    for policy in (EVERY, TokenPolicy()):
        assert outcome(hs({}), policy=policy) == "NO_KEY"
        assert outcome(hs({}, {"alg": "HS256", "kid": "x"}), policy=policy) == "NO_KEY"


def test_empty_secret() -> None:
    token = hs({}, None, b"")
    assert outcome(token, HS) == "SIGNATURE"
    assert outcome(token, key_set({"kty": "oct", "k": ""}, secret())) == "SIGNATURE"


@pytest.mark.parametrize(
    "payload",
    [
        b'{"sub":"u","sub":"admin"}',
        b'{"exp":9999999999,"exp":1}',
        b'{"a":{"b":1,"b":2}}',
        rb'{"sub":"u","\u0073ub":"admin"}',
        b"[1]",
        b'"text"',
        b"1",
        b"null",
        b"",
        b'{"sub":"u"}\0{"sub":"admin"}',
        b'{"sub":"u"}\0junk',
        rb'{"sub":"u\u0000admin"}',
        rb'{"sub\u0000":"u"}',
        rb'{"sub":"\ud800"}',
        b'{"sub":"\xff"}',
        b'{"sub":"\xc0\xae"}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e999}',
        b'{"a":' * 11 + b"1" + b"}" * 11,
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' + b"1" * 5000 + b"}",
        '{"sub":"u"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"sub":"u"}',
    ],
    ids=lambda payload: repr(payload[:28]),
)
def test_payload_that_readers_disagree_about(payload: bytes) -> None:
    assert outcome(hs(payload), HS) == "MALFORMED"


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256"}x',
        b'["HS256"]',
        b"",
        b"{}",
        b"null",
        rb'{"alg":"HS256","kid":"\u0000"}',
        b'{"alg":"HS256","a":' + b"[" * 11 + b"]" * 11 + b"}",
    ],
)
def test_header_that_readers_disagree_about(header: bytes) -> None:
    assert outcome(hs({}, header), HS) == "MALFORMED"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": None},
        {"crit": "b64"},
        {"b64": False},
        {"b64": None},
        {"b64": 0},
        {"b64": 1},
    ],
)
def test_extensions_that_must_be_understood(header: dict[str, Json]) -> None:
    assert outcome(hs({}, {"alg": "HS256", **header}), HS) == "UNSUPPORTED"
    assert outcome(hs({}, {"alg": "HS256", "b64": True}), HS) == "ACCEPTED"


def variants_of(token: str) -> list[str]:
    """Other texts that a lenient reader takes for the same token."""
    first, second, third = token.split(".")
    made = [f"{token}=", f"{token}==", f"{token}\n", f" {token}", f"{token}\0", f"{token}."]
    made += [f"{token}.x", f"{token}!", f"{first}=.{second}.{third}"]
    made += [f"{first}.{second}=.{third}", f"{first}..{second}.{third}"]
    made += [f"{first}\n.{second}.{third}", f"{first}.{second}.{third[:9]}\n{third[9:]}"]
    made += [f"{first}.{second}.{third[:9]} {third[9:]}", f"Bearer {token}", f'"{token}"']
    made += [token.replace(".", ". "), token + "\u00e9", token.replace(".", "%2E")]
    return made


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "RS256", "ES256", "ES512", "EdDSA"])
def test_one_form_only(alg: str) -> None:
    """Base64url with padding, junk or spare bits, and any fourth segment."""
    key = signing_key(alg, "k")
    token = key.sign(CLAIMS)
    keys = key_set(key)
    assert outcome(token, keys) == "ACCEPTED"
    for text in variants_of(token):
        assert outcome(text, keys) == "MALFORMED", text
    assert outcome(f"{token}A", keys) in ("MALFORMED", "SIGNATURE")
    assert outcome(f"{token.rpartition('.')[0]}.", keys) == "SIGNATURE"
    alphabet = string.ascii_letters + string.digits + "-_+/="
    for last in set(alphabet) - {token[-1]}:
        assert outcome(token[:-1] + last, keys) in ("MALFORMED", "SIGNATURE"), last


def test_standard_alphabet() -> None:
    for n in range(200):
        token = hs({"n": n})
        changed = token.replace("-", "+").replace("_", "/")
        assert outcome(changed, HS) == ("ACCEPTED" if changed == token else "MALFORMED")


def test_five_segments_are_no_signed_token() -> None:
    token = hs({})
    assert outcome(f"{token}.AAAA.AAAA", HS) == "MALFORMED"
    assert outcome(".".join(["e30"] * 5), HS) == "MALFORMED"


def test_hmac_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert outcome(hs({}), HS) == "ACCEPTED"
    assert outcome(hs({}, None, b"x"), HS) == "SIGNATURE"
    assert len(compared) == 2


OTHER = key_set(secret(b"o" * 32))
LABELLED = key_set(secret(kid="k"))


@pytest.mark.parametrize(
    "token",
    [
        hs({"sub": "SECRETSUB", "exp": 1}),
        hs({"sub": "SECRETSUB"}, {"alg": "HS256", "kid": "x" * 5000}),
        hs({"sub": "SECRETSUB"}, None, b"other"),
        hs({"sub": "SECRETSUB"}, {"alg": "a" * 5000}),
        hs(b'{"sub":"SECRETSUB",}'),
        hs(b'{"sub":"SECRETSUB" "x"}'),
        hs({"sub": "SECRETSUB"}) + "=",
        hs({"sub": "SECRETSUB", "nbf": "SECRETSUB"}),
    ],
)
def test_log_text_holds_no_token(token: str) -> None:
    results = [verify(token, [keys], EVERY, NOW) for keys in (HS, OTHER, LABELLED)]
    texts = [result.text for result in results if isinstance(result, TokenRefusal)]
    assert len(texts) >= 2
    for text in texts:
        assert "SECRETSUB" not in text
        assert text.isascii() and text.isprintable() and len(text) < 200
        assert not any(part in text for part in token.split("."))


def test_kid_cannot_write_log_lines() -> None:
    token = hs({}, {"alg": "HS256", "kid": "x\r\n2026/01/01 [alert] \x1b[31m\u202e\u0085"})
    text = refused(token, LABELLED).text
    assert text.isascii() and text.isprintable()


def test_memory_does_not_mix_policies_or_keys() -> None:
    memory = TokenMemory()
    token = hs({"iss": "a"}, {"alg": "HS512"})
    lax = Verifier(TokenPolicy(), [HS], memory)
    assert not isinstance(known(lax, token), TokenRefusal)
    only = TokenPolicy(algorithms=frozenset({"HS256"}))
    assert isinstance(Verifier(only, [HS], memory).verify(token, NOW), TokenRefusal)
    rotated = key_set(secret(b"new" * 11))
    assert isinstance(Verifier(TokenPolicy(), [rotated], memory).verify(token, NOW), TokenRefusal)
    assert isinstance(Verifier(TokenPolicy(), [], memory).verify(token, NOW), TokenRefusal)
    assert memory.count == 1


SOURCES = [(key, key_set(key)) for key in (signing_key("HS256"), signing_key("ES256", "k"))]
SOURCES += [(key, key_set(without(key, "alg"))) for key in (signing_key("RS256"),)]
GOOD = [(key.sign(CLAIMS), keys) for key, keys in SOURCES]


@settings(max_examples=400)
@given(
    st.sampled_from(GOOD),
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.integers(0, 3),
            st.text(string.ascii_letters + string.digits + "-_.=+/ \0\u00e9", max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_changed_tokens_are_refused(
    source: tuple[str, KeySet], edits: list[tuple[int, int, str]]
) -> None:
    """Replacing, inserting and removing characters anywhere."""
    token, keys = source
    changed = token
    for place, removed, inserted in edits:
        place %= len(changed) + 1
        changed = changed[:place] + inserted + changed[place + removed :]
    result = verify(changed, [keys], EVERY, NOW)
    assert (changed == token) == (not isinstance(result, TokenRefusal))


@settings(max_examples=300)
@given(st.sampled_from(GOOD), st.integers(0, 8000))
def test_any_flipped_bit_is_noticed(source: tuple[str, KeySet], bit: int) -> None:
    token, keys = source
    octets = bytearray(token.encode())
    octets[bit // 8 % len(octets)] ^= 1 << bit % 8
    assert isinstance(verify(octets.decode("latin-1"), [keys], EVERY, NOW), TokenRefusal)


@settings(max_examples=200)
@given(st.text(max_size=60) | st.text("eyJ0.-_A=", max_size=60))
def test_any_text_is_refused_and_nothing_is_raised(text: str) -> None:
    assert isinstance(verify(text, [HS], EVERY, NOW), TokenRefusal)


@settings(max_examples=200)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=70))
def test_any_segments_are_refused_and_nothing_is_raised(a: bytes, b: bytes, c: bytes) -> None:
    token = b".".join(encode_base64url(part) for part in (a, b, c)).decode()
    assert isinstance(verify(token, [HS, GOOD[1][1]], EVERY, NOW), TokenRefusal)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ", "jwk"]), JSON_VALUES),
    st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "iss", "aud"]), JSON_VALUES),
)
def test_signed_nonsense_raises_nothing(header: dict[str, Json], claims: dict[str, Json]) -> None:
    """Even with a good signature, whatever is in header and claims."""
    first = json.dumps({"alg": "HS256", **header}).encode()
    token = hs(json.dumps(claims).encode(), first)
    result = verify(token, [HS], EVERY, NOW)
    if not isinstance(result, TokenRefusal):
        assert {**header, "alg": "HS256"} == result.header and claims == result.claims
        assert result.starts <= NOW < result.ends
        assert hmac.compare_digest(json.dumps(claims).encode(), result.payload)
