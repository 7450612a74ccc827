"""auth_jwt with auth_jwt_alg and a secret in a file: as in tizpuppi's module."""

from __future__ import annotations

import time

import pytest

from pyngx_jwt.jwt import ALGORITHMS, Json

from ..jwt.keys import SECRET, hs, jwks, signing_key
from ..nginx import Nginx
from .plain_keys import PAGE, RSA, auth, claims_of, good, pem, sentences, status
from .tokens import tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has tizpuppi's module")
FILES: dict[str, str | bytes] = {**PAGE, "secret": SECRET + b"\n", "key.pem": pem(RSA)}
KEY = "auth_jwt_key_file %%DIR%%/secret; auth_jwt_alg HS256;"
REALM = 'Bearer realm="A"'
INVALID = f'{REALM}, error="invalid_token"'
NOW = int(time.time())
FAR = 4_102_444_800  # the year 2100


def test_secret(nginx: Nginx) -> None:
    nginx(f"auth_jwt A; {KEY} root html;", files=FILES)
    nginx.exchange(f"""
        > GET /a
        > {auth(good())}
        < 200
        < !WWW-Authenticate
        <
        < content

        > GET /a
        < 401
        < WWW-Authenticate: {REALM}

        > GET /a
        > {auth(tampered(good()))}
        < 401
        < WWW-Authenticate: {INVALID}

        > GET /a
        > {auth(good("HS512"))}
        < 401
        < WWW-Authenticate: {INVALID}

        > OPTIONS /a
        < 401
        < WWW-Authenticate: {REALM}
        """)


@pytest.mark.parametrize(
    "claims, found",
    [
        ({}, 200),
        ({"exp": None}, 401),
        ({"exp": NOW - 9}, 401),
        ({"exp": FAR + 0.5}, 401),
        ({"exp": str(FAR)}, 401),
        ({"exp": True}, 401),
        ({"nbf": FAR}, 401),
    ],
)
def test_times(nginx: Nginx, claims: dict[str, Json], found: int) -> None:
    nginx(f"auth_jwt A; {KEY} root html;", files=FILES)
    answer = nginx.request("GET /a", auth(good(**claims)))
    assert answer.status == found
    assert answer.get("WWW-Authenticate") == (INVALID if found == 401 else None)


@pytest.mark.parametrize(
    "content, octets",
    [
        (b"secret\n", b"secret"),
        (b"secret", b"secret"),  # tizpuppi's module takes the last byte off whatever it is
        (b"secret\n\n", b"secret\n"),
        (b"sec\nret", b"sec\nret"),
    ],
)
def test_end_of_the_file(nginx: Nginx, content: bytes, octets: bytes) -> None:
    nginx(f"auth_jwt A; {KEY} root html;", files={**PAGE, "secret": content})
    assert status(nginx, "/a", auth(hs(claims_of(), octets=octets))) == 200
    assert status(nginx, "/a", auth(hs(claims_of(), octets=octets[:-1]))) == 401
    assert status(nginx, "/a", auth(hs(claims_of(), octets=octets + b"\n"))) == 401


@pytest.mark.parametrize("alg", sorted(name for name in ALGORITHMS if name[:2] != "HS"))
def test_public_key(nginx: Nginx, alg: str) -> None:
    key = signing_key(alg)
    nginx(
        f"auth_jwt A; auth_jwt_key_file %%DIR%%/key.pem; auth_jwt_alg {alg}; root html;",
        files={**PAGE, "key.pem": pem(key)},
    )
    assert status(nginx, "/a", auth(key.sign(claims_of()))) == 200
    for octets in (pem(key).encode(), pem(key).encode()[:-1], b""):
        assert status(nginx, "/a", auth(hs(claims_of(), octets=octets))) == 401


def test_only_the_named_algorithm(nginx: Nginx) -> None:
    """Without one all tokens are refused."""
    nginx(
        """
        auth_jwt A; auth_jwt_key_file %%DIR%%/secret; root html;
        location /none { }
        location /hs512 { auth_jwt_alg HS512; }
        location /rs { auth_jwt_alg RS256; }
        location /pem { auth_jwt_key_file %%DIR%%/key.pem; auth_jwt_alg HS256; }
        """,
        files={**FILES, **dict.fromkeys(("html/none", "html/hs512", "html/rs", "html/pem"), "")},
    )
    tokens = {
        "HS256": good(),
        "HS512": good("HS512"),
        "RS256": RSA.sign(claims_of()),
        "none": hs(claims_of(), {"alg": "none"}),
        "PEM": hs(claims_of(), octets=pem(RSA).encode()),
    }
    accepted = {
        (uri, name)
        for uri in ("/none", "/hs512", "/rs", "/pem")
        for name, text in tokens.items()
        if status(nginx, uri, auth(text)) == 200
    }
    assert accepted == {("/hs512", "HS512")}


