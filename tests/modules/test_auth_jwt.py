"""auth_jwt: which requests pass, and what the others are answered."""

from __future__ import annotations

import time

import pytest

from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
KJDEV = "the module of this nginx is of another dialect"
PAGES = {**FILES, "html/a": "content"}


def protected(location: str = "", server: str = "") -> str:
    return f'{KEYS} root html; {server} location / {{ auth_jwt "API"; {location} }}'


def test_only_a_valid_token_passes(nginx: Nginx) -> None:
    nginx(protected(), files=PAGES)
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 200
        <
        < content

        > GET /a
        < 401 Unauthorized
        <~ <title>401 Authorization Required</title>

        > GET /a
        > Authorization: Bearer {tampered(token())}
        < 401
        < WWW-Authenticate: Bearer realm="API", error="invalid_token"

        > GET /a
        > {bearer(OTHER)}
        < 401

        > OPTIONS /a
        < 401

        > HEAD /a
        > {bearer()}
        < 200
        """)


@pytest.mark.pyngx_only(KJDEV)
def test_challenge(nginx: Nginx) -> None:
    """RFC 6750, section 3: no error code for a request without a token."""
    nginx(
        f"""
        {protected()}
        location /quote {{ auth_jwt 'a "b" \\c'; }}
        location /variable {{ auth_jwt "$arg_r at $uri"; }}
        location /empty {{ auth_jwt ""; }}
        location /named-off {{ auth_jwt $arg_r; }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        < 401
        < WWW-Authenticate: Bearer realm="API"

        > GET /a
        > Authorization: Basic dTpw
        < 401
        < WWW-Authenticate: Bearer realm="API"

        > GET /quote
        < 401
        < WWW-Authenticate: Bearer realm="a \\"b\\" \\\\c"

        > GET /variable%0d%0aX-Evil:%201?r="x
        < 401
        < WWW-Authenticate: Bearer realm="\\"x at /variableX-Evil: 1"
        < !X-Evil

        > GET /empty
        < 401
        < WWW-Authenticate: Bearer realm=""

        > GET /named-off?r=off
        < 401
        < WWW-Authenticate: Bearer realm="off"

        > GET /a
        > {bearer()}
        < 200
        < !WWW-Authenticate
        """)


@pytest.mark.pyngx_only(KJDEV)
def test_scheme_in_any_case(nginx: Nginx) -> None:
    nginx(protected(), files=PAGES)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert nginx.request("GET /a", f"Authorization: {scheme} {token()}").status == 200


def test_other_forms_of_the_field(nginx: Nginx) -> None:
    nginx(protected(), files=PAGES)
    good = token()
    for field in (
        good,
        f"Bearer{good}",
        f"Bearer {good} {good}",
        f"Bearer {good}, Bearer {good}",
        f"Token {good}",
        "Bearer",
        "Bearer a.b.c",
    ):
        assert nginx.request("GET /a", f"Authorization: {field}").status == 401, field
    twice = nginx.request("GET /a", f"Authorization: Bearer {good}", "Authorization: Bearer x")
    assert twice.status == 400


def test_token_of_a_variable(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html;
        location / {{ auth_jwt "API" token=$cookie_t; }}
        location /argument {{ auth_jwt "API" token=$arg_t; try_files /a =404; }}
        """,
        files=PAGES,
    )
    good = token()
    nginx.exchange(f"""
        > GET /a
        > Cookie: x=y; t={good}; z
        < 200

        > GET /a
        > {bearer()}
        < 401

        > GET /a
        > Cookie: t=Bearer {good}
        < 401

        > GET /argument?t={good}
        < 200

        > GET /argument?t=
        < 401
        """)


@pytest.mark.pyngx_only("kjdev's module takes one variable only")
def test_token_of_several_variables(nginx: Nginx) -> None:
    nginx(protected("").replace('"API"', '"API" token=$arg_head.$arg_rest'), files=PAGES)
    head, _, rest = token().partition(".")
    assert nginx.request(f"GET /a?head={head}&rest={rest}").status == 200
    assert nginx.request(f"GET /a?head={head}&rest=").status == 401


def test_times(nginx: Nginx) -> None:
    now = int(time.time())
    nginx(
        f"""
        {protected()}
        location /lax {{ auth_jwt "API"; auth_jwt_leeway 1m; try_files /a =404; }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer(exp=now - 10)}
        < 401

        > GET /lax
        > {bearer(exp=now - 10)}
        < 200

        > GET /lax
        > {bearer(exp=now - 90)}
        < 401

        > GET /a
        > {bearer(exp="soon")}
        < 401
        """)


