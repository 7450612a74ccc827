"""auth_jwt on: who passes, as in max-lt's module."""

from __future__ import annotations

import re
import time

import pytest

from pyngx_jwt.jwt import ALGORITHMS, Json

from ..jwt.keys import SECRET, hs, jwks, signing_key, without
from ..nginx import Nginx
from .plain_keys import (
    EC,
    ED,
    HEX,
    PAGE,
    RSA,
    auth,
    claims_of,
    good,
    pem,
    sentences,
    status,
    wait_for,
)
from .tokens import Issuer, tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has max-lt's module")
KEY = f"auth_jwt_key {HEX} hex;"
ON = f"auth_jwt on; {KEY}"
NO_CONTEXT = "warn: JWT: failed to get jwt from module context"
UNPARSED = ["warn: JWT: failed to parse jwt", NO_CONTEXT]


def test_on(nginx: Nginx) -> None:
    nginx(f"{ON} root html;", files=PAGE)
    nginx.exchange(f"""
        > GET /a
        < 401
        < !WWW-Authenticate

        > GET /a
        > {auth(good())}
        < 200
        < !WWW-Authenticate
        <
        < content

        > GET /a
        > {auth(tampered(good()))}
        < 401
        < !WWW-Authenticate
        """)


def test_challenge_if_asked_for(nginx: Nginx) -> None:
    nginx(f"{ON} auth_jwt_www_authenticate Bearer;")
    nginx.exchange("""
        > GET /a
        < 401
        < WWW-Authenticate: Bearer
        """)


@pytest.mark.parametrize(
    "field, told",
    [
        ("Bearer T", []),
        ("", ["warn: JWT: failed to find a jwt", NO_CONTEXT]),
        *(
            (
                text,
                [
                    "warn: JWT: Invalid authorization header content",
                    "warn: JWT: failed to find a jwt",
                    NO_CONTEXT,
                ],
            )
            for text in ("bearer T", "BEARER T", "T", "Basic T", "BearerT T")
        ),
        *(
            (
                text,
                [
                    "warn: JWT: Invalid Authorization length",
                    "warn: JWT: failed to find a jwt",
                    NO_CONTEXT,
                ],
            )
            for text in ("Bearer", "Bear")
        ),
        ("Bearer  T", UNPARSED),
        ("Bearer abc", UNPARSED),
    ],
)
def test_authorization(nginx: Nginx, field: str, told: list[str]) -> None:
    nginx(f"{ON} root html;", files=PAGE)
    lines = [f"Authorization: {field.replace('T', good())}"] if field else []
    assert status(nginx, "/a", *lines) == (401 if told else 200)
    assert sentences(nginx) == told


def test_token_of_a_variable(nginx: Nginx) -> None:
    """All of its value; no scheme is taken off."""
    nginx(
        f"""
        {KEY} root html;
        location /arg {{ auth_jwt $arg_t; }}
        location /cookie {{ auth_jwt $cookie_t; }}
        location /header {{ auth_jwt $http_authorization; }}
        """,
        files=dict.fromkeys(("html/arg", "html/cookie", "html/header"), ""),
    )
    text = good()
    for uri, line, found in (
        (f"/arg?t={text}", "A: b", 200),
        ("/arg", auth(text), 401),
        ("/cookie", f"Cookie: t={text}", 200),
        ("/cookie", f"Cookie: t=Bearer {text}", 401),
        ("/cookie", f"Cookie: t={text}; t={good(sub='u2')}", 401),
        ("/header", auth(text, ""), 200),
        ("/header", auth(text), 401),
    ):
        assert status(nginx, uri, line) == found, uri
    log = sentences(nginx)
    assert log[0] == "warn: JWT: Variable not found or empty."
    assert log[3:5] == UNPARSED


PAGES = ("off", "key", "alg", "cookie", "require", "status")


