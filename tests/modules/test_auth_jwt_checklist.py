"""Attacks on verifiers of tokens, one by one: which test makes each of them.

The numbers are those of our list of pitfalls.  That some of them are found in Lua libraries only
is no matter here: no Lua runs in pyngx, and the attacks are made on its own verifier.
"""

from __future__ import annotations

import ast
import hmac
import json
import random
from functools import cache
from pathlib import Path

import pytest

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import decode_base64url, encode_base64url

from ..jwt.keys import (
    SECRET,
    accepted,
    encryption_key,
    hs,
    jwks,
    key_set,
    secret,
    signing_key,
)
from ..nginx import Nginx
from .plain_keys import EC, HEX, PAGE, auth, claims_of, good, pem, status
from .tokens import tampered

pytestmark = pytest.mark.pyngx_only("about all dialects")

HERE, TESTS = "modules/test_auth_jwt_checklist.py", Path(__file__).parent.parent

CHECKLIST: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "an HMAC made with a public key",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt_tesla_keys.py::test_public_keys",
            "modules/test_auth_jwt_maxlt.py::test_public_keys",
            "modules/test_auth_jwt_tizp.py::test_public_key",
        ),
    ),
    2: (
        "alg none",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt_tesla_keys.py::test_algorithms_of_other_families",
            "modules/test_auth_jwt_maxlt.py::test_alg_of_public_keys",
            "modules/test_auth_jwt_tizp.py::test_only_the_named_algorithm",
            "modules/test_auth_jwt_settings.py::test_allow_unsigned",
        ),
    ),
    3: (
        "another hash with the same secret",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt.py::test_algorithm",
            "modules/test_auth_jwt_maxlt.py::test_alg",
            "modules/test_auth_jwt_tesla_keys.py::test_any_hash_with_a_secret",
        ),
    ),
    4: (
        "a kid that names a file",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt_vectors.py::test_vector",
        ),
    ),
    5: (
        "an unknown kid",
        (
            "modules/test_auth_jwt_keys.py::test_unknown_kids_do_not_flood_the_issuer",
            "modules/test_auth_jwt_tesla_keys.py::test_key_request_and_rotation",
            "modules/test_auth_jwt_vectors.py::test_vector",
        ),
    ),
    6: ("jku, x5u, x5c, jwk", (f"{HERE}::test_keys_of_the_token",)),
    7: ("compressed content", (f"{HERE}::test_encrypted",)),
    8: ("a password and as many rounds as the token says", (f"{HERE}::test_encrypted",)),
    9: (
        "r and s of 0",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            f"{HERE}::test_odd_signatures_by_elliptic_curves",
        ),
    ),
    10: (
        "ES256 by another curve",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt_tesla_keys.py::test_curve_and_algorithm",
        ),
    ),
    11: ("two texts of one token", (f"{HERE}::test_revoked_under_any_signature",)),
    12: ("RSA keys of odd sizes", (f"{HERE}::test_size_of_rsa_keys",)),
    13: (
        "an empty secret",
        (
            "modules/test_auth_jwt_attacks.py::test_empty_secret",
            "modules/test_auth_jwt_maxlt_config.py::test_rejected",
            "modules/test_auth_jwt_tesla_keys.py::test_secret_that_is_no_hex",
            "modules/test_auth_jwt_tizp.py::test_rejected",
        ),
    ),
    14: (
        "no key at all",
        (
            "modules/test_auth_jwt_settings.py::test_no_keys",
            "modules/test_auth_jwt_settings.py::test_allow_unsigned",
            "modules/test_auth_jwt_tizp.py::test_without_a_key",
        ),
    ),
    15: (
        "size and depth",
        (
            "modules/test_auth_jwt_settings.py::test_tokens_beyond_the_limits",
            "modules/test_auth_jwt_settings.py::test_a_megabyte",
            "modules/test_auth_jwt_settings.py::test_a_huge_file",
        ),
    ),
    16: (
        "JSON that can be read in two ways",
        (
            "modules/test_auth_jwt_vectors.py::test_vector",
            f"{HERE}::test_json_is_what_the_claims_are",
        ),
    ),
    17: ("crit", ("modules/test_auth_jwt_vectors.py::test_vector",)),
    18: ("b64 false", ("modules/test_auth_jwt_vectors.py::test_vector",)),
    19: (
        "base64 of several forms",
        ("modules/test_auth_jwt_vectors.py::test_vector", f"{HERE}::test_one_form_of_base64"),
    ),
    20: (
        "exp that is no number",
        (
            "modules/test_auth_jwt_attacks.py::test_refused",
            "modules/test_auth_jwt_tesla.py::test_times",
            "modules/test_auth_jwt_maxlt.py::test_times",
            "modules/test_auth_jwt_tizp.py::test_times",
        ),
    ),
    21: ("nbf", ("modules/test_auth_jwt_settings.py::test_nbf",)),
    22: (
        "clock skew",
        (
            "modules/test_auth_jwt.py::test_times",
            "modules/test_auth_jwt_tesla.py::test_leeway",
            "modules/test_auth_jwt_maxlt.py::test_leeway",
        ),
    ),
    23: ("a token for somebody else", (f"{HERE}::test_tokens_for_others",)),
    24: (
        "other writings of a claim",
        ("modules/test_auth_jwt_vectors.py::test_vector", f"{HERE}::test_code_points_count"),
    ),
    25: (
        "line breaks in claims",
        (
            "modules/test_auth_jwt_tesla_claims.py::test_control_characters",
            "modules/test_auth_jwt_maxlt.py::test_control_characters",
            "modules/test_auth_jwt_variables.py::test_control_characters",
        ),
    ),
    26: (
        "fields of the client's own",
        (
            "modules/test_auth_jwt_tesla_claims.py::test_fields_of_the_client",
            "modules/test_auth_jwt_variables.py::test_fields_of_the_client_never_pass",
        ),
    ),
    27: ("several Authorization fields", (f"{HERE}::test_two_authorization_fields",)),
    28: (
        "several cookies of one name",
        (
            "modules/test_auth_jwt_tesla.py::test_conflicting_cookies",
            f"{HERE}::test_two_cookies",
        ),
    ),
    29: (
        "what another location remembers",
        (
            "jwt/test_memory.py::test_shared_between_equal_verifiers_only",
            f"{HERE}::test_other_locations_judge_for_themselves",
        ),
    ),
    30: (
        "an issuer that answers oddly",
        (
            "modules/test_auth_jwt_keys.py::test_unusable_answers",
            "modules/test_auth_jwt_cache.py::test_no_stale_keys_unless_the_location_has_them",
            "modules/test_auth_jwt_vectors.py::test_vector",
        ),
    ),
    31: (
        "OPTIONS",
        (
            "modules/test_auth_jwt_tesla.py::test_options",
            "modules/test_auth_jwt_maxlt.py::test_options",
            "modules/test_auth_jwt_tizp.py::test_secret",
        ),
    ),
    32: (
        "an internal redirect",
        (
            "modules/test_auth_jwt.py::test_evaluated_anew_after_an_internal_redirect",
            f"{HERE}::test_other_locations_judge_for_themselves",
        ),
    ),
    33: ("time of a comparison", (f"{HERE}::test_constant_time",)),
    34: (
        "tokens in logs and redirects",
        (
            "modules/test_auth_jwt_attacks.py::test_the_token_is_not_logged",
            "modules/test_auth_jwt_tesla_redirect.py::test_the_location_holds_nothing_else",
            f"{HERE}::test_nothing_secret_is_logged",
        ),
    ),
    35: (
        "back to another host",
        ("modules/test_auth_jwt_tesla_redirect.py::test_only_hosts_of_the_server",),
    ),
    36: ("a slow regular expression", (f"{HERE}::test_slow_expressions",)),
    37: (
        "claims before the access phase",
        (
            "modules/test_auth_jwt_variables.py::test_before_the_access_phase",
            "modules/test_auth_jwt_maxlt.py::test_limits_by_claim",
            "modules/test_auth_jwt_tesla_claims.py::test_variables_in_every_phase",
        ),
    ),
    38: ("a revoked token", (f"{HERE}::test_revoked_under_any_signature",)),
    39: (
        "a worker that ends",
        (
            "modules/test_auth_jwt_tesla.py::test_rejected",
            f"{HERE}::test_other_lists_of_claims",
            f"{HERE}::test_changed_tokens",
        ),
    ),
}