def test_without_a_key(nginx: Nginx) -> None:
    nginx("auth_jwt A; auth_jwt_alg HS256; root html;", http=PINNED, files=PAGE)
    assert status(nginx, "/a", auth(good())) == 401
    assert status(nginx, "/a", auth(hs(claims_of(), octets=b""))) == 401
    nginx.wait_for_log("refused: no keys: no keys are configured")


PINNED = "pyngx_jwt_dialect tizp;"


def test_levels(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} root html;
        location /a {{ }}
        location /off {{ auth_jwt off; }}
        location /token {{ auth_jwt B token=$cookie_t; }}
        location /limited {{ auth_jwt off; limit_except GET {{ auth_jwt L; }} }}
        location /other {{ auth_jwt_key_file %%DIR%%/key.pem; auth_jwt_alg RS256; }}
        """,
        http="auth_jwt A;",
        files={**FILES, **dict.fromkeys(("html/off", "html/token", "html/limited"), "")},
    )
    line = auth(good())
    for uri, field, found in (
        ("/a", line, 200),
        ("/a", auth(good(), "bearer "), 200),
        ("/a", auth(good(), ""), 401),
        ("/off", "A: b", 200),
        ("/token", line, 401),
        ("/token", f"Cookie: t={good()}", 200),
        ("/limited", "A: b", 200),
        ("/other", line, 401),
        ("/other", auth(RSA.sign(claims_of())), 404),
    ):
        assert status(nginx, uri, field) == found, uri
    assert status(nginx, "/limited", method="DELETE") == 401
    assert nginx.request("GET /token").get("WWW-Authenticate") == 'Bearer realm="B"'


def test_other_modules_have_their_say(nginx: Nginx) -> None:
    """A good token is no permission in itself: with "satisfy any" others have to give it."""
    nginx(
        f"""
        auth_jwt A; {KEY} root html;
        location /all {{ deny all; }}
        location /any {{ satisfy any; deny all; }}
        location /allowed {{ satisfy any; allow all; }}
        """,
        files={**FILES, **dict.fromkeys(("html/all", "html/any", "html/allowed"), "")},
    )
    for uri, without_token, with_token in (
        ("/all", 401, 403),
        ("/any", 401, 403),
        ("/allowed", 200, 200),
    ):
        found = status(nginx, uri), status(nginx, uri, auth(good()))
        assert found == (without_token, with_token), uri


def test_what_is_ours(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt A; auth_jwt_alg RS256; auth_jwt_www_authenticate '$host'; auth_jwt_leeway 1h;
        auth_jwt_key_request /_jwks; root html;
        location /_jwks {{ auth_jwt off; return 200 '{jwks(signing_key("RS256", "k"))}'; }}
        """,
        http=PINNED,
        files=PAGE,
    )
    key = signing_key("RS256", "k")
    assert status(nginx, "/a", auth(key.sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(key.sign(claims_of(exp=int(time.time()) - 60)))) == 200
    answer = nginx.request("GET /a", auth(tampered(key.sign(claims_of()))))
    assert (answer.status, answer.get("WWW-Authenticate")) == (401, "localhost")


def test_variables(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt A; {KEY} add_header X "[$jwt_claim_sub] [$jwt_header_alg]" always;
        location / {{ try_files _ =204; }}
        """,
        files=FILES,
    )
    assert nginx.request("GET /", auth(good())).get("X") == "[u1] [HS256]"
    assert nginx.request("GET /", auth(tampered(good()))).get("X") == "[] []"


def test_log(nginx: Nginx) -> None:
    nginx(f"auth_jwt A; {KEY}", files=FILES)
    status(nginx, "/")
    status(nginx, "/", auth(good(exp=5)))
    log = sentences(nginx)
    assert len(log) == 2
    assert log[0] == "notice: auth_jwt: refused: no token"
    assert "refused: expired: exp=5 " in log[1]


@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt_alg none;", 'invalid value "none"'),
        ("auth_jwt_alg hs256;", 'invalid value "hs256"'),
        ("auth_jwt_alg HS256 HS512;", 'invalid number of arguments in "auth_jwt_alg" directive'),
        ("auth_jwt A; auth_jwt B;", '"auth_jwt" directive is duplicate'),
        ("auth_jwt A token;", 'invalid parameter "token"'),
        (
            "auth_jwt_key_file /no/such;",
            '"auth_jwt_key_file" cannot be used: key file "/no/such" cannot be used: '
            "(2: No such file or directory)",
        ),
        (
            "auth_jwt_key_file %%DIR%%/empty;",
            '"auth_jwt_key_file" cannot be used: key file "%%DIR%%/empty" cannot be used: '
            "empty secret",
        ),
        (
            "auth_jwt_key_file %%DIR%%/secret; auth_jwt_key_file %%DIR%%/secret;",
            '"auth_jwt_key_file" directive is duplicate',
        ),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.write("empty", "\n")
    nginx.write("secret", SECRET)
    nginx.rejects(text, message, http=PINNED, line=1)