def test_levels(nginx: Nginx) -> None:
    """Key, switch, algorithm, conditions and their status are inherited one by one."""
    nginx(
        """
        auth_jwt on; auth_jwt_require $arg_a error=403; root html;
        location /a { }
        location /off { auth_jwt off; }
        location /key { auth_jwt_key other; }
        location /alg { auth_jwt_alg hs512; }
        location /cookie { auth_jwt $cookie_t; }
        location /require { auth_jwt_require $arg_b; }
        location /status { auth_jwt_require $arg_b error=401; }
        """,
        http=KEY,
        files={**PAGE, **{f"html/{name}": "" for name in PAGES}},
    )
    line, big = auth(good()), auth(good("HS512"))
    for uri, field, found in (
        ("/a?a=1", line, 200),
        ("/a", line, 403),
        ("/off", "A: b", 200),
        ("/key?a=1", line, 401),
        ("/key?a=1", auth(hs(claims_of(), octets=b"other")), 200),
        ("/alg?a=1", line, 401),
        ("/alg?a=1", big, 200),
        ("/cookie?a=1", line, 401),
        ("/cookie?a=1", f"Cookie: t={good()}", 200),
        ("/require?a=1", line, 403),
        ("/require?b=1", line, 200),
        ("/status?a=1", line, 401),
        ("/status?b=1", line, 200),
    ):
        assert status(nginx, uri, field) == found, (uri, found)


def test_switch_in_http_and_key_in_server(nginx: Nginx) -> None:
    nginx(f"{KEY} root html;", http="auth_jwt on;", files=PAGE)
    assert status(nginx, "/a") == 401
    assert status(nginx, "/a", auth(good())) == 200


# Keys and algorithms.


@pytest.mark.parametrize(
    "key, octets",
    [
        ("secret", b"secret"),
        ("secret utf8", b"secret"),
        ("abcdef12", b"abcdef12"),
        ("abcdef12 hex", b"\xab\xcd\xef\x12"),
        ("ABCDEF12 hex", b"\xab\xcd\xef\x12"),
        ("c2VjcmV0 base64", b"secret"),
        ("c2VjcmV0cw== base64", b"secrets"),
        ("c2VjcmV0cw base64", b"secrets"),
        ("'+/+/' base64", b"\xfb\xff\xbf"),
        ("pa$uri", b"pa$uri"),
        ("%%DIR%%/key file", b"from a file\n"),
    ],
)
def test_secrets(nginx: Nginx, key: str, octets: bytes) -> None:
    nginx(f"auth_jwt on; auth_jwt_key {key}; root html;", files={**PAGE, "key": "from a file\n"})
    for alg in ("HS256", "HS384", "HS512"):
        assert status(nginx, "/a", auth(hs(claims_of(), {"alg": alg}, octets))) == 200
    for other in (octets[:-1], octets + b"\n", b""):
        assert status(nginx, "/a", auth(hs(claims_of(), octets=other))) == 401


