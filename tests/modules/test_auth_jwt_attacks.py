"""auth_jwt: tokens made to deceive, and what the log says of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import encode_base64url

from ..jwt.keys import hs, jwks, secret, signing_key, without
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
LAX = pytest.mark.pyngx_only("kjdev's module lets it pass")
RSA, EC = signing_key("RS256", "rsa"), signing_key("ES256", "ec")
EC384 = signing_key("ES384", "ec384")
SET = jwks(RSA, without(EC, "alg"), without(EC384, "alg"), secret(alg="HS256", kid="hs"))
EXP = 4_102_444_800  # the year 2100
GOOD: dict[str, Json] = {"sub": "u1", "exp": EXP}
PAYLOAD = json.dumps(GOOD).encode()


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        auth_jwt "A"; auth_jwt_key_file jwks.json; root html;
        large_client_header_buffers 4 64k; add_header X-Sub "[$jwt_claim_sub]" always;
        """,
        files={"jwks.json": SET, "html/a": "content"},
    )
    return module_nginx


def pem() -> bytes:
    public = RSA.jwk.get_op_key("verify")
    found: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def unsigned(header: dict[str, Json]) -> str:
    head, body = encode_base64url(json.dumps(header).encode()), encode_base64url(PAYLOAD)
    return f"{head.decode()}.{body.decode()}."


def rsa(header: dict[str, Json], payload: bytes = PAYLOAD) -> str:
    return RSA.sign_raw(json.dumps({"alg": "RS256", "kid": "rsa", **header}).encode(), payload)


def ec(signature: bytes) -> str:
    return unsigned({"alg": "ES256", "kid": "ec"}) + encode_base64url(signature).decode()


def half() -> Iterator[tuple[str, str]]:
    """What every verifier is to refuse."""
    yield "none", unsigned({"alg": "none"})
    yield "None", unsigned({"alg": "None"})
    yield "no alg", unsigned({})
    yield "empty signature", unsigned({"alg": "RS256", "kid": "rsa"})
    yield "HMAC with the PEM", hs(GOOD, {"alg": "HS256", "kid": "rsa"}, pem())
    yield "HMAC with the PEM, no kid", hs(GOOD, {"alg": "HS256"}, pem())
    yield "HMAC with nothing", hs(GOOD, {"alg": "HS256", "kid": "hs"}, b"")
    yield "another hash", hs(GOOD, {"alg": "HS512", "kid": "hs"})
    yield "kid of a file", hs(GOOD, {"alg": "HS256", "kid": "../../../dev/null"}, b"")
    yield "kid of another key", hs(GOOD, {"alg": "HS256", "kid": "ec"})
    yield "key of its own", OTHER.sign(GOOD, {"jwk": OTHER.members()})
    yield "jku", OTHER.sign(GOOD, {"jku": "http://127.0.0.1:1/", "kid": "rsa"})
    yield "r and s are 0", ec(bytes(64))
    yield "r and s are n", ec(bytes(63) + b"\1")
    yield "DER signature", ec(bytes.fromhex("30060201010201010000"))
    yield "another curve", EC384.sign_raw(b'{"alg":"ES256","kid":"ec384"}', PAYLOAD)
    yield "two segments", rsa({}).rpartition(".")[0]
    yield "four segments", rsa({}) + ".AA"
    yield "five segments", rsa({}) + ".AA.AA"
    yield "junk after it", rsa({}) + "!"
    yield "a blank inside", rsa({}).replace(".", ". ", 1)
    yield "payload is a list", rsa({}, b"[1]")
    yield "payload is no JSON", rsa({}, b"{} x")
    yield "repeated claim", rsa({}, b'{"sub":"a","sub":"b","exp":%d}' % EXP)
    yield "NUL in a claim", rsa({}, b'{"sub":"a\\u0000b","exp":%d}' % EXP)
    yield "deep", rsa({}, b'{"a":' + b"[" * 50 + b"]" * 50 + b',"exp":%d}' % EXP)
    yield "long", rsa({}, json.dumps({**GOOD, "x": "y" * 20000}).encode())
    for exp in ('"4102444800"', "null", "true", "[4102444800]", "{}", "1e20", "-1", "0"):
        yield f"exp {exp}", rsa({}, b'{"sub":"u1","exp":%s}' % exp.encode())


def only_ours() -> Iterator[tuple[str, str]]:
    """What kjdev's module lets pass."""
    yield "crit", rsa({"crit": ["x"], "x": 1})
    yield "b64", rsa({"b64": False})
    yield "padding", rsa({}) + "=="
    yield "nbf", rsa({}, b'{"sub":"u1","exp":%d,"nbf":%d}' % (EXP, EXP))
    yield "exp 1e15 as nbf", rsa({}, b'{"sub":"u1","exp":%d,"nbf":1e15}' % EXP)
    spare = rsa({})
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield "spare bits", spare[:-1] + alphabet[alphabet.index(spare[-1]) + 1]