def test_every_row_has_its_tests() -> None:
    assert sorted(CHECKLIST) == list(range(1, 40))
    missing = [
        place
        for _, places in CHECKLIST.values()
        for place in places
        if place.partition("::")[2] not in names_in(place.partition("::")[0])
    ]
    assert missing == []
    assert all(places for _, places in CHECKLIST.values())


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_test_here_has_its_row() -> None:
    named = {place for _, places in CHECKLIST.values() for place in places}
    own = {f"{HERE}::{name}" for name in names_in(HERE) if name.startswith("test_")}
    assert sorted(own - named) == [
        f"{HERE}::test_every_row_has_its_tests",
        f"{HERE}::test_every_test_here_has_its_row",
    ]


# One secret in every dialect.

CONFIGURATIONS = {
    "plus": "auth_jwt A SOURCE; auth_jwt_key_file jwks.json;",
    "kjdev": "auth_jwt A SOURCE; auth_jwt_key_file jwks.json;",
    "tesla": f"auth_jwt_key {HEX}; auth_jwt_location COOKIE=t;",
    "maxlt": f"auth_jwt SWITCH; auth_jwt_key {HEX} hex;",
    "tizp": "auth_jwt A SOURCE; auth_jwt_key_file %%DIR%%/secret; auth_jwt_alg HS256;",
}
FILES: dict[str, str | bytes] = {
    **PAGE,
    "jwks.json": jwks(secret()),
    "other.json": jwks(secret(b"the secret of another location")),
    "secret": SECRET,
}
ALL = pytest.mark.parametrize("dialect", CONFIGURATIONS)