@pytest.mark.pyngx_only("of time claims kjdev's module demands exp and ignores nbf")
def test_times_as_plus_reads_them(nginx: Nginx) -> None:
    now = int(time.time())
    nginx(
        f"""
        {protected()}
        location /lax {{ auth_jwt "API"; auth_jwt_leeway 60; try_files /a =404; }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer(exp=None)}
        < 200

        > GET /a
        > {bearer(nbf=now + 50)}
        < 401

        > GET /lax
        > {bearer(nbf=now + 50)}
        < 200

        > GET /a
        > {bearer(nbf=now - 10)}
        < 200
        """)


def test_a_remembered_token_expires(nginx: Nginx) -> None:
    nginx(protected(), files=PAGES)
    line = bearer(exp=int(time.time()) + 4)
    assert nginx.request("GET /a", line).status == 200
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /a", line).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert nginx.request("GET /a", line).status == 401


# Levels.


def test_off_and_inheritance(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "API";
        location / {{ }}
        location /open {{ auth_jwt off; try_files /a =404;
            location /open/closed {{ auth_jwt "B"; try_files /a =404; }} }}
        location /nested {{ try_files /a =404; location /nested/x {{ try_files /a =404; }} }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        < 401

        > GET /open
        < 200

        > GET /open/closed
        < 401

        > GET /open/closed
        > {bearer()}
        < 200

        > GET /nested/x
        < 401

        > GET /nested/x
        > {bearer()}
        < 200
        """)


def test_limit_except(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html;
        location / {{ limit_except GET {{ auth_jwt "writers"; }} }}
        location /own {{
            auth_jwt "readers"; try_files /a =404;
            limit_except GET {{ auth_jwt off; }}
        }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        < 200

        > POST /a
        < 401

        > POST /a
        > {bearer()}
        < 405

        > GET /own
        < 401

        > POST /own
        < 404
        """)


# Other checks of access.


def test_satisfy(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "API"; satisfy any;
        location / {{ allow 127.0.0.1; deny all; }}
        location /deny {{ deny all; try_files /a =404; }}
        location /all {{ satisfy all; deny all; try_files /a =404; }}
        location /basic {{ auth_basic "B"; auth_basic_user_file users; try_files /a =404; }}
        """,
        files={**PAGES, "users": "u:{PLAIN}p\n"},
    )
    nginx.exchange(f"""
        > GET /a
        < 200
        < !WWW-Authenticate

        > GET /deny
        < 401

        > GET /deny
        > {bearer()}
        < 200

        > GET /all
        < 401

        > GET /all
        > {bearer()}
        < 403

        > GET /basic
        > Authorization: Basic dTpw
        < 200

        > GET /basic
        > {bearer()}
        < 200
        """)


def test_satisfy_any_still_logs(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html;
        location / {{ satisfy any; auth_jwt "API"; allow 127.0.0.1; deny all; }}
        """,
        files=PAGES,
    )
    answer = nginx.request("GET /a", f"Authorization: Bearer {tampered(token())}")
    assert (answer.status, answer.get("WWW-Authenticate")) == (200, None)
    nginx.wait_for_log("signature")


def test_error_page(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "API";
        error_page 401 /login;
        location / {{ }}
        location = /login {{ auth_jwt off; return 401 "log in at $request_uri"; }}
        location /named {{ error_page 401 = @login; }}
        location @login {{ auth_jwt off; return 302 /login; }}
        location /other {{ error_page 401 =403 /forbidden; }}
        location = /forbidden {{ auth_jwt off; return 403 "forbidden"; }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > Authorization: Bearer {tampered(token())}
        < 401
        < WWW-Authenticate: Bearer realm="API", error="invalid_token"
        <
        < log in at /a

        > GET /named
        < 302
        < Location: http://localhost:%%PORT%%/login

        > GET /other
        < 403

        > GET /a
        > {bearer()}
        < 200
        """)


def test_return_runs_before_access(nginx: Nginx) -> None:
    nginx(protected('return 200 "open to all";'), files=PAGES)
    nginx.exchange("""
        > GET /
        < 200
        <
        < open to all
        """)


def test_after_a_rewrite(nginx: Nginx) -> None:
    """The location that serves in the end decides."""
    nginx(
        protected(server="location /open { auth_jwt off; rewrite ^ /a last; }"),
        files=PAGES,
    )
    assert nginx.request("GET /open").status == 401
    assert nginx.request("GET /open", bearer()).status == 200


@pytest.mark.pyngx_only("kjdev's module takes over what the first location found")
def test_evaluated_anew_after_an_internal_redirect(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html;
        location /weak {{ auth_jwt "weak"; error_page 404 = /strong; }}
        location /strong {{
            auth_jwt "strong" token=$arg_other; auth_jwt_key_file other.json; try_files /a =404;
        }}
        """,
        files=PAGES,
    )
    assert nginx.request("GET /weak", bearer()).status == 401
    assert nginx.request(f"GET /weak?other={token()}", bearer()).status == 401
    nginx.reload(
        f"""
        {KEYS} root html;
        location /weak {{ auth_jwt "weak"; error_page 404 = /strong?other=$arg_other; }}
        location /strong {{
            auth_jwt "strong" token=$arg_other; auth_jwt_key_file other.json; try_files /a =404;
        }}
        """
    )
    assert nginx.request(f"GET /weak?other={token()}", bearer()).status == 401
    assert nginx.request(f"GET /weak?other={token(OTHER)}", bearer()).status == 200


# Requirements.


def test_require(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "API";
        location / {{ auth_jwt_require $known; }}
        location /forbidden {{ auth_jwt_require $known error=403; try_files /a =404; }}
        location /two {{
            auth_jwt_require $known $arg_also; auth_jwt_require $arg_third error=403;
            try_files /a =404;
        }}
        """,
        http="map $jwt_claim_iss $known { a 1; b yes; c 0; }",
        files=PAGES,
    )
    for issuer, status in (("a", 200), ("b", 200), ("c", 401), ("d", 401), (None, 401)):
        assert nginx.request("GET /a", bearer(iss=issuer)).status == status
    nginx.exchange(f"""
        > GET /forbidden
        > {bearer(iss="c")}
        < 403

        > GET /forbidden
        < 401

        > GET /two?also=1&third=1
        > {bearer(iss="a")}
        < 200

        > GET /two?third=1
        > {bearer(iss="a")}
        < 401

        > GET /two?also=1&third=0
        > {bearer(iss="a")}
        < 403
        """)


@pytest.mark.pyngx_only("kjdev's module sends invalid_token with any status")
def test_challenge_of_require(nginx: Nginx) -> None:
    nginx(
        protected("auth_jwt_require $arg_a; auth_jwt_require $arg_b error=403;"),
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 401
        < WWW-Authenticate: Bearer realm="API", error="invalid_token"

        > GET /a?a=1
        > {bearer()}
        < 403
        < !WWW-Authenticate
        """)


@pytest.mark.pyngx_only("kjdev's module adds the requirements of outer levels")
def test_require_replaces_that_of_outer_levels(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "API"; auth_jwt_require $arg_a;
        location / {{ }}
        location /own {{ auth_jwt_require $arg_b; try_files /a =404; }}
        """,
        files=PAGES,
    )
    for target, status in (("/a", 401), ("/a?a=1", 200), ("/own?b=1", 200), ("/own?a=1", 401)):
        assert nginx.request(f"GET {target}", bearer()).status == status


# What is ours.


@pytest.mark.pyngx_only("a directive of ours")
def test_algorithm(nginx: Nginx) -> None:
    nginx(
        f"""
        {protected("auth_jwt_algorithm RS256 ES384;")}
        location /ec {{ auth_jwt "API"; auth_jwt_algorithm ES256; try_files /a =404; }}
        """,
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer()).status == 401
    assert nginx.request("GET /ec", bearer()).status == 200
    nginx.wait_for_log('refused: algorithm not allowed: "ES256"')


@pytest.mark.pyngx_only("a directive of ours")
def test_validate_claim(nginx: Nginx) -> None:
    nginx(
        f"""
        {protected('auth_jwt_validate_claim iss "https://i/"; auth_jwt_validate_claim aud a b;')}
        location /own {{
            auth_jwt "API"; auth_jwt_validate_claim org $arg_org "x$arg_o"; try_files /a =404;
        }}
        location /number {{ auth_jwt "API"; auth_jwt_validate_claim n 5; try_files /a =404; }}
        """,
        files=PAGES,
    )
    cases = (
        ("/a", {"iss": "https://i/", "aud": "a"}, 200),
        ("/a", {"iss": "https://i/", "aud": ["c", "b"]}, 200),
        ("/a", {"iss": "https://i/", "aud": ["c"]}, 401),
        ("/a", {"iss": "https://i/"}, 401),
        ("/a", {"iss": "https://I/", "aud": "a"}, 401),
        ("/a", {"aud": "a"}, 401),
        ("/own?org=o1", {"org": "o1"}, 200),
        ("/own?o=y", {"org": ["xy"]}, 200),
        ("/own?org=o2", {"org": "o1"}, 401),
        ("/own", {"org": "o1"}, 401),
        ("/number", {"n": 5}, 200),
        ("/number", {"n": "5"}, 200),
        ("/number", {"n": 6}, 401),
        ("/number", {"n": True}, 401),
    )
    for target, claims, status in cases:
        answer = nginx.request(f"GET {target}", bearer(KEY, **claims))
        assert answer.status == status, (target, claims)
    nginx.wait_for_log('refused: claim mismatch: "aud" has none of the required values')
    nginx.wait_for_log('"org" has none of the values of auth_jwt_validate_claim')