CASES = [
    *(pytest.param(text, id=name) for name, text in half()),
    *(pytest.param(text, id=name, marks=LAX) for name, text in only_ours()),
]


@pytest.mark.parametrize("text", CASES)
def test_refused(server: Nginx, text: str) -> None:
    answer = server.request("GET /a", f"Authorization: Bearer {text}")
    assert (answer.status, answer.get("X-Sub")) == (401, "[]")


def test_accepted(server: Nginx) -> None:
    for text in (
        rsa({}),
        EC.sign(GOOD),
        EC384.sign(GOOD),
        hs(GOOD, {"alg": "HS256", "kid": "hs"}),
        hs(GOOD),
        rsa({"jku": "http://127.0.0.1:1/", "typ": "at+jwt", "jwk": OTHER.members()}),
    ):
        answer = server.request("GET /a", f"Authorization: Bearer {text}")
        assert (answer.status, answer.get("X-Sub")) == (200, "[u1]"), text


@pytest.mark.pyngx_only("about key sets that kjdev's module does not start with")
def test_empty_secret(nginx: Nginx) -> None:
    nginx(
        'auth_jwt "A"; auth_jwt_key_file jwks.json; root html;',
        files={"jwks.json": jwks(secret(b"")), "html/a": "content"},
    )
    assert nginx.request("GET /a", f"Authorization: Bearer {hs(GOOD, octets=b'')}").status == 500
    nginx.wait_for_log("no usable key in the JWK Set; key 0 is skipped: empty secret")


# Requests that say two things, or the same thing twice.

DIALECTS = pytest.mark.parametrize("dialect", ["plus", "kjdev"])


@DIALECTS
@pytest.mark.pyngx_only("nginx takes the first of several cookies")
def test_conflicting_cookies(nginx: Nginx, dialect: str) -> None:
    """An upstream may take the other one for the user's."""
    nginx(
        'auth_jwt "A" token=$cookie_t; auth_jwt_key_file jwks.json; root html;',
        http=f"pyngx_jwt_dialect {dialect};",
        files={"jwks.json": SET, "html/a": "content"},
    )
    good, other = EC.sign(GOOD), RSA.sign(GOOD)
    for lines, wanted in (
        ([f"t={good}"], 200),
        ([f"a=b; t={good}; tt={other}"], 200),
        ([f"t={good}; t={good}"], 200),
        ([f"t={good}; t={other}"], 401),
        ([f"t={good}; T={other}"], 401),
        ([f"t={good}; t="], 401),
        ([f"t={good}", f"x=y; t={other}"], 401),
        ([f"t={good}", "x=y"], 200),
    ):
        answer = nginx.request("GET /a", *(f"Cookie: {text}" for text in lines))
        assert answer.status == wanted, lines