def serve(nginx: Nginx, dialect: str, server: str = "", *, cookie: bool = False) -> None:
    text = CONFIGURATIONS[dialect].replace(" SOURCE", " token=$cookie_t" if cookie else "")
    text = text.replace("SWITCH", "$cookie_t" if cookie else "on")
    if not cookie:
        text = text.replace("COOKIE=t", "HEADER=Authorization")
    nginx(f"{text} root html; {server}", http=f"pyngx_jwt_dialect {dialect};", files=FILES)


@ALL
def test_two_authorization_fields(nginx: Nginx, dialect: str) -> None:
    serve(nginx, dialect)
    one = auth(good())
    assert status(nginx, "/a", one) == 200
    assert status(nginx, "/a", one, one) == 400
    assert status(nginx, "/a", one, "Authorization: Basic YTpi") == 400
    assert status(nginx, "/a", f"{one}, {one}") == 401


@ALL
def test_two_cookies(nginx: Nginx, dialect: str) -> None:
    serve(nginx, dialect, cookie=True)
    one, other, bad = good(), good(sub="u2"), tampered(good())
    assert status(nginx, "/a", f"Cookie: t={one}") == 200
    assert status(nginx, "/a", f"Cookie: t={one}; t={one}") == 200
    for second in (other, bad, ""):
        assert status(nginx, "/a", f"Cookie: t={one}; t={second}") == 401
        assert status(nginx, "/a", f"Cookie: T={second}", f"Cookie: t={one}") == 401


