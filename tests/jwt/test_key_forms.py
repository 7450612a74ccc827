"""Keys in PEM, maps of them, bare secrets."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from pyngx_jwt.jwt import ALGORITHMS, SIG_AND_ENC, Json, KeySet, KeySetError
from pyngx_jwt.jwt.mint import SigningKey

from .keys import SECRET, encryption_key, hs, key_set, outcome, signing_key

PRIVATE = {
    "rsa": signing_key("RS256").jwk.get_op_key("sign"),
    "weak": rsa.generate_private_key(65537, 1024),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "k256": ec.generate_private_key(ec.SECP256K1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ed448": ed448.Ed448PrivateKey.generate(),
}
ODD = {
    "p224": ec.generate_private_key(ec.SECP224R1()),
    "brainpool": ec.generate_private_key(ec.BrainpoolP256R1()),
    "x25519": x25519.X25519PrivateKey.generate(),
    "dsa": dsa.generate_private_key(2048),
}


def public(name: str, form: s.PublicFormat = s.PublicFormat.SubjectPublicKeyInfo) -> str:
    key = {**PRIVATE, **ODD}[name].public_key()
    return key.public_bytes(s.Encoding.PEM, form).decode()  # type: ignore[no-any-return]


def private(name: str, form: s.PrivateFormat = s.PrivateFormat.PKCS8) -> str:
    encryption = s.NoEncryption()
    octets = PRIVATE[name].private_bytes(s.Encoding.PEM, form, encryption)
    return octets.decode()  # type: ignore[no-any-return]


def certificate(name: str) -> str:
    key = PRIVATE[name]
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    start = datetime.datetime(2020, 1, 1)  # long expired: only the key counts
    builder = x509.CertificateBuilder(who, who, key.public_key(), 7, start, start.replace(day=2))
    digest = None if name.startswith("ed") else SHA256()
    made = builder.sign(key, digest).public_bytes(s.Encoding.PEM)
    return made.decode()


RSA_ALGORITHMS = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]


@pytest.mark.parametrize(
    "name, kty, crv, algorithms",
    [
        ("rsa", "RSA", None, RSA_ALGORITHMS),
        ("weak", "RSA", None, RSA_ALGORITHMS),
        ("p256", "EC", "P-256", ["ES256"]),
        ("p384", "EC", "P-384", ["ES384"]),
        ("p521", "EC", "P-521", ["ES512"]),
        ("k256", "EC", "secp256k1", ["ES256K"]),
        ("ed25519", "OKP", "Ed25519", ["Ed25519", "EdDSA"]),
        ("ed448", "OKP", "Ed448", ["Ed448", "EdDSA"]),
    ],
)
@pytest.mark.parametrize("make", [public, certificate])
def test_pem(make: object, name: str, kty: str, crv: str | None, algorithms: list[str]) -> None:
    text = make(name)  # type: ignore[operator]
    for source in (text, text.encode(), text.strip(), f"{text}\n \r\n", text.replace("\n", "\r\n")):
        keys = KeySet.parse_pem(source)
        (key,) = keys.keys
        assert (key.kty, key.crv, key.kid, keys.unlabelled) == (kty, crv, None, (key,))
        assert sorted(key.checks) == algorithms and not key.decrypts
        weak = ("RSA modulus of 1024 bits is weak",) if name == "weak" else ()
        assert keys.warnings == weak
    (named,) = KeySet.parse_pem(text, "k").by_kid["k"]
    assert named.kty == kty


@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if not alg.startswith("HS")])
def test_pem_verifies(alg: str) -> None:
    key = signing_key(alg)
    keys = KeySet.parse_pem(key.jwk.export_to_pem())
    assert outcome(key.sign({}), keys) == "ACCEPTED"
    assert outcome(key.sign({}, {"kid": "any"}), keys) == "ACCEPTED"
    assert outcome(signing_key(alg, None, None, 1).sign({}), keys) == "SIGNATURE"


def test_rsa_public_key() -> None:
    text = public("rsa", s.PublicFormat.PKCS1)
    assert text.startswith("-----BEGIN RSA PUBLIC KEY-----")
    assert outcome(signing_key("RS256").sign({}), KeySet.parse_pem(text)) == "ACCEPTED"


def test_chain_of_certificates() -> None:
    keys = KeySet.parse_pem(f"subject=x\n{certificate('rsa')}\n{certificate('p256')}")
    assert [key.kty for key in keys.keys] == ["RSA"] and keys.warnings == ()
    keys = KeySet.parse_pem(public("p256") + public("p384"))
    assert [key.crv for key in keys.keys] == ["P-256"]
    assert keys.warnings == ("only the first of 2 parts is used",)


PEM = public("p256")
BODY = PEM.split("\n")[1]


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "not in PEM"),
        ("secret", "not in PEM"),
        (BODY, "not in PEM"),
        ('{"keys":[]}', "not in PEM"),
        (private("rsa"), "a private key, where a public one is wanted"),
        (private("rsa", s.PrivateFormat.TraditionalOpenSSL), "a private key, where a public one"),
        (private("p256", s.PrivateFormat.TraditionalOpenSSL), "a private key, where a public one"),
        (private("ed25519"), "a private key, where a public one is wanted"),
        (private("p256", s.PrivateFormat.OpenSSH), "a private key, where a public one is wanted"),
        (private("p256") + PEM, "a private key, where a public one is wanted"),
        (PEM.replace("PUBLIC KEY", "CERTIFICATE REQUEST"), "PEM of unsupported kind"),
        (PEM.replace("PUBLIC KEY", "X\x1b"), 'PEM of unsupported kind "X\\u001b"'),
        (PEM.replace("PUBLIC", "RSA PUBLIC"), "malformed PEM, or unsupported type of key"),
        (PEM.replace("PUBLIC KEY", "CERTIFICATE"), "malformed PEM, or unsupported type of key"),
        (PEM.replace(BODY, BODY[:-4]), "malformed PEM, or unsupported type of key"),
        (PEM.replace(BODY, "!!"), "malformed PEM, or unsupported type of key"),
        (PEM.replace(BODY, "\u00e9"), "malformed PEM, or unsupported type of key"),
        (PEM.partition("-----END")[0], "truncated PEM"),
        (PEM.replace("END PUBLIC", "END RSA PUBLIC"), "truncated PEM"),
        (public("p224"), "unsupported curve "),
        (public("brainpool"), "unsupported curve "),
        (public("x25519"), "unsupported type of key"),
        (public("dsa"), "unsupported type of key"),
    ],
)
def test_pem_that_cannot_be_used(text: str, error: str) -> None:
    with pytest.raises(KeySetError) as caught:
        KeySet.parse_pem(text)
    shown = str(caught.value)
    assert shown.startswith(f"no usable key: {error}")
    assert shown.isascii() and shown.isprintable() and BODY not in shown


def test_pem_of_unsuitable_rsa() -> None:
    small = rsa.RSAPublicNumbers(65537, (1 << 1022) | 1).public_key()
    huge = rsa.RSAPublicNumbers(2**64 + 1, (1 << 2047) | 1).public_key()
    info = s.PublicFormat.SubjectPublicKeyInfo
    for key, error in ((small, "RSA modulus of 1023 bits"), (huge, "unsuitable RSA exponent")):
        with pytest.raises(KeySetError, match=error):
            KeySet.parse_pem(key.public_bytes(s.Encoding.PEM, info))


def test_public_key_in_pem_is_no_secret() -> None:
    """Nor is a secret taken for PEM, whatever it looks like."""
    text = public("rsa")
    for octets in (text.encode(), text.strip().encode(), b""):
        assert outcome(hs({}, None, octets), KeySet.parse_pem(text)) == "NO_KEY"
    keys = KeySet.of_secret(text.encode())
    assert outcome(signing_key("RS256").sign({}), keys) == "NO_KEY"


# -- maps


def test_map() -> None:
    signer = {alg: SigningKey.generate(alg, alg) for alg in ("RS256", "ES256", "EdDSA")}
    listed = {alg: key.jwk.export_to_pem().decode() for alg, key in signer.items()}
    for source in (json.dumps(listed), json.dumps(listed).encode()):
        keys = KeySet.parse_pem_map(source)
        assert list(keys.by_kid) == list(signer) and not keys.unlabelled and not keys.warnings
        for key in signer.values():
            assert outcome(key.sign({}), keys) == "ACCEPTED"
        assert outcome(signer["RS256"].sign({}, {"kid": "ES256"}), keys) == "NO_KEY"
        assert outcome(signer["RS256"].sign({}, {"kid": "x"}), keys) == "UNKNOWN_KID"


@pytest.mark.parametrize(
    "kid, value, why",
    [
        ("a", "secret", "not in PEM"),
        ("a", "", "not in PEM"),
        ("a", None, "not a string"),
        ("a", 5, "not a string"),
        ("a", {"kty": "oct", "k": "AA"}, "not a string"),
        ("a", [PEM], "not a string"),
        ("", PEM, 'empty "kid"'),
        ("a", private("p256"), "a private key, where a public one is wanted"),
        ("a", "\u20ac", "not in PEM"),
        ("a\n\u20ac", PEM[:40], "truncated PEM"),
    ],
)
def test_map_with_what_cannot_be_used(kid: str, value: Json, why: str) -> None:
    keys = KeySet.parse_pem_map(json.dumps({kid: value, "good": PEM}))
    assert list(keys.by_kid) == ["good"]
    (warning,) = keys.warnings
    assert warning.startswith("key of kid ") and warning.endswith(f" is skipped: {why}")
    assert warning.isascii() and warning.isprintable()
    with pytest.raises(KeySetError) as caught:
        KeySet.parse_pem_map(json.dumps({kid: value}))
    assert str(caught.value) == f"no usable key in the key map; {warning}"


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "key map is not valid JSON: "),
        ("[]", "key map is not an object"),
        ("{}", "no usable key in the key map"),
        (PEM, "key map is not valid JSON: "),
        ('{"a":"x","a":"y"}', "key map is not valid JSON: a member name is repeated"),
        (json.dumps({str(n): PEM for n in range(65)}), "key map has more than 64 keys"),
    ],
)
def test_malformed_map(text: str, error: str) -> None:
    with pytest.raises(KeySetError) as caught:
        KeySet.parse_pem_map(text)
    assert str(caught.value).startswith(error)


# -- secrets


def test_secret() -> None:
    keys = KeySet.of_secret(SECRET)
    assert keys.warnings == () and keys.keys == keys.unlabelled
    for alg in ("HS256", "HS384", "HS512"):
        assert outcome(hs({}, {"alg": alg}), keys) == "ACCEPTED"
        assert outcome(hs({}, {"alg": alg, "kid": "any"}), keys) == "ACCEPTED"
        only = KeySet.of_secret(SECRET, "HS384")
        assert outcome(hs({}, {"alg": alg}), only) == ("ACCEPTED" if alg == "HS384" else "NO_KEY")
    assert outcome(hs({}, None, b"x"), keys) == "SIGNATURE"
    assert KeySet.of_secret(b"short").warnings == ("secret of 5 bytes is weak",)


@pytest.mark.parametrize("alg", ["RS256", "none", "", "hs256", "A128KW"])
def test_secret_is_for_hmac_only(alg: str) -> None:
    with pytest.raises(KeySetError, match="is not for secrets"):
        KeySet.of_secret(SECRET, alg)
    with pytest.raises(KeySetError, match="empty secret"):
        KeySet.of_secret(b"")


def test_secret_is_not_shown() -> None:
    keys = KeySet.of_secret(SECRET)
    for shown in (repr(keys), repr(keys.keys), keys.generation):
        assert SECRET.decode() not in shown and SECRET.hex() not in shown


# -- all of them


def test_generation_tells_keys_apart() -> None:
    pem, other = public("p256"), public("p384")
    sets = [
        KeySet.of_secret(SECRET),
        KeySet.of_secret(SECRET, "HS256"),
        KeySet.of_secret(SECRET + b"x"),
        KeySet.of_secret(pem.encode()),
        KeySet.parse_pem(pem),
        KeySet.parse_pem(pem, "k"),
        KeySet.parse_pem(other),
        KeySet.parse_pem_map(json.dumps({"k": pem})),
        key_set({"kty": "oct", "k": "AAAA"}),
    ]
    assert len({keys.generation for keys in sets}) == len(sets)
    assert KeySet.parse_pem(pem).generation == KeySet.parse_pem(pem.encode()).generation
    assert KeySet.of_secret(SECRET).generation == sets[0].generation


def test_unknown_kid_only_where_kids_are_known() -> None:
    """Of a PEM or a secret there is no newer version that would know the name."""
    stranger = hs({}, {"alg": "HS256", "kid": "x"}, b"other")
    unlabelled = [KeySet.of_secret(SECRET), KeySet.parse_pem(PEM)]
    assert outcome(stranger, *unlabelled) == "SIGNATURE"
    assert outcome(stranger, KeySet.parse_pem(PEM)) == "NO_KEY"
    assert outcome(stranger) == "NO_KEY"
    labelled = KeySet.parse_pem(PEM, "k")
    assert outcome(stranger, *unlabelled, labelled) == "UNKNOWN_KID"
    known = hs({}, {"alg": "HS256", "kid": "k"}, b"other")
    assert outcome(known, *unlabelled, labelled) == "SIGNATURE"


MANY = json.dumps(
    {
        "keys": [
            *[
                signing_key(alg, alg).members(private=True)
                for alg in ("RS256", "ES256", "EdDSA", "HS256")
            ],
            encryption_key("RSA-OAEP", "A128GCM").members(),
        ]
    }
)
MAP = json.dumps({"a": public("p256"), "b": certificate("rsa")})
Parse = Callable[[bytes], KeySet]
FORMS: list[tuple[Parse, bytes]] = [
    (KeySet.parse, MANY.encode()),
    (lambda source: KeySet.parse(source, SIG_AND_ENC), MANY.encode()),
    (KeySet.parse_pem, public("rsa").encode()),
    (KeySet.parse_pem, certificate("p256").encode()),
    (KeySet.parse_pem_map, MAP.encode()),
]


@settings(max_examples=300)
@given(st.sampled_from(FORMS), st.randoms(use_true_random=False), st.integers(1, 4))
def test_changed_keys_raise_nothing_else(form: tuple[Parse, bytes], r: Random, n: int) -> None:
    parse, source = form
    changed = bytearray(source)
    for _ in range(n):
        place = r.randrange(len(changed))
        what = r.choice(
            (b"", b"A", b"=", b'"', b"\n", b"-", changed[place : place + 9] * 2, b"\xff")
        )
        changed[place : place + r.choice((0, 1, 1, 30))] = what
    try:
        keys = parse(bytes(changed))
    except KeySetError as error:
        assert str(error).isascii() and str(error).isprintable()
    else:
        assert keys.keys