@DIALECTS
@pytest.mark.pyngx_only("names a dialect")
def test_several_fields(nginx: Nginx, dialect: str) -> None:
    nginx(
        """
        auth_jwt "A"; auth_jwt_key_file jwks.json; root html;
        location /field { auth_jwt "A" token=$http_x_token; try_files /a =404; }
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files={"jwks.json": SET, "html/a": "content"},
    )
    good, other = EC.sign(GOOD), RSA.sign(GOOD)
    for target, name, wanted in (("/a", "Authorization: Bearer", 400), ("/field", "X-Token:", 401)):
        assert nginx.request(f"GET {target}", f"{name} {good}").status == 200
        for second in (good, other, ""):
            answer = nginx.request(f"GET {target}", f"{name} {good}", f"{name} {second}")
            assert answer.status == wanted, (target, second)


@DIALECTS
@pytest.mark.pyngx_only("names a dialect")
def test_no_verdict_serves_elsewhere(nginx: Nginx, dialect: str) -> None:
    """A token that one location has accepted is as new to others, whatever sets them apart."""
    own = 'auth_jwt_require_claim role eq "admin"' if dialect == "kjdev" else "auth_jwt_type nested"
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file jwks.json; }}
        location /keys {{ auth_jwt_key_file other.json; }}
        location /policy {{ auth_jwt_key_file jwks.json; {own}; }}
        location /leeway {{ auth_jwt_key_file jwks.json; auth_jwt_leeway 1h; }}
        location /require {{ auth_jwt_key_file jwks.json; auth_jwt_require $arg_a; }}
        location /source {{ auth_jwt_key_file jwks.json; auth_jwt "A" token=$arg_t; }}
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files={"jwks.json": SET, "other.json": jwks(OTHER), "html/a": "content"},
    )
    late = EC.sign({**GOOD, "exp": int(time.time()) - 100})
    for _ in range(2):
        for target, text, wanted in (
            ("/a", EC.sign(GOOD), 200),
            ("/keys", EC.sign(GOOD), 401),
            ("/policy", EC.sign(GOOD), 401),
            ("/require", EC.sign(GOOD), 401),
            ("/source", EC.sign(GOOD), 401),
            ("/require?a=1", EC.sign(GOOD), 404),
            ("/leeway", late, 404),
            ("/a", late, 401),
        ):
            answer = nginx.request(f"GET {target}", f"Authorization: Bearer {text}")
            assert answer.status == wanted, target


@DIALECTS
@pytest.mark.pyngx_only("names a dialect")
def test_a_withdrawn_key_ends_what_it_signed(nginx: Nginx, dialect: str) -> None:
    nginx(
        'auth_jwt "A"; auth_jwt_key_file jwks.json; root html;',
        http=f"pyngx_jwt_dialect {dialect};",
        files={"jwks.json": jwks(EC, EC384), "html/a": "content"},
    )
    sent = f"Authorization: Bearer {EC.sign(GOOD)}"
    assert nginx.request("GET /a", sent).status == 200
    nginx.write("jwks.json", jwks(EC384))
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /a", sent).status != 401:
        assert time.monotonic() < deadline


# The log.


@pytest.mark.pyngx_only("about our words")
def test_one_line_that_says_why(nginx: Nginx) -> None:
    nginx(
        'auth_jwt "A"; auth_jwt_key_file jwks.json; location /require { auth_jwt_require $arg_a; }',
        files={"jwks.json": SET},
    )
    first, second = tampered(RSA.sign(GOOD)), RSA.sign({"exp": 5})
    good, foreign = RSA.sign(GOOD), token()
    nginx.request("GET /", f"Authorization: Bearer {first}")
    nginx.request("GET /", f"Authorization: Bearer {second}")
    nginx.request("GET /")
    nginx.request("GET /", f"Authorization: Bearer {foreign}")
    nginx.request("GET /require", f"Authorization: Bearer {good}")
    lines = [line for line in nginx.error_log().splitlines() if "auth_jwt" in line]
    texts = [line.partition("auth_jwt: ")[2].partition(", client: ")[0] for line in lines]
    now = texts[1].partition("now=")[2].partition(" ")[0]
    assert texts == [
        f'token {name(first)} refused: invalid signature: kid "rsa" and alg RS256, keys tried: 1',
        f"token {name(second)} refused: expired: exp=5 now={now} leeway=0",
        "refused: no token",
        f'token {name(foreign)} refused: unknown kid: kid "k1" and alg ES256, '
        "keys without kid tried: 0",
        f"token {name(good)} refused: condition not met: "
        'auth_jwt_require value "$arg_a" is empty or "0"',
    ]
    assert all("[notice]" in line and 'request: "GET /' in line for line in lines)


def name(text: str) -> str:
    """How the log names a token."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@pytest.mark.pyngx_only("nginx logs the request line as it is")
@DIALECTS
def test_the_token_is_not_logged(nginx: Nginx, dialect: str) -> None:
    nginx(
        """
        auth_jwt_key_file jwks.json;
        location / { auth_jwt "A"; }
        location /argument { auth_jwt "A" token=$arg_t; }
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files={"jwks.json": SET},
    )
    bad = tampered(RSA.sign(GOOD))
    for line in (f"Bearer {bad}", f"bearer  {bad}", f"Bearer {bad}\t", bad, f"Basic {bad}"):
        assert nginx.request("GET /", f"Authorization: {line}").status == 401
    refer = f"Referer: http://a/?t={bad}"
    assert nginx.request(f"GET /argument?t={bad}", refer).status == 401
    assert nginx.request(f"GET /argument?t={bad}x!").status == 401
    log = nginx.error_log()
    assert log.count("refused: ") == 7
    for part in bad.split("."):
        assert part not in log
    assert f'request: "GET /argument?t={name(bad)} HTTP/1.1"' in log


@pytest.mark.pyngx_only("about our words")
def test_no_token_hides_who_sent_it(nginx: Nginx) -> None:
    nginx('auth_jwt "A"; auth_jwt_key_file jwks.json;', files={"jwks.json": SET})
    for text in ("127.0.0.1", "client: 127.0.0.1, server: ", "1", "/path"):
        assert nginx.request("GET /path", f"Authorization: Bearer {text}").status == 401
    log = nginx.error_log()
    assert log.count(', client: 127.0.0.1, server: , request: "GET /path HTTP/1.1"') == 4


@pytest.mark.pyngx_only("about our words")
def test_refusals_are_notices(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt "A"; auth_jwt_key_file jwks.json; error_log logs/notice.log notice;
        location /warn { error_log logs/warn.log warn; }
        """,
        files={"jwks.json": SET},
    )
    assert nginx.request("GET /", bearer()).status == 401
    assert nginx.request("GET /warn", bearer()).status == 401
    assert nginx.read("logs/notice.log").count("[notice]") == 1
    assert "refused" in nginx.read("logs/notice.log")
    assert "refused" not in nginx.read("logs/warn.log")