@ALL
def test_one_form_of_base64(nginx: Nginx, dialect: str) -> None:
    serve(nginx, dialect)
    text = good()
    head, body, signature = text.split(".")
    spare = ALPHABET[ALPHABET.index(signature[-1]) + 1]
    for changed in (
        f"{text}=",
        f"{text}==",
        f"{head}=.{body}.{signature}",
        f"{head}.{body}=.{signature}",
        f"{text[:-1]}{spare}",
        f"{text}!",
        f"{text}.",
        f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}+",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{head} .{body}.{signature}",
    ):
        assert status(nginx, "/a", auth(changed)) == 401, changed
    assert status(nginx, "/a", auth(text)) == 200


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@ALL
def test_nothing_secret_is_logged(nginx: Nginx, dialect: str) -> None:
    serve(nginx, dialect, "error_log logs/debug.log debug;")
    texts = [
        good(),
        tampered(good()),
        good(exp=5),
        good(nbf=4102444800),
        good(sub=None),
        hs(claims_of(), {"alg": "none"}),
        hs(claims_of(), {"alg": "HS512", "kid": "x"}),
        f"{good()}.AA",
    ]
    for text in texts:
        nginx.request("GET /a", auth(text))
        nginx.request("GET /a", auth(f"{text}!"))
    log = nginx.error_log() + nginx.read("logs/debug.log")
    assert log.count("refused: ") > len(texts)
    segments = {segment for text in texts for segment in text.split(".") if len(segment) > 2}
    for told in (*segments, HEX, HEX.upper(), SECRET.decode()):
        assert told not in log


@ALL
def test_keys_of_the_token(nginx: Nginx, dialect: str) -> None:
    """Whoever brings a key along does not have it used, and nobody is asked for one."""
    serve(nginx, dialect)
    backend = nginx.backend("evil", b"")
    foreign = signing_key("RS256", "evil")
    url = nginx.filled("http://127.0.0.1:%%PORT_evil%%/")
    headers: tuple[dict[str, Json], ...] = (
        {"jwk": foreign.members()},
        {"jku": url},
        {"x5u": url},
        {"x5c": ["AAAA"]},
        {"jwk": secret(b"another"), "alg": "HS256"},
    )
    for header in headers:
        assert status(nginx, "/a", auth(foreign.sign(claims_of(), header))) == 401
        assert status(nginx, "/a", auth(hs(claims_of(), header | {"alg": "HS256"}))) == 200
        another = hs(claims_of(), header | {"alg": "HS256"}, b"another")
        assert status(nginx, "/a", auth(another)) == 401
    assert backend.accepted == 0


STRICTER = {
    "plus": 'auth_jwt B; auth_jwt_key_file other.json; auth_jwt_type signed;',
    "kjdev": 'auth_jwt_require_claim sub eq nobody;',
    "tesla": "auth_jwt_validate_sub on;",
    "maxlt": "auth_jwt_alg HS512;",
    "tizp": "auth_jwt_alg HS512;",
}  # fmt: skip


@ALL
def test_other_locations_judge_for_themselves(nginx: Nginx, dialect: str) -> None:
    """What passed here, and is remembered, passes there only if it passes there."""
    serve(
        nginx,
        dialect,
        f"""
        location /strict {{ {STRICTER[dialect]} }}
        location /redirected {{ error_page 404 /strict; }}
        location /tried {{ try_files _ /strict; }}
        """,
    )
    nginx.write("html/strict", "")
    line = auth(good(sub=5 if dialect == "tesla" else "u1"))
    for _ in range(3):
        assert status(nginx, "/a", line) == 200
        assert status(nginx, "/strict", line) == 401
        assert status(nginx, "/redirected", line) == 401
        assert status(nginx, "/tried", line) == 401


@ALL
def test_changed_tokens(nginx: Nginx, dialect: str) -> None:
    """Whatever is sent is answered, by the same worker all the time."""
    serve(nginx, dialect, "location /pid { return 204; add_header P $pid; }")
    first = nginx.request("GET /pid").get("P")
    dice, text = random.Random(1), good(n=[1, {"a": "b"}])
    with nginx.connect() as connection:
        for _ in range(200):
            at = dice.randrange(len(text))
            kind = dice.randrange(3)
            piece = dice.choice(["", ".", "=", "A", "!", "\x80", "-", text[at:]])
            changed = text[:at] + piece + text[at + (kind > 0) :]
            answer = connection.request("GET /a", auth(changed))
            assert answer is not None
            assert answer.status == (200 if changed == text else 401), changed
    assert nginx.request("GET /pid").get("P") == first