def test_file_is_from_the_working_directory(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx.write("elsewhere/key.pem", pem(RSA))
    monkeypatch.chdir(nginx.prefix / "elsewhere")
    nginx("auth_jwt on; auth_jwt_key key.pem file; root html;", files=PAGE)
    assert status(nginx, "/a", auth(RSA.sign(claims_of()))) == 200


@pytest.mark.parametrize("alg", sorted(name for name in ALGORITHMS if name[:2] != "HS"))
@pytest.mark.parametrize("form", ["'{pem}'", "'{pem}' utf8", "%%DIR%%/key.pem file"])
def test_public_keys(nginx: Nginx, alg: str, form: str) -> None:
    """PS..., ES256K and EdDSA are ours."""
    key = signing_key(alg)
    text = form.replace("{pem}", pem(key))
    nginx(f"auth_jwt on; auth_jwt_key {text}; root html;", files={**PAGE, "key.pem": pem(key)})
    assert status(nginx, "/a", auth(key.sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(tampered(key.sign(claims_of())))) == 401
    for octets in (pem(key).encode(), pem(key).strip().encode(), b""):
        assert status(nginx, "/a", auth(hs(claims_of(), octets=octets))) == 401
    assert sentences(nginx)[-2:] == [
        "warn: JWT: HS256 algorithm cannot be used with a PEM key",
        NO_CONTEXT,
    ]


@pytest.mark.parametrize("text", ["any", "ANY", "HS512", "hs512", "Hs512"])
def test_alg(nginx: Nginx, text: str) -> None:
    nginx(f"{ON} auth_jwt_alg {text}; root html;", files=PAGE)
    found = [status(nginx, "/a", auth(good(alg))) for alg in ("HS256", "HS384", "HS512")]
    assert found == ([200] * 3 if text.lower() == "any" else [401, 401, 200])
    assert sentences(nginx) == (
        []
        if text.lower() == "any"
        else [f"warn: JWT: invalid algorithm in jwt {alg}" for alg in ("HS256", "HS384")]
    )


def test_alg_of_public_keys(nginx: Nginx) -> None:
    nginx(
        f"""
        root html;
        location /rs {{ auth_jwt on; auth_jwt_alg RS256; auth_jwt_key '{pem(RSA)}'; }}
        location /any {{ auth_jwt on; auth_jwt_key '{pem(RSA)}'; }}
        location /ed {{ auth_jwt on; auth_jwt_alg eddsa; auth_jwt_key '{pem(ED)}'; }}
        location /es {{ auth_jwt on; auth_jwt_key '{pem(EC)}'; }}
        """,
        files=dict.fromkeys(("html/rs", "html/any", "html/ed", "html/es"), ""),
    )
    tokens = {
        "RS256": RSA.sign(claims_of()),
        "RS512": type(RSA)("RS512", RSA.jwk).sign(claims_of()),
        "PS256": type(RSA)("PS256", RSA.jwk).sign(claims_of()),
        "ES256": EC.sign(claims_of()),
        "EdDSA": ED.sign(claims_of()),
        "none": hs(claims_of(), {"alg": "none"}),
        "unsigned": hs(claims_of(), {"alg": "none"}).rpartition(".")[0] + ".",
        "foo": hs(claims_of(), {"alg": "foo"}),
    }
    accepted = {
        (uri, alg)
        for uri in ("/rs", "/any", "/ed", "/es")
        for alg, text in tokens.items()
        if status(nginx, uri, auth(text)) == 200
    }
    assert accepted == {
        *(("/any", alg) for alg in ("RS256", "RS512", "PS256")),
        ("/rs", "RS256"),
        ("/ed", "EdDSA"),
        ("/es", "ES256"),
    }


def test_curve_and_algorithm(nginx: Nginx) -> None:
    big = signing_key("ES384")
    nginx(f"auth_jwt on; auth_jwt_key '{pem(big)}'; root html;", files=PAGE)
    assert status(nginx, "/a", auth(big.sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(big.sign(claims_of(), {"alg": "ES256"}))) == 401


def test_new_key_in_the_file(nginx: Nginx) -> None:
    nginx("auth_jwt on; auth_jwt_key %%DIR%%/key file; root html;", files={**PAGE, "key": "one"})
    one, two = auth(hs(claims_of(), octets=b"one")), auth(hs(claims_of(), octets=b"two"))
    assert status(nginx, "/a", one) == 200
    nginx.write("key", "two")
    wait_for(nginx, 200, "/a", two)
    assert status(nginx, "/a", one) == 401


def test_jwk_set(nginx: Nginx) -> None:
    """Which max-lt's module does not know."""
    issuer = Issuer(jwks(signing_key("RS256", "one")))
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        auth_jwt_alg any; root html;
        location /file {{ auth_jwt on; auth_jwt_key_file jwks.json; }}
        location /both {{ auth_jwt on; auth_jwt_key_file jwks.json; {KEY} }}
        location /request {{ auth_jwt on; auth_jwt_key_request /_jwks; }}
        location /_jwks {{
            internal; auth_jwt off; proxy_pass http://127.0.0.1:%%PORT_issuer%%;
        }}
        """,
        files={
            **dict.fromkeys(("html/file", "html/both", "html/request"), ""),
            "jwks.json": jwks(without(signing_key("RS256", "one"), "alg")),
        },
    )
    one = auth(signing_key("RS256", "one").sign(claims_of()))
    two = auth(signing_key("ES256", "two").sign(claims_of()))
    for uri in ("/file", "/both", "/request"):
        assert status(nginx, uri, one) == 200, uri
        assert status(nginx, uri, tampered(one)) == 401, uri
    assert status(nginx, "/both", auth(good())) == 200
    assert status(nginx, "/file", two) == status(nginx, "/both", two) == 401
    issuer.body = jwks(signing_key("RS256", "one"), signing_key("ES256", "two"))
    assert status(nginx, "/request", two) == 200


# Claims.

NOW = int(time.time())
FAR = 4_102_444_800  # the year 2100
PAST = 1_700_000_000
INVALID = "warn: JWT: invalid exp date in jwt "
EXPIRED = "info: JWT: the jwt has expired [exp="


@pytest.mark.parametrize(
    "claims, found, told",
    [
        ({"exp": None}, 200, ""),
        ({"exp": FAR + 0.9}, 200, ""),
        ({"exp": 10**15}, 200, ""),
        ({"exp": PAST}, 401, f"{EXPIRED}{PAST}]"),
        ({"exp": PAST - 0.5}, 401, f"{EXPIRED}{PAST - 1}]"),
        ({"exp": -5}, 401, f"{EXPIRED}-5]"),
        ({"exp": 0}, 401, f"{INVALID}0"),
        ({"exp": 0.5}, 401, f"{INVALID}0.5"),
        ({"exp": True}, 401, f"{INVALID}true"),
        ({"exp": str(FAR)}, 401, f'{INVALID}"{FAR}"'),
        ({"exp": [1]}, 401, f"{INVALID}[1]"),
        ({"exp": 1e20}, 401, INVALID),
        ({"exp": "x" * 500}, 401, f'{INVALID}"{"x" * 63}'),
        ({"nbf": NOW - 10, "iat": FAR}, 200, ""),
        ({"nbf": FAR}, 401, "warn: auth_jwt: token"),
        ({"nbf": "soon"}, 401, "warn: auth_jwt: token"),
    ],
)
def test_times(nginx: Nginx, claims: dict[str, Json], found: int, told: str) -> None:
    nginx(f"{ON} root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(**claims))) == found
    log = sentences(nginx)
    if told.startswith("info"):  # our reason is not added to it, but a notice
        assert log.pop().startswith("notice: auth_jwt: token ")
    assert [line[: len(told)] for line in log] == ([told] if told else [])
    assert all(len(line) < 120 for line in log)


def test_exp_null(nginx: Nginx) -> None:
    nginx(f"{ON} root html;", files=PAGE)
    assert status(nginx, "/a", auth(hs({"sub": "u1", "exp": None}))) == 401
    assert sentences(nginx) == [f"{INVALID}null"]


def test_exp_counts_to_its_last_second(nginx: Nginx) -> None:
    nginx(f"{ON} root html;", files=PAGE)
    while True:
        now = int(time.time())
        found = [status(nginx, "/a", auth(good(exp=now + part))) for part in (0, 0.9)]
        if int(time.time()) == now:
            break
    assert found == [200, 200]
    assert status(nginx, "/a", auth(good(exp=now - 1))) == 401


def test_leeway(nginx: Nginx) -> None:
    nginx(f"{ON} auth_jwt_leeway 1h; root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(exp=int(time.time()) - 60))) == 200
    assert status(nginx, "/a", auth(good(exp=int(time.time()) - 3700))) == 401


# auth_jwt_require.


@pytest.mark.parametrize(
    "value, found",
    [
        ("r", 200),
        ("", 200),  # in JSON it is two quotes
        ("0", 200),
        (False, 200),
        ([], 200),
        (0, 403),
        (0.0, 200),
        (1, 200),
    ],
)
def test_require_looks_at_json(nginx: Nginx, value: Json, found: int) -> None:
    nginx(f"{ON} auth_jwt_require $jwt_claim_role error=403; root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(role=value))) == found


def test_require(nginx: Nginx) -> None:
    nginx(
        f"""
        {ON} root html;
        location /a {{ auth_jwt_require $is_admin $jwt_claim_sub $arg_a error=403; }}
        location /b {{ auth_jwt_require $is_admin; auth_jwt_www_authenticate X; }}
        """,
        http="""map $jwt_claim_role $is_admin { '"admin"' 1; 'admin' 1; default 0; }""",
        files={**PAGE, "html/b": ""},
    )
    admin = auth(good(role="admin"))
    for uri, line, found in (
        ("/a?a=1", admin, 200),
        ("/a?a=0", admin, 403),
        ("/a?a=", admin, 403),
        ("/a", admin, 403),
        ("/a?a=1", auth(good(role="user")), 403),
        ("/a?a=1", auth(good(role="admin", sub=None)), 403),
        ("/a?a=1", auth(good(role="admin", exp=5)), 401),
        ("/a?a=1", "A: b", 401),
        ("/b", admin, 200),
        ("/b", auth(good()), 401),
    ):
        assert status(nginx, uri, line) == found, (uri, found)
    assert nginx.request("GET /a?a=0", admin).get("WWW-Authenticate") is None
    assert sentences(nginx)[0].startswith("notice: auth_jwt: token ")


# Variables.

CLAIMS: dict[str, Json] = {
    "z": "last",
    "n": 5,
    "f": 1.5,
    "t": True,
    "null": None,
    "list": ["a", 1, {"y": 1, "x": [2]}],
    "object": {"b": 1, "a": "c"},
    "name": 'J\u00fcrgen "x"',
    "fooBar": "mixed",
}


def test_variables_are_json(nginx: Nginx) -> None:
    names = ["sub", *CLAIMS, "foobar", "absent"]
    shown = " ".join(f"[$jwt_claim_{name}]" for name in names)
    nginx(f"{ON} location / {{ add_header X '{shown}' always; try_files _ =204; }}")
    token = hs({**claims_of(), **CLAIMS})
    expected = (
        '["u1"] ["last"] [5] [1.5] [true] [null] [["a",1,{"x":[2],"y":1}]] '
        '[{"a":"c","b":1}] ["J\u00c3\u00bcrgen \\"x\\""] [] [] []'
    )
    assert nginx.request("GET /", auth(token)).get("X") == expected
    assert nginx.request("GET /", auth(tampered(token))).get("X") == " ".join(["[]"] * len(names))


def test_payload_and_headers(nginx: Nginx) -> None:
    nginx(
        f"""
        {ON} location / {{
            add_header P $jwt_payload; add_header H $jwt_headers;
            add_header A $jwt_header_alg; add_header T $jwt_header_typ;
            try_files _ =204;
        }}
        """
    )
    token = hs({"z": 1, "a": [1, 2], "m": {"b": None, "a": "x"}}, {"typ": "JWT", "alg": "HS256"})
    nginx.exchange(f"""
        > GET /
        > {auth(token)}
        < 204
        < P: {{"a":[1,2],"m":{{"a":"x","b":null}},"z":1}}
        < H: {{"alg":"HS256","typ":"JWT"}}
        < A: "HS256"
        < T: "JWT"
        """)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "\x7f", "\x1b[2J"])
def test_control_characters(nginx: Nginx, text: str) -> None:
    """JSON has most of them escaped; DEL it has not, and the value is empty."""
    nginx(
        f"""
        {ON} location / {{
            add_header X "[$jwt_claim_evil]"; add_header P $jwt_payload; try_files _ =204;
        }}
        """
    )
    answer = nginx.request("GET /", auth(good(evil=text)))
    assert answer.status == 204
    assert answer.get("X-Evil") is None
    value = answer.get("X") or ""
    assert not any(ord(c) < 0x20 or c == "\x7f" for c in value + (answer.get("P") or ""))
    assert value == ("[]" if text == "\x7f" else value)


def test_variables_before_the_access_phase(nginx: Nginx) -> None:
    """Of a verified token only; max-lt's module has none in the rewrite phase, and in later ones
    tells of expired tokens, too."""
    nginx(
        f"""
        {ON} add_header X "[$jwt_claim_sub]" always;
        location / {{ return 200 "$jwt_claim_sub"; }}
        location /off {{ auth_jwt off; return 200 "[$jwt_claim_sub]"; }}
        location /kept {{ try_files _ =204; }}
        """
    )
    for uri, line, body, field in (
        ("/", auth(good()), '"u1"', '["u1"]'),
        ("/", auth(good(exp=5)), "", "[]"),
        ("/", auth(tampered(good())), "", "[]"),
        ("/off", auth(good()), "[]", "[]"),
        ("/kept", auth(good()), "", '["u1"]'),
        ("/kept", auth(good(exp=5)), None, "[]"),
    ):
        answer = nginx.request(f"GET {uri}", line)
        assert body is None or answer.text == body, uri
        assert answer.get("X") == field, uri


def test_limits_by_claim(nginx: Nginx) -> None:
    """In the preaccess phase the claims are there; nobody's quota is used up by bad tokens."""
    nginx(
        f"{ON} location / {{ limit_req zone=z; try_files _ =204; }}",
        http="limit_req_zone $jwt_claim_sub zone=z:1m rate=1r/m;",
    )
    for _ in range(3):
        assert status(nginx, "/", auth(tampered(good()))) == 401
        assert status(nginx, "/", auth(good(exp=5))) == 401
    assert [status(nginx, "/", auth(good())) for _ in range(3)] == [204, 503, 503]
    assert status(nginx, "/", auth(good(sub="u2"))) == 204


# OPTIONS, satisfy, order.


def test_options(nginx: Nginx) -> None:
    """Nothing is looked at."""
    nginx(
        f"""
        {ON} auth_jwt_require $arg_no; add_header X "[$jwt_claim_sub]" always;
        location / {{ try_files _ =204; }}
        """
    )
    for lines in ([], [auth(good())], [auth(tampered(good()))]):
        answer = nginx.request("OPTIONS /", *lines)
        assert (answer.status, answer.get("X")) == (204, "[]")
    assert sentences(nginx) == []
    assert status(nginx, "/", method="HEAD") == 401


def test_satisfy(nginx: Nginx) -> None:
    nginx(
        f"""
        {ON} root html;
        location /any {{ satisfy any; deny all; }}
        location /all {{ deny all; }}
        location /allowed {{ satisfy any; allow all; }}
        location /require {{ satisfy any; deny all; auth_jwt_require $arg_a error=403; }}
        """,
        files=dict.fromkeys(("html/any", "html/all", "html/allowed", "html/require"), ""),
    )
    for uri, without_token, with_token in (
        ("/any", 401, 200),
        ("/all", 401, 403),
        ("/allowed", 200, 200),
        ("/require", 401, 403),
    ):
        found = status(nginx, uri), status(nginx, uri, auth(good()))
        assert found == (without_token, with_token), uri


def test_inner_blocks(nginx: Nginx) -> None:
    """What is inside of a protected location is protected."""
    nginx(
        f"""
        {ON} root html;
        location /a {{ if ($arg_x) {{ set $y 1; }} limit_except GET {{ deny all; }} }}
        """,
        files=PAGE,
    )
    for uri in ("/a", "/a?x=1"):
        assert status(nginx, uri) == 401
        assert status(nginx, uri, auth(good())) == 200
        assert status(nginx, uri, method="POST") == 401
        assert status(nginx, uri, auth(good()), method="POST") == 403


def test_return_comes_first(nginx: Nginx) -> None:
    nginx(f"{ON} location / {{ return 200 open; }}")
    assert status(nginx, "/") == 200


def test_order_of_checks(nginx: Nginx) -> None:
    """Signature, algorithm, "exp", conditions."""
    nginx(f"{ON} auth_jwt_alg HS256; auth_jwt_require $arg_a error=403;")
    for token in (
        tampered(good("HS256", exp=5)),
        good("HS512", exp=5),
        good("HS256", exp=5),
        good("HS256"),
    ):
        nginx.request("GET /", auth(token))
    *log, expired, last = sentences(nginx)
    assert log == [
        *UNPARSED,
        "warn: JWT: invalid algorithm in jwt HS512",
        "info: JWT: the jwt has expired [exp=5]",
    ]
    assert re.match(r"notice: auth_jwt: token \S+ refused: expired", expired)
    assert last.startswith("notice: auth_jwt: token ")


def test_the_secret_is_another_one_as_text(nginx: Nginx) -> None:
    nginx(f"auth_jwt on; auth_jwt_key {HEX}; root html;", files=PAGE)
    assert status(nginx, "/a", auth(hs(claims_of(), octets=HEX.encode()))) == 200
    assert status(nginx, "/a", auth(hs(claims_of(), octets=SECRET))) == 401
