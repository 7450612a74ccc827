"""auth_jwt_...: who passes, as in TeslaGov's module."""

from __future__ import annotations

import re
import time

import pytest

from pyngx_jwt.jwt import Json

from ..jwt.keys import hs
from ..nginx import Nginx
from .plain_keys import HEX, PAGE, auth, claims_of, good, sentences, status
from .tokens import tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has TeslaGov's module")
KEY = f"auth_jwt_key {HEX};"


def test_a_key_is_enough(nginx: Nginx) -> None:
    nginx(f"root html; location /a {{ {KEY} }} location /open {{ alias html/a; }}", files=PAGE)
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

        > GET /open
        < 200
        """)


def test_challenge_if_asked_for(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} auth_jwt_redirect off; root html;
        auth_jwt_www_authenticate 'Bearer realm="$host"';
        location /off {{ auth_jwt_www_authenticate off; }}
        """,
        files=PAGE,
    )
    nginx.exchange("""
        > GET /a
        < 401
        < WWW-Authenticate: Bearer realm="localhost"

        > GET /off
        < 401
        < !WWW-Authenticate
        """)


@pytest.mark.parametrize(
    "value, passes",
    [
        ("on", False),
        ("off", True),
        ("offline", True),
        ("OFF", False),
        ("0", False),
        ('""', False),
        ("$arg_e", False),
        ("$arg_e$arg_f", False),
    ],
)
def test_enabled(nginx: Nginx, value: str, passes: bool) -> None:
    nginx(f"{KEY} auth_jwt_enabled {value}; root html;", files=PAGE)
    assert (status(nginx, "/a") == 200) is passes
    assert status(nginx, "/a", auth(good())) == 200
    if "$" in value:
        assert status(nginx, "/a?e=off") == 200
        assert status(nginx, "/a?e=offline") == 200
        assert status(nginx, "/a?e=Off") == 401
        assert status(nginx, "/a?e=xoff") == 401
    if "$arg_f" in value:
        assert status(nginx, "/a?e=o&f=ff") == 200


def test_enabled_by_map(nginx: Nginx) -> None:
    nginx(
        f"{KEY} auth_jwt_enabled $enabled; root html; location /b {{ auth_jwt_enabled on; }}",
        http="map $http_x_internal $enabled { secret off; default on; }",
        files={**PAGE, "html/b": ""},
    )
    assert status(nginx, "/a", "X-Internal: secret") == 200
    assert status(nginx, "/a", "X-Internal: other") == 401
    assert status(nginx, "/b", "X-Internal: secret") == 401