# Some dialects only.


def test_encrypted(nginx: Nginx) -> None:
    """Only what is small, and cheap to undo."""
    key = encryption_key("dir", "A128GCM", "k")
    wrap = encryption_key("A128KW", "A128GCM", "w")
    nginx(
        "auth_jwt A; auth_jwt_type encrypted; auth_jwt_key_file enc.json; root html;",
        files={**PAGE, "enc.json": jwks(key.members(), wrap.members(), secret())},
    )
    rounds: dict[str, Json] = {"alg": "PBES2-HS256+A128KW", "p2c": 2**31 - 1, "p2s": "AAAA"}
    assert status(nginx, "/a", auth(key.encrypt(claims_of()))) == 200
    assert status(nginx, "/a", auth(wrap.encrypt(claims_of()))) == 200
    for text in (
        key.encrypt(claims_of(), {"zip": "DEF"}),
        wrap.encrypt(claims_of(), {"zip": "DEF"}),
        wrap.encrypt(claims_of(), rounds),
        wrap.encrypt(claims_of(), {**rounds, "kid": None}),
        wrap.encrypt(claims_of(), {"alg": "RSA1_5"}),
        key.encrypt(claims_of(), {"crit": ["exp"]}),
        good(),
    ):
        assert status(nginx, "/a", auth(text)) == 401


def es256(r: int, s: int, text: str) -> str:
    signature = encode_base64url(r.to_bytes(32) + s.to_bytes(32)).decode()
    return f"{text.rpartition('.')[0]}.{signature}"


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


def parts(text: str) -> tuple[int, int]:
    signature = decode_base64url(text.rpartition(".")[2].encode())
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:])


def test_odd_signatures_by_elliptic_curves(nginx: Nginx) -> None:
    nginx(
        f"""
        root html;
        location /tesla {{ auth_jwt_algorithm ES256; auth_jwt_key '{pem(EC)}'; }}
        """,
        files={"html/tesla": ""},
    )
    text = EC.sign(claims_of())
    r, s = parts(text)
    assert status(nginx, "/tesla", auth(es256(r, s, text))) == 200
    for odd in ((0, 0), (0, s), (r, 0), (ORDER, ORDER), (r, ORDER), (r, 2**256 - 1), (1, 1)):
        assert status(nginx, "/tesla", auth(es256(*odd, text))) == 401


def test_revoked_under_any_signature(nginx: Nginx) -> None:
    """Of an ES256 signature anybody can make another: the text of a token is no name for it."""
    key = signing_key("ES256", "k1")
    nginx(
        "auth_jwt A; auth_jwt_key_file ec.json; auth_jwt_revocation_list_sub revoked.json; "
        "root html;",
        files={**PAGE, "ec.json": jwks(key), "revoked.json": '{"u2": {}}'},
    )
    for sub, found in (("u1", 200), ("u2", 401)):
        text = key.sign(claims_of(sub=sub))
        r, s = parts(text)
        for both in (text, es256(r, ORDER - s, text)):
            assert status(nginx, "/a", auth(both)) == found


