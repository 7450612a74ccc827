"""Encrypted and nested tokens: algorithms, keys, and what is done to them in transit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwcrypto.jwe import JWE  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from pyngx_jwt.jwt import (
    CONTENT_ENCRYPTION,
    KEY_MANAGEMENT,
    SIG_AND_ENC,
    Form,
    Json,
    KeySet,
    KeySetError,
    KeyUse,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    open_encrypted,
    parse_encrypted,
    read,
)
from pyngx_jwt.jwt.encoding import decode_base64url, encode_base64url
from pyngx_jwt.jwt.encryption import decrypt
from pyngx_jwt.jwt.mint import EncryptionKey, SigningKey

from .jwe_examples import EXAMPLES, KERCKHOFFS, REFUSED
from .keys import (
    ENCRYPTED,
    NESTED,
    NOW,
    SECRET,
    accepted,
    enc_set,
    encryption_key,
    hs,
    jwks,
    key_set,
    known,
    outcome,
    refused,
    secret,
    signing_key,
)

PAIRS = list(itertools.product(KEY_MANAGEMENT, CONTENT_ENCRYPTION))
pairs = pytest.mark.parametrize("alg, enc", PAIRS)
KINDS = [("dir", "A256GCM"), ("A128KW", "A128CBC-HS256"), ("A192GCMKW", "A192GCM")]
KINDS += [("RSA-OAEP", "A256CBC-HS512"), ("RSA-OAEP-256", "A128GCM")]
kinds = pytest.mark.parametrize("alg, enc", KINDS)
CLAIMS: dict[str, Json] = {"sub": "é", "exp": NOW + 60}


def text(value: object) -> str:
    return encode_base64url(json.dumps(value).encode()).decode()


# -- what is accepted


@pairs
def test_own_tokens(alg: str, enc: str) -> None:
    key = encryption_key(alg, enc, "k")
    verified = accepted(key.encrypt(CLAIMS), enc_set(key), policy=ENCRYPTED)
    assert verified.claims == CLAIMS
    assert verified.header.items() >= {"alg": alg, "enc": enc, "kid": "k"}.items()
    assert json.loads(verified.payload) == CLAIMS


FOREIGN = [pair for pair in PAIRS if pair[0] not in ("RSA-OAEP-384", "RSA-OAEP-512")]


@pytest.mark.parametrize("alg, enc", FOREIGN)
def test_tokens_of_jwcrypto(alg: str, enc: str) -> None:
    key = encryption_key(alg, enc)
    jwe = JWE(b'{"sub":"x"}', json.dumps({"alg": alg, "enc": enc}))
    members = {n: v for n, v in key.members().items() if n != "alg"}
    jwe.add_recipient(JWK(**members))
    token = jwe.serialize(compact=True)
    assert accepted(token, enc_set(key), policy=ENCRYPTED).claims == {"sub": "x"}


@pytest.mark.parametrize("source, jwk, token, plaintext", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_examples(source: str, jwk: dict[str, Json], token: str, plaintext: bytes) -> None:
    parsed = parse_encrypted(token)
    assert not isinstance(parsed, TokenRefusal)
    keys = [enc_set(dict(jwk))]
    assert open_encrypted(parsed, keys, ENCRYPTED) == plaintext
    for name in ("encrypted_key", "iv", "ciphertext", "tag", "aad"):
        octets = getattr(parsed, name)
        for n in range(0, len(octets), 5):
            changed = bytearray(octets)
            changed[n] ^= 1
            bad = parsed._replace(**{name: bytes(changed)})  # type: ignore[arg-type]
            result = open_encrypted(bad, keys, ENCRYPTED)
            assert isinstance(result, TokenRefusal) and result.reason.name == "DECRYPTION"


@pytest.mark.parametrize("source, why, token", REFUSED, ids=[e[0] for e in REFUSED])
def test_examples_of_what_is_not_supported(source: str, why: str, token: str) -> None:
    every = [enc_set(dict(jwk)) for _, jwk, _, _ in EXAMPLES]
    assert outcome(token, *every, policy=ENCRYPTED) == why


@pytest.mark.parametrize("enc, key, iv, aad, plaintext, ciphertext, tag", KERCKHOFFS)
def test_content_encryption_examples(
    enc: str, key: bytes, iv: bytes, aad: bytes, plaintext: bytes, ciphertext: bytes, tag: bytes
) -> None:
    """RFC 7518, appendix B."""
    assert CONTENT_ENCRYPTION[enc].open(key, iv, ciphertext, tag, aad) == plaintext
    assert CONTENT_ENCRYPTION[enc].open(key, iv, ciphertext, tag[:-1], aad) is None


@kinds
@pytest.mark.parametrize("inner", ["HS256", "RS256", "ES256", "EdDSA"])
def test_nested(alg: str, enc: str, inner: str) -> None:
    key, signer = encryption_key(alg, enc, "e"), signing_key(inner, "s")
    jws = signer.sign(CLAIMS)
    token = key.encrypt(jws)
    verified = accepted(token, enc_set(key, signer), policy=NESTED)
    assert verified.claims == CLAIMS
    assert (verified.header["alg"], verified.header["cty"]) == (alg, "JWT")
    assert verified.payload == jws.encode()
    assert json.loads(verified.claims_set) == CLAIMS
    assert accepted(token, enc_set(key), key_set(signer), policy=NESTED) == verified


@pytest.mark.parametrize("form", Form)
def test_unverified_look(form: Form) -> None:
    key, signer = encryption_key("A128KW", "A128GCM"), signing_key("ES256")
    token = {
        Form.SIGNED: signer.sign({"a": 1}),
        Form.ENCRYPTED: key.encrypt({"a": 1}),
        Form.NESTED: key.encrypt(signer.sign({"a": 1})),
    }[form]
    seen = read(token)
    assert not isinstance(seen, TokenRefusal)
    assert seen.header["alg"] == ("ES256" if form is Form.SIGNED else "A128KW")
    assert seen.claims == ({"a": 1} if form is Form.SIGNED else {})


def test_times_and_claims_count_in_all_forms() -> None:
    key, signer = encryption_key("dir", "A128GCM"), signing_key("HS256")
    keys = enc_set(key, signer)
    late: dict[str, Json] = {"exp": NOW}
    assert outcome(key.encrypt(late), keys, policy=ENCRYPTED) == "EXPIRED"
    assert outcome(key.encrypt(signer.sign(late)), keys, policy=NESTED) == "EXPIRED"
    assert outcome(key.encrypt({"nbf": "x"}), keys, policy=ENCRYPTED) == "DATE"


# -- forms are not mixed up


KEY, SIGNER = encryption_key("A256KW", "A256GCM", "e"), signing_key("ES256", "s")
BOTH = enc_set(KEY, SIGNER)
TOKENS = {
    Form.SIGNED: SIGNER.sign(CLAIMS),
    Form.ENCRYPTED: KEY.encrypt(CLAIMS),
    Form.NESTED: KEY.encrypt(SIGNER.sign(CLAIMS)),
}


@pytest.mark.parametrize("sent", Form)
@pytest.mark.parametrize("wanted", Form)
@pytest.mark.parametrize("remembered", [False, True])
def test_only_the_form_asked_for(sent: Form, wanted: Form, remembered: bool) -> None:
    """Even with a memory in which the token is, accepted as what it is."""
    memory = TokenMemory()
    if remembered:
        first = Verifier(TokenPolicy(form=sent), [BOTH], memory)
        assert isinstance(known(first, TOKENS[sent]), Verified)
    answer = Verifier(TokenPolicy(form=wanted), [BOTH], memory).verify(TOKENS[sent], NOW)
    if sent is wanted:
        assert isinstance(answer, Verified)
    else:
        assert isinstance(answer, TokenRefusal) and answer.reason.name == "MALFORMED"


@pytest.mark.parametrize("form", Form)
def test_remembered(form: Form) -> None:
    memory = TokenMemory()
    verifier = Verifier(TokenPolicy(form=form), [BOTH], memory)
    first = known(verifier, TOKENS[form])
    assert isinstance(first, Verified)
    assert verifier.verify("".join(list(TOKENS[form])), NOW + 1) is first
    late = verifier.verify(TOKENS[form], NOW + 60)
    assert isinstance(late, TokenRefusal) and late.reason.name == "EXPIRED"


@pytest.mark.parametrize(
    "inner, reason",
    [
        (hs({}, None, b"bad"), "NO_KEY"),
        (SIGNER.sign({})[:-4] + "AAAA", "SIGNATURE"),
        (SIGNER.sign({}, {"kid": "x"}), "UNKNOWN_KID"),
        (f"{text({'alg': 'none'})}.{text({})}.", "ALGORITHM"),
        (KEY.encrypt(SIGNER.sign({})), "MALFORMED"),
        (SIGNER.sign({}) + "\u00e9", "MALFORMED"),
        (SIGNER.sign(b"[]"), "MALFORMED"),
        ("{}", "MALFORMED"),
        ("", "MALFORMED"),
    ],
)
def test_nested_token_that_is_bad_inside(inner: str, reason: str) -> None:
    assert outcome(KEY.encrypt(inner), BOTH, policy=NESTED) == reason


def test_decrypting_is_no_signature_check() -> None:
    """Without check_signature the key of the encryption is still needed."""
    lax = TokenPolicy(form=Form.NESTED, check_signature=False)
    unsigned = KEY.encrypt(hs({"sub": "x"}, None, b"whatever"))
    assert outcome(unsigned, BOTH, policy=lax) == "ACCEPTED"
    assert outcome(unsigned, policy=lax) == "NO_KEY"


# -- attacks


def edited(token: str, number: int, edit: Callable[[bytes], bytes]) -> str:
    segments = token.split(".")
    segments[number] = encode_base64url(edit(decode_base64url(segments[number].encode()))).decode()
    return ".".join(segments)


EDITS: dict[str, Callable[[bytes], bytes]] = {
    "nothing left": lambda octets: b"",
    "a byte less": lambda octets: octets[:-1],
    "a byte more": lambda octets: octets + b"\0",
    "a byte before": lambda octets: b"\0" + octets,
    "first bit": lambda octets: bytes([octets[0] ^ 128]) + octets[1:] if octets else b"x",
    "last bit": lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]) if octets else b"x",
    "zeros": lambda octets: bytes(len(octets)) or b"\0",
    "half of it": lambda octets: octets[: len(octets) // 2],
    "twice": lambda octets: octets * 2 or b"x",
}


@kinds
def test_everything_that_is_wrong_looks_the_same(alg: str, enc: str) -> None:
    """Encrypted key, nonce, ciphertext, tag: of wrong length, changed, of another token."""
    key = encryption_key(alg, enc)
    token = key.encrypt(CLAIMS)
    others = [encryption_key(alg, enc, None, 1).encrypt(CLAIMS), key.encrypt(CLAIMS)]
    seen = set()
    for number in range(1, 5):
        for edit in EDITS.values():
            bad = edited(token, number, edit)
            if bad != token:
                seen.add(refused(bad, enc_set(key), policy=ENCRYPTED).text)
        for other in others:
            segments = token.split(".")
            if segments[number] != other.split(".")[number]:
                segments[number] = other.split(".")[number]
                seen.add(refused(".".join(segments), enc_set(key), policy=ENCRYPTED).text)
    assert seen == {f"cannot be decrypted: alg {alg}, keys tried: 1"}


@kinds
def test_header_is_authenticated(alg: str, enc: str) -> None:
    key = encryption_key(alg, enc)
    token = key.encrypt(CLAIMS)
    header = json.loads(decode_base64url(token.split(".")[0].encode()))
    for more in ({"typ": "x"}, {"cty": "JWT"}, {"kid": "k"}, {"": None}):
        bad = ".".join([text({**header, **more}), *token.split(".")[1:]])
        assert outcome(bad, enc_set(key), policy=ENCRYPTED) == "DECRYPTION"


@pytest.mark.parametrize(
    "more, reason",
    [
        ({"zip": "DEF"}, "UNSUPPORTED"),
        ({"zip": None}, "UNSUPPORTED"),
        ({"crit": ["exp"], "exp": 1}, "UNSUPPORTED"),
        ({"crit": []}, "UNSUPPORTED"),
        ({"alg": "RSA1_5"}, "ALGORITHM"),
        ({"alg": "PBES2-HS256+A128KW", "p2c": 10**9, "p2s": "AAAA"}, "ALGORITHM"),
        ({"alg": "ECDH-ES", "epk": {"kty": "EC"}}, "ALGORITHM"),
        ({"alg": "ECDH-ES+A256KW"}, "ALGORITHM"),
        ({"alg": "none"}, "ALGORITHM"),
        ({"alg": "HS256"}, "ALGORITHM"),
        ({"alg": "a256kw"}, "ALGORITHM"),
        ({"enc": "A256CBC"}, "ALGORITHM"),
        ({"enc": "none"}, "ALGORITHM"),
        ({"enc": "A256KW"}, "ALGORITHM"),
        ({"alg": 1}, "MALFORMED"),
        ({"enc": None}, "MALFORMED"),
        ({"alg": "dir"}, "NO_KEY"),
        ({"alg": "A128KW"}, "NO_KEY"),
        ({"alg": "A256GCMKW", "iv": "AAAAAAAAAAAAAAAA", "tag": "A" * 22}, "NO_KEY"),
        ({"alg": "RSA-OAEP"}, "NO_KEY"),
        ({"enc": "A128GCM"}, "DECRYPTION"),
        ({"kid": "x"}, "UNKNOWN_KID"),
        ({"kid": "../../e"}, "UNKNOWN_KID"),
        ({"kid": ""}, "ACCEPTED"),
        ({"jwk": {"kty": "oct", "k": "AA"}, "jku": "http://evil/", "x5u": "x"}, "ACCEPTED"),
    ],
)
def test_header(more: dict[str, Json], reason: str) -> None:
    """The content is good for the header, whatever that says."""
    header: dict[str, Json] = {"alg": "A256KW", "enc": "A256GCM", "kid": "e", **more}
    assert outcome(KEY.encrypt_raw(header, b"{}"), BOTH, policy=ENCRYPTED) == reason


@pytest.mark.parametrize("name, value", [("iv", ""), ("iv", 5), ("iv", "AAAA"), ("tag", "A" * 20)])
def test_members_of_gcm_key_wrapping(name: str, value: Json) -> None:
    key = encryption_key("A128GCMKW", "A128GCM")
    header: dict[str, Json] = {"alg": "A128GCMKW", "enc": "A128GCM"}
    assert outcome(key.encrypt_raw(header, b"{}"), enc_set(key), policy=ENCRYPTED) == "ACCEPTED"
    bad = key.encrypt_raw({**header, name: value}, b"{}")
    assert outcome(bad, enc_set(key), policy=ENCRYPTED) == "DECRYPTION"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: f"{t}=",
        lambda t: f"{t}.",
        lambda t: f"{t}.AAAA",
        lambda t: f" {t}",
        lambda t: f"{t}\n",
        lambda t: t.replace(".", ".=", 1),
        lambda t: t.replace(".", "..", 1),
        lambda t: t.rpartition(".")[0],
        lambda t: t.replace(".", ".\u00e9", 1),
        lambda t: t[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[t[-1]],  # spare bits
        lambda t: "." * 4,
        lambda t: ".".join(["e30"] * 5),
        lambda t: ".".join(["W10", "", "", "", ""]),
        lambda t: ".".join(["", *t.split(".")[1:]]),
        lambda t: ".".join([text({"alg": "dir", "enc": "A128GCM"})[:-1], "", "", "", ""]),
    ],
)
def test_one_form_only(change: Callable[[str], str]) -> None:
    token = TOKENS[Form.ENCRYPTED]
    assert outcome(token, BOTH, policy=ENCRYPTED) == "ACCEPTED"
    assert outcome(change(token), BOTH, policy=ENCRYPTED) == "MALFORMED"


def test_after_a_bad_encrypted_key_the_content_is_looked_at() -> None:
    """RFC 7516, section 11.5."""
    parsed = parse_encrypted(encryption_key("RSA-OAEP", "A128GCM").encrypt({}))
    assert not isinstance(parsed, TokenRefusal)
    seen: list[bytes] = []
    for bad in (None, b"", b"short"):

        def unwrap(encrypted: bytes, header: object, encryption: object, bad: Any = bad) -> Any:
            seen.append(encrypted)
            return bad

        assert decrypt(parsed, unwrap) is None
    assert len(seen) == 3


def test_public_key_is_no_secret() -> None:
    """What everybody knows of an RSA key does not decrypt, nor does any of it serve as secret."""
    key = encryption_key("RSA-OAEP", "A128GCM", "k")
    public = json.loads(key.jwk.export_public())
    with pytest.raises(KeySetError, match="no private part to decrypt with"):
        enc_set(public)
    n = decode_base64url(public["n"].encode())
    for size in (16, 32):
        forger = EncryptionKey("dir", "A128GCM", JWK(**secret(n[:size])))
        for alg in ("dir", "A128KW", "A256KW"):
            if (alg, size) in (("dir", 16), ("A128KW", 16), ("A256KW", 32)):
                forged = EncryptionKey(alg, "A128GCM", forger.jwk).encrypt({}, {"kid": "k"})
                assert outcome(forged, enc_set(key), policy=ENCRYPTED) == "NO_KEY"


def test_padding_is_not_looked_at_before_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    key = encryption_key("dir", "A128CBC-HS256")
    token = key.encrypt(CLAIMS)
    calls: list[str] = []
    monkeypatch.setattr("pyngx_jwt.jwt.encryption.Cipher", lambda *_: calls.append("decrypted"))
    monkeypatch.setattr("pyngx_jwt.jwt.encryption.PKCS7", lambda *_: calls.append("padding"))
    bad = edited(token, 3, lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]))
    assert outcome(bad, enc_set(key), policy=ENCRYPTED) == "DECRYPTION"
    assert calls == []


def test_log_text_holds_no_token_and_no_key() -> None:
    for token in (TOKENS[Form.NESTED][:-4] + "AAAA", KEY.encrypt(b"SECRETSUB")):
        shown = refused(token, BOTH, policy=ENCRYPTED).text
        assert "SECRETSUB" not in shown and shown.isascii() and shown.isprintable()
        assert not any(part in shown for part in token.split("."))


# -- keys


OCT = {size: secret(bytes(range(size))) for size in (8, 16, 24, 32, 48, 64)}
RSA = encryption_key("RSA-OAEP", "A128GCM").members()
OAEP = ["RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"]
HMAC = ["HS256", "HS384", "HS512"]
PLAIN = {n: v for n, v in RSA.items() if n not in ("alg", "use")}


@pytest.mark.parametrize(
    "jwk, decrypts, checks",
    [
        (OCT[8], [], HMAC),
        (OCT[16], ["A128GCMKW", "A128KW", "dir"], HMAC),
        (OCT[24], ["A192GCMKW", "A192KW", "dir"], HMAC),
        (OCT[32], ["A256GCMKW", "A256KW", "dir"], HMAC),
        (OCT[48], ["dir"], HMAC),
        ({**OCT[64], "use": "enc"}, ["dir"], []),
        ({**OCT[32], "use": "sig"}, [], HMAC),
        ({**OCT[16], "alg": "A128KW"}, ["A128KW"], []),
        ({**OCT[16], "alg": "dir"}, ["dir"], []),
        ({**OCT[16], "alg": "A128GCM"}, ["dir"], []),
        ({**OCT[32], "alg": "HS256"}, [], ["HS256"]),
        ({**OCT[16], "key_ops": ["wrapKey", "unwrapKey"]}, ["A128GCMKW", "A128KW", "dir"], []),
        ({**OCT[16], "key_ops": ["verify", "decrypt"]}, ["A128GCMKW", "A128KW", "dir"], HMAC),
        ({**OCT[16], "key_ops": ["decrypt"], "use": "enc"}, ["A128GCMKW", "A128KW", "dir"], []),
        (RSA, ["RSA-OAEP"], []),
        ({**PLAIN, "use": "enc"}, OAEP, []),
        ({**PLAIN, "alg": "RSA-OAEP-512"}, ["RSA-OAEP-512"], []),
        ({**PLAIN, "alg": "RS256"}, [], ["RS256"]),
        ({n: v for n, v in PLAIN.items() if n not in ("p", "q", "dp", "dq", "qi")}, OAEP, None),
        ({n: v for n, v in PLAIN.items() if n != "qi"}, OAEP, None),
        ({n: v for n, v in PLAIN.items() if n != "d"}, [], None),
        ({**PLAIN, "oth": []}, [], None),
        (signing_key("ES256").members(private=True), [], ["ES256"]),
    ],
)
def test_what_keys_may_do(
    jwk: dict[str, Json], decrypts: list[str], checks: list[str] | None
) -> None:
    (key,) = enc_set(jwk).keys
    assert sorted(key.decrypts) == decrypts
    assert sorted(key.checks) == (
        ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"] if checks is None else checks
    )
    if checks:
        (verifying,) = key_set(jwk).keys
        assert not verifying.decrypts and sorted(verifying.checks) == checks


@pytest.mark.parametrize(
    "jwk, why",
    [
        ({**OCT[16], "use": "other"}, '"use" is not "sig" or "enc"'),
        ({**OCT[16], "use": "sig", "key_ops": ["decrypt"]}, '"key_ops" has no "verify"'),
        (
            {**OCT[16], "key_ops": ["sign", "encrypt"]},
            '"key_ops" has no "verify" or "decrypt" or "unwrapKey" or "deriveKey"',
        ),
        ({**OCT[16], "alg": "A256KW"}, "secret of 16 bytes does not fit the algorithm"),
        ({**OCT[16], "alg": "A256GCM"}, "secret of 16 bytes does not fit the algorithm"),
        ({**OCT[8], "use": "enc"}, "secret of 8 bytes does not fit the algorithm"),
        ({**OCT[16], "alg": "PBES2-HS256+A128KW"}, 'unsupported algorithm "PBES2-HS256+A128KW"'),
        ({**RSA, "alg": "RSA1_5"}, 'unsupported algorithm "RSA1_5"'),
        ({**RSA, "alg": "A128KW"}, "no private part to decrypt with"),
        ({n: v for n, v in RSA.items() if n != "d"}, "no private part to decrypt with"),
        ({**RSA, "oth": []}, "no private part to decrypt with"),
        (
            {**signing_key("ES256").members(), "use": "enc", "alg": "ECDH-ES"},
            'unsupported algorithm "ECDH-ES"',
        ),
    ],
)
def test_skipped(jwk: dict[str, Json], why: str) -> None:
    with pytest.raises(KeySetError) as caught:
        enc_set(jwk)
    assert str(caught.value) == f"no usable key in the JWK Set; key 0 is skipped: {why}"


@pytest.mark.parametrize("d", ["AQ", "", "____", "A!", str(RSA["n"]), str(RSA["d"])[:-4] + "AAAA"])
@pytest.mark.parametrize("crt", [True, False])
def test_private_part_that_does_not_fit(d: str, crt: bool) -> None:
    jwk = {n: v for n, v in RSA.items() if crt or n not in ("p", "q", "dp", "dq", "qi")}
    with pytest.raises(KeySetError) as caught:
        enc_set({**jwk, "d": d})
    assert "key 0 is skipped: " in str(caught.value)
    assert len(d) < 10 or d not in str(caught.value)


def test_keys_of_issuers() -> None:
    """Of a nested token both keys count."""
    a, b = frozenset({"a"}), frozenset({"b"})
    outer, inner = enc_set(KEY), key_set(SIGNER)
    text = {
        ENCRYPTED: KEY.encrypt({**CLAIMS, "iss": "a"}),
        NESTED: KEY.encrypt(SIGNER.sign({**CLAIMS, "iss": "a"})),
    }
    for policy, token in text.items():
        assert outcome(token, outer.bound_to(a), inner.bound_to(a), policy=policy) == "ACCEPTED"
        assert outcome(token, outer.bound_to(b), inner.bound_to(a), policy=policy) == "ISSUER"
    assert outcome(text[NESTED], outer, inner.bound_to(b), policy=NESTED) == "ISSUER"


def test_keys_that_only_decrypt_do_not_verify() -> None:
    for jwk in (KEY.members(), encryption_key("RSA-OAEP", "A128GCM").members()):
        with pytest.raises(KeySetError, match='"use" is not "sig"'):
            key_set(jwk)
    only = KeySet.parse(jwks(KEY, SIGNER), frozenset({KeyUse.ENC}))
    assert [key.kid for key in only.keys] == ["e"]


def test_uses_make_another_generation() -> None:
    listed = jwks(secret(bytes(32)))
    generations = {
        KeySet.parse(listed, uses).generation for uses in (SIG_AND_ENC, SIG_AND_ENC - {KeyUse.SIG})
    }
    assert len({*generations, KeySet.parse(listed).generation}) == 3


def test_private_parts_are_not_shown() -> None:
    keys = enc_set(RSA, OCT[16])
    for shown in (repr(keys), repr(keys.keys), repr(encryption_key("RSA-OAEP", "A128GCM"))):
        assert str(RSA["d"]) not in shown and repr(bytes(range(16))) not in shown
    assert not isinstance(keys.keys[0].material, RSAPrivateKey)
    assert keys.warnings == ("key 1: secret of 16 bytes is weak",)


def test_same_kid_for_both_uses() -> None:
    key, signer = encryption_key("A128KW", "A128GCM", "k"), signing_key("HS256", "k")
    keys = enc_set(key, signer)
    assert outcome(key.encrypt(signer.sign({})), keys, policy=NESTED) == "ACCEPTED"


def test_keys_are_chosen_by_kid() -> None:
    named = [encryption_key("A128KW", "A128GCM", kid) for kid in ("a", "b")]
    unnamed = encryption_key("A128KW", "A128GCM")
    for sets in ([enc_set(*named, unnamed)], [enc_set(k) for k in (*named, unnamed)]):
        for key in (*named, unnamed):
            assert outcome(key.encrypt({}), *sets, policy=ENCRYPTED) == "ACCEPTED"
        wrong = named[0].encrypt({}, {"kid": "b"})
        assert outcome(wrong, *sets, policy=ENCRYPTED) == "DECRYPTION"
        assert outcome(unnamed.encrypt({}, {"kid": "c"}), *sets, policy=ENCRYPTED) == "ACCEPTED"
        lost = named[0].encrypt({}, {"kid": "c"})
        assert outcome(lost, *sets, policy=ENCRYPTED) == "UNKNOWN_KID"
    assert outcome(unnamed.encrypt({}, {"kid": "c"}), policy=ENCRYPTED) == "NO_KEY"


# -- policies


def test_policy_narrows_algorithms() -> None:
    only = TokenPolicy(
        form=Form.ENCRYPTED,
        encryption_algorithms=frozenset({"dir"}),
        content_encryptions=frozenset({"A128GCM"}),
    )
    for alg, enc, reason in (
        ("dir", "A128GCM", "ACCEPTED"),
        ("dir", "A256GCM", "ALGORITHM"),
        ("A128KW", "A128GCM", "ALGORITHM"),
    ):
        key = encryption_key(alg, enc)
        assert outcome(key.encrypt({}), enc_set(key), policy=only) == reason


def test_rejected_policies() -> None:
    for bad in ({"encryption_algorithms": {"RSA1_5"}}, {"content_encryptions": {"A128CBC"}}):
        with pytest.raises(ValueError, match="unknown algorithm"):
            TokenPolicy(**{name: frozenset(values) for name, values in bad.items()})  # type: ignore[arg-type]


def test_minted_key_survives() -> None:
    key = encryption_key("RSA-OAEP-384", "A192GCM", "k")
    again = EncryptionKey(key.alg, key.enc, JWK(**key.members()))
    assert outcome(again.encrypt({}), enc_set(key), policy=ENCRYPTED) == "ACCEPTED"
    with pytest.raises(KeyError):
        EncryptionKey.generate("RSA1_5")


def test_secret_for_both_is_bound_by_the_form() -> None:
    """One secret without "use" may check and decrypt; what a token is, the policy says."""
    keys = enc_set(secret(SECRET))
    assert outcome(hs({}), keys) == "ACCEPTED"
    assert outcome(hs({}), keys, policy=ENCRYPTED) == "MALFORMED"
    direct = EncryptionKey("dir", "A256GCM", JWK(**secret(SECRET)))
    assert outcome(direct.encrypt({}), keys, policy=ENCRYPTED) == "ACCEPTED"
    assert isinstance(SigningKey.generate("HS256"), SigningKey)
    assert outcome(direct.encrypt({}), keys) == "MALFORMED"