def test_every_value_is_inherited_by_itself(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt_validate_sub on; auth_jwt_location COOKIE=t; root html;
        auth_jwt_loginurl /login;
        location /a { }
        location /b { auth_jwt_location ""; auth_jwt_validate_sub off; auth_jwt_loginurl ""; }
        location /c { auth_jwt_key 00; auth_jwt_redirect OFF; }
        """,
        http=f"{KEY} auth_jwt_redirect ON;",
        files={**PAGE, "html/b": "", "html/c": ""},
    )
    cookie, bare = f"Cookie: t={good()}", f"Cookie: t={good(sub=None)}"
    found = [(status(nginx, uri, cookie), status(nginx, uri, bare)) for uri in ("/a", "/b", "/c")]
    assert found == [(200, 302), (200, 200), (401, 401)]
    login = nginx.filled("http://h:%%PORT%%/login?return_url=")
    for uri in ("/a", "/b"):
        answer = nginx.request(f"GET {uri}", "Host: h")
        assert (answer.get("Location") or "").startswith(login)


# Where tokens are.


@pytest.mark.parametrize(
    "field, passes",
    [
        ("Bearer T", True),
        ("bearer T", True),
        ("BEARER T", True),
        ("T", True),
        ("Bearer  T", False),
        ("Bearer", False),
        ("Bearer,T", False),
        ("Basic T", False),
        ("Bearer Bearer T", False),
        ("T,T", False),
    ],
)
def test_authorization(nginx: Nginx, field: str, passes: bool) -> None:
    nginx(f"{KEY} root html;", files=PAGE)
    line = f"Authorization: {field.replace('T', good())}"
    assert (status(nginx, "/a", line) == 200) is passes


def test_location(nginx: Nginx) -> None:
    names = ("html/header", "html/cookie", "html/none", "html/upper", "html/empty")
    nginx(
        f"""
        {KEY} root html;
        location /header {{ auth_jwt_location HEADER=X-Token; }}
        location /cookie {{ auth_jwt_location COOKIE=Session; }}
        location /none {{ auth_jwt_location QUERY=t; }}
        location /upper {{ auth_jwt_location header=Authorization; }}
        location /empty {{ auth_jwt_location HEADER=; }}
        """,
        files=dict.fromkeys(names, ""),
    )
    text = good()
    for uri, field, found in (
        ("/header", f"X-Token: {text}", 200),
        ("/header", f"x-token: bearer {text}", 200),
        ("/header", auth(text), 401),
        ("/cookie", f"Cookie: Session={text}", 200),
        ("/cookie", f"Cookie: session={text}", 200),
        ("/cookie", f"Cookie: a=b; Session={text}; c=d", 200),
        ("/cookie", f"Cookie: Session=Bearer {text}", 401),
        ("/cookie", f"Cookie: a=b, Session={text}", 401),
        ("/cookie", auth(text), 401),
        ("/none?t=" + text, auth(text), 401),
        ("/upper", auth(text), 401),
        ("/empty", auth(text), 401),
    ):
        assert status(nginx, uri, field) == found, (uri, field.partition(":")[0])


def test_odd_locations_are_warned_of(nginx: Nginx) -> None:
    nginx.write("html/a", "")
    told = nginx.accepts(f"location /a {{ {KEY} auth_jwt_location QUERY=t; }}")
    assert (
        '"auth_jwt_location QUERY=t" is neither HEADER=name nor COOKIE=name in location /a' in told
    )


def test_conflicting_cookies(nginx: Nginx) -> None:
    nginx(f"{KEY} auth_jwt_location COOKIE=t; root html;", files=PAGE)
    one, other = good(), good(sub="u2")
    assert status(nginx, "/a", f"Cookie: t={one}; t={one}") == 200
    assert status(nginx, "/a", f"Cookie: t={one}", f"Cookie: t={one}") == 200
    assert status(nginx, "/a", f"Cookie: t={one}; t={other}") == 401
    assert status(nginx, "/a", f"Cookie: t={one}", f"Cookie: T={other}") == 401
    assert status(nginx, "/a", f"Cookie: t={one}; t=") == 401


def test_repeated_headers(nginx: Nginx) -> None:
    nginx(f"{KEY} auth_jwt_location HEADER=X-Token; root html;", files=PAGE)
    one, other = f"X-Token: {good()}", f"X-Token: {good(sub='u2')}"
    assert status(nginx, "/a", one) == 200
    assert status(nginx, "/a", one, other) == 401


# OPTIONS, satisfy and other modules.


def test_options(nginx: Nginx) -> None:
    """The work is done, and its result not looked at."""
    nginx(
        f"""
        {KEY} auth_jwt_extract_response_claims sub; auth_jwt_extract_request_claims sub;
        auth_jwt_redirect on; auth_jwt_loginurl http://login/;
        location / {{ proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        """,
        servers=['listen 127.0.0.1:%%PORT_up%%; return 200 "$request_method [$http_jwt_sub]";'],
    )
    nginx.exchange(f"""
        > OPTIONS /
        < 200
        < !JWT-sub
        < !WWW-Authenticate
        <
        < OPTIONS []

        > OPTIONS /
        > JWT-sub: admin
        > {auth(tampered(good()))}
        < 200
        < !JWT-sub
        <
        < OPTIONS []

        > OPTIONS /
        > {auth(good())}
        < 200
        < JWT-sub: u1
        <
        < OPTIONS [u1]

        > GET /
        < 302
        """)
    assert sentences(nginx) == [
        "error: failed to find a JWT",
        "error: failed to parse JWT",
        "error: failed to find a JWT",
    ]


def test_satisfy(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} auth_jwt_loginurl http://login/; root html;
        location /any {{ satisfy any; deny all; }}
        location /all {{ deny all; }}
        location /allowed {{ satisfy any; allow all; }}
        location /redirect {{ satisfy any; allow all; auth_jwt_redirect on; }}
        """,
        files=dict.fromkeys(("html/any", "html/all", "html/allowed", "html/redirect"), ""),
    )
    for uri, without, with_token in (
        ("/any", 401, 200),
        ("/all", 401, 403),
        ("/allowed", 200, 200),
        ("/redirect", 302, 200),  # anything but 401 and 403 ends the request
    ):
        found = status(nginx, uri), status(nginx, uri, auth(good()))
        assert found == (without, with_token), uri


def test_options_with_satisfy(nginx: Nginx) -> None:
    """Not even a good token is a permission then."""
    nginx(
        f"""
        {KEY} auth_jwt_redirect off; satisfy any;
        location /denied {{ deny all; proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location /allowed {{ allow all; proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 204;"],
    )
    for uri, found in (("/denied", 403), ("/allowed", 204)):
        assert status(nginx, uri, auth(good()), method="OPTIONS") == found
        assert status(nginx, uri, method="OPTIONS") == found
        assert status(nginx, uri, auth(good())) == 204


def test_inner_blocks(nginx: Nginx) -> None:
    """What is inside of a protected location is protected."""
    nginx(
        f"""
        {KEY} auth_jwt_redirect off; root html;
        location /a {{ if ($arg_x) {{ set $y 1; }} limit_except GET {{ deny all; }} }}
        """,
        files=PAGE,
    )
    for uri in ("/a", "/a?x=1"):
        assert status(nginx, uri) == 401
        assert status(nginx, uri, auth(good())) == 200
        assert status(nginx, uri, method="POST") == 401
        assert status(nginx, uri, auth(good()), method="POST") == 403


def test_error_page(nginx: Nginx) -> None:
    nginx(
        f"""
        location / {{ {KEY} error_page 401 = /login; }}
        location /redirect {{ {KEY} auth_jwt_redirect on; auth_jwt_loginurl http://l/;
            error_page 401 /login; }}
        location /login {{ return 403 "log in"; }}
        """
    )
    nginx.exchange("""
        > GET /
        < 403
        <
        < log in

        > GET /redirect
        < 302
        """)


# Claims.


NOW = int(time.time())
FAR = 4_102_444_800  # the year 2100


@pytest.mark.parametrize(
    "claims, found, told",
    [
        ({}, 200, ""),
        ({"exp": NOW - 9}, 401, "the JWT has expired"),
        ({"exp": None}, 401, "the JWT has expired"),
        ({"exp": FAR + 0.5}, 401, "the JWT has expired"),
        ({"exp": 1e20}, 401, "the JWT has expired"),
        ({"exp": str(FAR)}, 401, "the JWT has expired"),
        ({"exp": True}, 401, "the JWT has expired"),
        ({"exp": 0}, 401, "the JWT has expired"),
        ({"exp": [FAR]}, 401, "the JWT has expired"),
        ({"exp": 10**15}, 200, ""),
        ({"nbf": NOW - 10}, 200, ""),
        ({"nbf": FAR}, 401, "auth_jwt: token"),
        ({"nbf": "soon"}, 401, "auth_jwt: token"),
        ({"iat": FAR, "iss": "x", "aud": ["y"]}, 200, ""),
        ({"sub": None}, 200, ""),
    ],
)
def test_times(nginx: Nginx, claims: dict[str, Json], found: int, told: str) -> None:
    nginx(f"{KEY} root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(**claims))) == found
    log = sentences(nginx)
    assert [line[: len(told) + 7] for line in log] == ([f"error: {told}"] if told else [])


def test_exp_counts_to_its_last_second(nginx: Nginx) -> None:
    """A second is waited for to begin, so that "exp" is now."""
    nginx(f"{KEY} root html;", files=PAGE)
    while True:
        now = int(time.time())
        found = status(nginx, "/a", auth(good(exp=now)))
        if int(time.time()) == now:
            break
    assert found == 200
    assert status(nginx, "/a", auth(good(exp=now - 1))) == 401


def test_leeway(nginx: Nginx) -> None:
    nginx(f"{KEY} auth_jwt_leeway 1h; auth_jwt_redirect off; root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(exp=int(time.time()) - 60))) == 200
    assert status(nginx, "/a", auth(good(exp=int(time.time()) - 3700))) == 401
    assert status(nginx, "/a", auth(good(nbf=int(time.time()) + 60))) == 200


@pytest.mark.parametrize(
    "sub, found", [("u1", 200), ("", 200), (None, 401), (5, 401), (["u1"], 401), (True, 401)]
)
def test_validate_sub(nginx: Nginx, sub: Json, found: int) -> None:
    nginx(f"{KEY} auth_jwt_validate_sub on; root html;", files=PAGE)
    assert status(nginx, "/a", auth(good(sub=sub))) == found
    told = ["error: the JWT does not contain a subject"]
    assert sentences(nginx) == ([] if found == 200 else told)


def test_log(nginx: Nginx) -> None:
    """One line each, in the module's words and at its level, with our reason after it."""
    nginx(f"{KEY} auth_jwt_validate_sub on; location /hex {{ auth_jwt_key xyz; }}")
    for line in (
        "Accept: */*",
        auth("abc"),
        auth(hs(claims_of(), octets=b"another")),
        auth(hs(claims_of(), {"alg": "none"})),
        auth(hs(claims_of(), {"alg": "RS256"})),
        auth(good(exp=5)),
        auth(good(sub=5)),
    ):
        assert status(nginx, "/", line) == 401
    assert status(nginx, "/hex", auth(good())) == 401
    assert sentences(nginx) == [
        "error: failed to find a JWT",
        *["error: failed to parse JWT"] * 4,
        "error: the JWT has expired",
        "error: the JWT does not contain a subject",
        "error: failed to turn hex key into binary",
    ]
    nginx.wait_for_log(
        r"\[error\] .*: \*\d+ the JWT has expired "
        r"\(token sha256:[0-9a-f]{8} refused: expired: exp=5 now=\S+ leeway=0\), client: 127.0.0.1"
    )


# What belongs to older versions, and what does not start.


@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt_enabled;", 'invalid number of arguments in "auth_jwt_enabled" directive'),
        ("auth_jwt_key a b c;", 'invalid number of arguments in "auth_jwt_key" directive'),
        (f"{KEY} {KEY}", '"auth_jwt_key" directive is duplicate'),
        ("auth_jwt_enabled on; auth_jwt_enabled on;", '"auth_jwt_enabled" directive is duplicate'),
        (
            "auth_jwt_redirect on; auth_jwt_redirect on;",
            '"auth_jwt_redirect" directive is duplicate',
        ),
        (
            "auth_jwt_validate_sub 1;",
            'invalid value "1" in "auth_jwt_validate_sub" directive, it must be "on" or "off"',
        ),
        (
            "auth_jwt_use_keyfile yes;",
            'invalid value "yes" in "auth_jwt_use_keyfile" directive, it must be "on" or "off"',
        ),
        (
            "auth_jwt_extract_var_claims;",
            'invalid number of arguments in "auth_jwt_extract_var_claims" directive',
        ),
        (
            f"{KEY} auth_jwt_algorithm HS255;",
            'invalid value "HS255" in "auth_jwt_algorithm" directive',
        ),
        (
            f"{KEY} auth_jwt_algorithm hs256;",
            'invalid value "hs256" in "auth_jwt_algorithm" directive',
        ),
        (
            f"{KEY} auth_jwt_algorithm none;",
            'invalid value "none" in "auth_jwt_algorithm" directive',
        ),
        (
            "location / { limit_except GET { auth_jwt_redirect on; } }",
            '"auth_jwt_redirect" directive is not allowed here',
        ),
        (
            "location / { if ($arg_a) { auth_jwt_enabled off; } }",
            '"auth_jwt_enabled" directive is not allowed here',
        ),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(text, message, line=1)


def test_unknown_variable(nginx: Nginx) -> None:
    nginx.rejects(f"{KEY} auth_jwt_enabled $nope;", 'unknown "nope" variable')
    nginx.rejects(
        f"{KEY} auth_jwt_redirect on; add_header X $jwt_claim_sub;",
        'unknown "jwt_claim_sub" variable',
    )


def test_without_a_key(nginx: Nginx) -> None:
    """TeslaGov's module lets everybody pass."""
    for text in ("auth_jwt_enabled on;", "auth_jwt_redirect on;", "auth_jwt_validate_sub on;"):
        nginx.rejects(
            f"location / {{ {text} }}",
            "auth_jwt is on without a key in location /, every request would be admitted: "
            'add one, or set "auth_jwt_enabled off" or "pyngx_allow_unsigned on"',
            line=1,
        )
    nginx.accepts("location / { auth_jwt_enabled off; auth_jwt_redirect on; }")
    nginx.accepts("auth_jwt_loginurl http://login/;")
    nginx(
        """
        root html; auth_jwt_enabled on;
        location /a { pyngx_allow_unsigned on; }
        location /b { auth_jwt_key 00; }
        """,
        files={**PAGE, "html/b": ""},
    )
    assert status(nginx, "/a") == 200
    assert status(nginx, "/b") == 401


def test_token_that_would_turn_off_its_own_validation(nginx: Nginx) -> None:
    """TeslaGov's module goes in circles, until it takes the claim for an empty one."""
    nginx.rejects(
        f"{KEY} auth_jwt_extract_var_claims sub; auth_jwt_enabled $on; location / {{ }}",
        re.compile(
            r'"auth_jwt_enabled \$on" depends on a claim in .*: '
            "a token must not disable its own validation"
        ),
        http='map $jwt_claim_sub $on { "" off; default on; }',
    )