@pytest.mark.parametrize("bits, told", [(512, "512 bits"), (1023, "1023 bits"), (16392, "16392")])
def test_size_of_rsa_keys(nginx: Nginx, bits: int, told: str) -> None:
    modulus = encode_base64url(((1 << bits) - 1).to_bytes((bits + 7) // 8)).decode()
    nginx.write("jwks.json", jwks({"kty": "RSA", "n": modulus, "e": "AQAB"}))
    nginx.rejects(
        "auth_jwt A; auth_jwt_validate_exp on; auth_jwt_key_file jwks.json;",
        '"auth_jwt_key_file" directive failed to load jwks file: "%%DIR%%/jwks.json"',
    )
    said = nginx.accepts("auth_jwt A; auth_jwt_type signed; auth_jwt_key_file jwks.json;")
    assert f"key 0 is skipped: RSA modulus of {told}" in said


def test_tokens_for_others(nginx: Nginx) -> None:
    """Which signature, issuer and time have in order."""
    key = signing_key("RS256", "k")
    nginx(
        """
        auth_jwt A; auth_jwt_key_file rs.json; root html;
        auth_jwt_validate_claim iss https://issuer.example; auth_jwt_validate_claim aud api;
        """,
        files={**PAGE, "rs.json": jwks(key)},
    )
    right: dict[str, Json] = {"iss": "https://issuer.example", "aud": ["web", "api"]}
    changes: tuple[tuple[dict[str, Json], int], ...] = (
        ({}, 200),
        ({"aud": "api"}, 200),
        ({"aud": "web"}, 401),
        ({"aud": None}, 401),
        ({"aud": ["API"]}, 401),
        ({"iss": "https://issuer.example/"}, 401),
        ({"iss": None}, 401),
    )
    for change, found in changes:
        claims = claims_of(**{**right, **change})
        assert status(nginx, "/a", auth(key.sign(claims))) == found, change


def test_code_points_count(nginx: Nginx) -> None:
    """Escapes are undone; nothing else is made equal."""
    nginx(
        "auth_jwt A; auth_jwt_key_file jwks.json; auth_jwt_validate_claim sub 'J\u00fcrgen'; "
        "root html;".encode().decode("latin-1"),
        files=FILES,
    )
    exp = claims_of()["exp"]
    for text, found in (
        ('"sub":"J\u00fcrgen"', 200),
        ('"sub":"J\\u00fcrgen"', 200),
        ('"\\u0073ub":"\\u004a\u00fcrgen"', 200),
        ('"sub":"Ju\u0308rgen"', 401),
        ('"sub":"j\u00fcrgen"', 401),
        ('"sub":"J\u00fcrgen "', 401),
        ('"Sub":"J\u00fcrgen"', 401),
        ('"sub":"J\u00fcrgen\\u0000"', 401),
        ('"sub":"J\u00fcrgen","\\u0073ub":"x"', 401),
        ('"sub":"\\ud800"', 401),
    ):
        token = hs(f'{{{text},"exp":{exp}}}'.encode())
        assert status(nginx, "/a", auth(token)) == found, text


def test_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    accepted(hs({}), key_set(secret(b"another"), secret()))
    assert [len(octets) for octets in compared] == [32, 32]


def test_slow_expressions(nginx: Nginx) -> None:
    """A claim for which matching would take for ever is refused, and soon."""
    nginx(
        r"""
        auth_jwt A; auth_jwt_key_file jwks.json; root html;
        auth_jwt_require_claim a match "^(a+)+\\z";
        """,
        files=FILES,
    )
    assert status(nginx, "/a", auth(good(a="a" * 20))) == 200
    assert status(nginx, "/a", auth(good(a="a" * 3000 + "!"))) == 401


def test_other_lists_of_claims(nginx: Nginx) -> None:
    """In TeslaGov's module the last list counts for all locations."""
    nginx(
        f"""
        auth_jwt_key {HEX}; add_header X "[$jwt_claim_sub] [$jwt_claim_role] [$jwt_claim_org]";
        location /one {{ auth_jwt_extract_var_claims sub role org; try_files _ =204; }}
        location /two {{ auth_jwt_extract_var_claims org; try_files _ =204; }}
        """
    )
    line = auth(good(role="r", org="o"))
    for uri in ("/one", "/two"):
        assert nginx.request(f"GET {uri}", line).get("X") == "[u1] [r] [o]"


def test_json_is_what_the_claims_are(nginx: Nginx) -> None:
    """Nothing else than an object."""
    nginx("auth_jwt on; root html; " + CONFIGURATIONS["maxlt"].partition("; ")[2], files=FILES)
    for payload in (b"[1]", b'"a"', b"1", b"null", b"{} {}", b"", b"{", json.dumps({}).encode()):
        found = 200 if payload == b"{}" else 401
        assert status(nginx, "/a", auth(hs(payload))) == found, payload
