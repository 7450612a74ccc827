"""Explanations say what would have worked: another reading of a secret, the faulty part of a
token, the header that has it, the statement behind a variable."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from pyngx_jwt.explain.explainer import Explanation
from pyngx_jwt.explain.form import faults_of
from pyngx_jwt.explain.lines import HINT
from pyngx_jwt.explain.report import as_text
from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import encode_base64url, encode_json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import jwks, signing_key
from .offline import explain
from .setups import CLAIMS, KEY, OTHER

PLUS = "auth_jwt A; auth_jwt_key_file jwks.json; auth_jwt_type signed;"
GOOD = KEY.sign(CLAIMS)
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jwks.json").write_text(jwks(KEY))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hints(explanation: Explanation) -> list[str]:
    return [line.text for line in explanation.trip.lines if line.name == HINT]


def details(explanation: Explanation, word: str) -> list[str]:
    """The lines that contain a word, with the statement that decides them."""
    return [
        f"{line.text} <- {' '.join([line.statement.name, *line.statement.args])}"
        for line in explanation.trip.lines
        if word in line.text and line.statement is not None
    ]


# -- secrets ------------------------------------------------------------------------------------

SECRET = b"0123456789abcdef" * 4  # also hex, and base64
TEXT = SECRET.decode()


def hmac(secret: bytes) -> str:
    return SigningKey.from_secret("HS256", secret).sign(CLAIMS)


@pytest.mark.parametrize(
    ("server", "secret", "hint"),
    [
        (f'auth_jwt_key "{TEXT}"; auth_jwt_enabled on;', SECRET, "text; it is read as hex"),
        (f"auth_jwt_key {TEXT} hex; auth_jwt on;", SECRET, "text; it is read as hex"),
        (f"auth_jwt_key {TEXT}; auth_jwt on;", bytes.fromhex(TEXT), "hex; it is read as text"),
        (
            f"auth_jwt_key {b64encode(bytes(48)).decode()}; auth_jwt on;",
            bytes(48),
            "base64; it is read as text",
        ),
        (
            f"auth_jwt_key {urlsafe_b64encode(b'>?>' * 16).decode()}; auth_jwt on;",
            b">?>" * 16,
            "base64url; it is read as text",
        ),
    ],
    ids=["hex as text", "max-lt hex as text", "text as hex", "base64", "base64url"],
)
def test_secret_that_is_meant_in_another_way(
    server: str, secret: bytes, hint: str, directory: Path
) -> None:
    explanation = explain(directory, server, hmac(secret))
    (line,) = hints(explanation)
    assert line == f"would verify with the secret as {hint}"
    assert f"  hint: {line}\n" in as_text(explanation)


def test_secret_that_no_reading_verifies(directory: Path) -> None:
    explanation = explain(directory, f"auth_jwt_key {TEXT} hex; auth_jwt on;", hmac(bytes(64)))
    assert hints(explanation) == [
        "does not verify with the secret as text, hex, base64 or base64url either"
    ]
    assert explain(directory, f"auth_jwt_key {TEXT}; auth_jwt on;", hmac(SECRET)).trip.gated
    assert not hints(explain(directory, f"auth_jwt_key {TEXT}; auth_jwt on;", hmac(SECRET)))


@pytest.mark.parametrize(
    ("k", "secret", "hint"),
    [
        (TEXT.encode(), SECRET, 'the "k" of the JWK as text; it is read as base64url'),
        (
            urlsafe_b64encode(SECRET).rstrip(b"="),
            bytes.fromhex(TEXT),
            'the decoded "k" of the JWK as hex; it is read as octets',
        ),
        (
            urlsafe_b64encode(SECRET + b"\n").rstrip(b"="),
            SECRET,
            'the decoded "k" of the JWK as text without the line break at its end; it is read as '
            "octets",
        ),
    ],
    ids=["text", "hex inside", "line break"],
)
def test_secret_of_a_jwk(k: bytes, secret: bytes, hint: str, directory: Path) -> None:
    document = {"keys": [{"kty": "oct", "k": k.decode()}]}
    (directory / "jwks.json").write_text(json.dumps(document))
    explanation = explain(directory, PLUS, hmac(secret))
    assert hints(explanation) == [f"would verify with {hint}"]


def test_secret_in_a_file(directory: Path) -> None:
    (directory / "secret").write_bytes(TEXT.encode())
    server = "auth_jwt A; auth_jwt_key_file secret; auth_jwt_alg HS256;"
    explanation = explain(directory, server, hmac(SECRET + b"\n"))
    assert explanation.choice.name == "tizp"
    assert hints(explanation) == [
        "would verify with the secret as text with a line break at its end; it is read as text"
    ]


# -- keys ---------------------------------------------------------------------------------------


def test_token_that_names_another_key(directory: Path) -> None:
    (directory / "jwks.json").write_text(jwks(KEY, OTHER))
    explanation = explain(directory, PLUS, OTHER.sign(CLAIMS, {"kid": "k1"}))
    assert hints(explanation) == [
        'would verify with "k2" (RSA, RS256): the token\'s kid names another key'
    ]


def test_key_that_was_skipped(directory: Path) -> None:
    document = json.loads(jwks(KEY, OTHER))
    document["keys"][1]["use"] = "enc"
    (directory / "jwks.json").write_text(json.dumps(document))
    (hint,) = hints(explain(directory, PLUS, OTHER.sign(CLAIMS)))
    assert hint.endswith('jwks.json": key 1 (kid "k2") is skipped: unsupported algorithm "RS256"')
    assert not hints(explain(directory, PLUS, KEY.sign(CLAIMS, {"kid": "k3"})))


def test_signature_of_openssl(directory: Path) -> None:
    key = signing_key("ES256", "e1")
    (directory / "jwks.json").write_text(jwks(key))
    token = key.sign(CLAIMS)
    raw = b"\x30\x44" + b"\x02\x20" + bytes([1] * 32) + b"\x02\x20" + bytes([1] * 32)
    der = f"{token.rpartition('.')[0]}.{encode_base64url(raw).decode()}"
    (hint,) = hints(explain(directory, PLUS, der))
    assert hint.startswith("the signature is DER: ")
    forged = f"{token.rpartition('.')[0]}.{encode_base64url(bytes([48] * 64)).decode()}"
    assert not hints(explain(directory, PLUS, forged))


# -- form ---------------------------------------------------------------------------------------


def part(value: Json) -> str:
    return encode_base64url(encode_json(value).encode()).decode()


NOT_JSON = b'{"a" 1}'
AN_OBJECT = "not a JSON object: the issuer must send an object"
ISSUED = "send the token exactly as the issuer returned it"
FAULTS = {
    f"{HEADER}.{PAYLOAD}.{SIGNATURE}": [],
    f'"{GOOD}"': ["token has quotes around it: send it without them"],
    f" {GOOD}\n": ["token has spaces around it: send it without them"],
    f"Bearer {GOOD}": ['token begins with a second "Bearer": send the scheme once'],
    f"bearer  Bearer '{GOOD}'": [
        'token begins with a second "Bearer": send the scheme once',
        'token begins with a second "Bearer": send the scheme once',
        "token has quotes around it: send it without them",
    ],
    "undefined": ['token is the word "undefined": the client has no token: let it log in'],
    "${TOKEN}": ["token is a placeholder: the client must insert the token"],
    "<token>": ["token is a placeholder: the client must insert the token"],
    '{"access_token":"x"}': ["token is a JSON object: send its member with the token only"],
    GOOD.replace(".", "%2E"): [f"token is percent-encoded: {ISSUED}"],
    f"{HEADER}. {PAYLOAD}.x": [f"token has a space after {len(HEADER) + 1} bytes: {ISSUED}"],
    f"{HEADER},x": [f"token has a comma after {len(HEADER)} bytes: {ISSUED}"],
    f"{HEADER}\n.x": [f"token has a line break or tab after {len(HEADER)} bytes: {ISSUED}"],
    "c2f1a9": [
        "token has no dots: an opaque token, or a part of one: a JWT is required; an opaque token "
        "can be checked with auth_request"
    ],
    f"{HEADER}.{PAYLOAD}": [f"token has two parts, the signature is missing: {ISSUED}"],
    f"{HEADER}.{PAYLOAD}.": [f"signature is empty: {ISSUED}"],
    f".{PAYLOAD}.{SIGNATURE}": [f"header is empty: {ISSUED}"],
    "a.b.c.d": [f"token has 4 parts instead of header, claims and signature: {ISSUED}"],
    f"{HEADER}.{PAYLOAD}==.{SIGNATURE}": [
        'claims is padded with "==": base64url in tokens has no padding (RFC 7515, section 2)'
    ],
    f"{HEADER}.{PAYLOAD}.+/{SIGNATURE[2:]}": [
        'signature is base64 instead of base64url: "-" and "_" stand for "+" and "/" (RFC 4648, '
        "section 5)"
    ],
    f"{HEADER}.{PAYLOAD}.a!": [
        f'signature has "!" after 1 bytes, which is not base64url: {ISSUED}'
    ],
    f"{HEADER}.{PAYLOAD}.abcde": [f"signature has 5 characters, one too few or too many: {ISSUED}"],
    f"{HEADER}.{PAYLOAD}.ab": [
        f"signature has a last character with unused bits that are not zero: {ISSUED}"
    ],
    f"{part([1])}.{PAYLOAD}.AA": [f"header is an array, {AN_OBJECT}"],
    f"{part('x')}.{PAYLOAD}.AA": [f"header is a string, {AN_OBJECT}"],
    f"{part({})}.{PAYLOAD}.AA": ['header has no "alg": the issuer must name the algorithm'],
    f"{part({'alg': 1})}.{PAYLOAD}.AA": [
        'header has an "alg" that is not a string: the issuer must name the algorithm'
    ],
    f"{part({'alg': 'RS256', 'crit': ['x']})}.{PAYLOAD}.AA": [
        'header has "crit": extensions, which are not supported: do not issue them'
    ],
    f"{HEADER}.{part(7)}.AA": [f"claims is a number, {AN_OBJECT}"],
    f"{HEADER}.{encode_base64url(HEADER.encode()).decode()}.AA": [
        "claims is encoded twice: encode it once"
    ],
    f"{HEADER}.{encode_base64url(bytes([255])).decode()}.AA": [
        "claims is not UTF-8: the issuer must send UTF-8"
    ],
}


@pytest.mark.parametrize("token", FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_faults_of_form(token: str) -> None:
    found = [f"{x.part} {x.text}{': ' if x.advice else ''}{x.advice}" for x in faults_of(token)]
    assert found == FAULTS[token]


def test_faults_of_json_say_where() -> None:
    (fault,) = faults_of(f"{HEADER}.{encode_base64url(NOT_JSON).decode()}.AA")
    assert (fault.part, fault.text[:13]) == ("claims", "is not JSON: ")


def test_other_forms() -> None:
    (fault,) = faults_of(GOOD, encrypted=True)
    assert fault.text == "has three parts: it is signed, not encrypted"
    (fault,) = faults_of(f"{HEADER}..AA.AA.AA")
    assert fault.text == "has five parts: it is encrypted"


def test_faults_are_hints(directory: Path) -> None:
    explanation = explain(directory, PLUS, "", "/", f"Authorization: Bearer Bearer {GOOD}")
    assert hints(explanation) == ['the token begins with a second "Bearer": send the scheme once']
    explanation = explain(directory, PLUS, KEY.sign(b"[1]"))
    assert hints(explanation)[0].startswith("the claims is an array, not a JSON object")


# -- the carrier --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("Authorization: Basic YTpi", 'the scheme is "Basic" instead of "Bearer"'),
        ("Authorization: DPoP x", 'the scheme is "DPoP" instead of "Bearer"'),
        ("Authorization: Bearer", "nothing follows the scheme"),
        (
            f"Authorization: {GOOD}",
            'the header has a token without a scheme: send "Bearer" and a space before it',
        ),
        ("X: y", ""),
    ],
)
def test_another_scheme(field: str, hint: str, directory: Path) -> None:
    explanation = explain(directory, PLUS, "", "/", field)
    assert hints(explanation) == ([hint] if hint else [])


def test_scheme_in_lower_case(directory: Path) -> None:
    server = "auth_jwt A; auth_jwt_key_file jwks.json jwks;"
    explanation = explain(directory, server, "", "/", f"Authorization: bearer {GOOD}")
    assert explanation.choice.name == "kjdev"
    assert hints(explanation) == ['the scheme is "bearer", and this dialect requires "Bearer"']


def test_token_in_another_place(directory: Path) -> None:
    server = "auth_jwt A token=$cookie_t; auth_jwt_key_file jwks.json;"
    explanation = explain(directory, server, "", "/", f"Authorization: Bearer {GOOD}")
    assert hints(explanation) == [
        'the Authorization header has a token, but this location reads "$cookie_t"'
    ]


# -- variables ----------------------------------------------------------------------------------


def test_maps_behind_a_requirement(directory: Path) -> None:
    http = """
        map $jwt_claim_sub $may { hostnames; default 0; bob 1; ~^al $other; }
        map "$jwt_claim_iss$uri" $other { volatile; me/b yes; }
        """
    server = f"{PLUS} auth_jwt_require $may error=403;"
    assert details(explain(directory, server, GOOD, http=http), "$jwt_claim") == [
        '$may: $jwt_claim_sub is "alice", "~^al" matches: "$other" <- ~^al $other',
        '$other: $jwt_claim_iss$uri is "me/a", which no entry matches '
        "<- map $jwt_claim_iss$uri $other",
    ]
    token = KEY.sign({**CLAIMS, "sub": "zoe"})
    assert details(explain(directory, server, token, http=http), "$jwt_claim") == [
        '$may: $jwt_claim_sub is "zoe", the default: "0" <- default 0'
    ]
    token = KEY.sign({**CLAIMS, "sub": "BOB"})
    assert details(explain(directory, server, token, http=http), "$jwt_claim") == [
        '$may: $jwt_claim_sub is "BOB", "bob" matches: "1" <- bob 1'
    ]


def test_variable_that_is_set_later(directory: Path) -> None:
    server = """
        auth_jwt A token=$tok; auth_jwt_key_file jwks.json;
        auth_request /auth; auth_request_set $tok $upstream_http_x_token;
        location = /auth { return 204; }
        """
    assert details(explain(directory, server, ""), "$tok has") == [
        "$tok has no value yet: auth_request_set takes effect after this check "
        "<- auth_request_set $tok $upstream_http_x_token"
    ]


def test_variable_that_is_set_elsewhere(directory: Path) -> None:
    server = """
        auth_jwt A token=$tok; auth_jwt_key_file jwks.json;
        if ($arg_no) { set $tok $cookie_t; }
        """
    assert details(explain(directory, server, ""), "$tok has") == [
        '$tok has no value: "set" has not run <- set $tok $cookie_t'
    ]


def test_map_of_a_switch_and_of_key_files(directory: Path) -> None:
    http = "map $arg_x $on { default off; } geo $files { default none.json; }"
    explanation = explain(directory, "auth_jwt_enabled $on; auth_jwt_key 00;", "", http=http)
    assert details(explanation, "$arg_x") == [
        '$on: $arg_x is "", the default: "off" <- default off'
    ]
    explanation = explain(
        directory, "auth_jwt A; auth_jwt_key_file $files; auth_jwt_type signed;", GOOD, http=http
    )
    assert details(explanation, "by geo") == ['$files is "none.json", by geo <- geo $files']


def test_map_behind_a_condition(directory: Path) -> None:
    http = "map $arg_x $wide { ~^(y.*) $tail; } map $arg_z $tail { default ''; ~(.+) $1; }"
    server = "location /a { if ($wide) { return 403; } return 200 $1; }"
    explanation = explain(directory, server, "", "http://localhost/a?x=yes&z=on", http=http)
    assert details(explanation, "matches") == [
        '$wide: $arg_x is "yes", "~^(y.*)" matches: "$tail" <- ~^(y.*) $tail',
        '$tail: $arg_z is "on", "~(.+)" matches: "$1" <- ~(.+) $1',
    ]
    assert explanation.way.status == 403


def test_what_is_explained_is_not_logged(directory: Path) -> None:
    http = "map $unset $may { default 0; }"
    server = f"""
        error_log error.log warn; if ($arg_no) {{ set $unset 1; }}
        location /a {{ {PLUS} auth_jwt_require $may; }}
        """
    explanation = explain(directory, server, GOOD, http=http)
    texts = [entry.text for entry in explanation.trip.log if entry.written]
    assert texts == ['using uninitialized "unset" variable']
