"""auth_jwt_...: configurations of TeslaGov's module before 2.0."""

from __future__ import annotations

import re

import pytest

from ..jwt.keys import hs
from ..nginx import Nginx
from .plain_keys import HEX, PAGE, RSA, auth, good, pem, sentences, status

pytestmark = pytest.mark.pyngx_only("no test nginx has TeslaGov's module")
KEY = f"auth_jwt_key {HEX};"
OLD = "auth_jwt_validation_type AUTHORIZATION;"
ON = f"root html; {KEY} {OLD} auth_jwt_enabled on;"


def test_tokens_are_validated_where_it_is_enabled(nginx: Nginx) -> None:
    """By default it is off, although there is a key."""
    server = "root html; location /a { auth_jwt_enabled on; } location /open { alias html/a; }"
    nginx(server, http=f"{KEY} {OLD}", files=PAGE)
    nginx.exchange(f"""
        > GET /a
        < 401
        < !WWW-Authenticate

        > GET /a
        > {auth(good(sub="u1", emailAddress="u1@a.example"))}
        < 200
        < x-userid: u1
        < x-email: u1@a.example
        <
        < content

        > GET /open
        < 200
        < !x-userid
        """)


@pytest.mark.parametrize(
    "line, passes",
    [
        ("Authorization: Bearer TOKEN", True),
        ("Authorization: bearer TOKEN", True),
        ("Authorization: Basic: TOKEN", False),  # the module drops any seven characters
        ("Authorization: 1234567TOKEN", False),
        ("Cookie: jwt=TOKEN", False),
    ],
)
def test_authorization_header(nginx: Nginx, line: str, passes: bool) -> None:
    nginx(ON, files=PAGE)
    answer = nginx.request("GET /a", line.replace("TOKEN", good()))
    assert answer.status == (200 if passes else 401)


def test_cookie(nginx: Nginx) -> None:
    nginx(ON.replace("AUTHORIZATION", "COOKIE=jwt"), files=PAGE)
    assert nginx.request("GET /a", f"Cookie: a=b; jwt={good()}").status == 200
    assert status(nginx, "/a", auth(good())) == 401


@pytest.mark.parametrize("place", ["authorization", "HEADER=Authorization", "URL=jwt"])
def test_place_that_there_is_not(nginx: Nginx, place: str) -> None:
    nginx(ON.replace("AUTHORIZATION", place), files=PAGE)
    assert status(nginx, "/a", auth(good())) == 401
    nginx.wait_for_log(
        rf'\[warn\] .*"auth_jwt_validation_type {re.escape(place)}" is neither AUTHORIZATION nor '
        "COOKIE=name in server, no token will be found"
    )


def test_claims_in_response_headers(nginx: Nginx) -> None:
    """Of tokens that have them: without one a token is as good."""
    nginx(
        f"""
        {ON}
        location /b {{ alias html/a; auth_jwt_extract_sub off; auth_jwt_validate_email off; }}
        """,
        files=PAGE,
    )
    both = auth(good(sub="u1", emailAddress="e"))
    nginx.exchange(f"""
        > GET /a
        > {auth(good(sub=5))}
        < 200
        < !x-userid
        < !x-email

        > GET /a
        > {auth(good(sub="a" + chr(13) + chr(10) + "X-Evil: 1", emailAddress="e"))}
        < 200
        < !x-userid
        < !X-Evil
        < x-email: e

        > GET /b
        > {both}
        < 200
        < !x-userid
        < !x-email

        > OPTIONS /b
        < 405
        """)
    assert sentences(nginx)[:2] == [
        "error: the JWT does not contain a subject",
        "error: the JWT does not contain an email address",
    ]


def test_redirect_has_no_port(nginx: Nginx) -> None:
    nginx(
        f"server_name a.example; {ON} auth_jwt_redirect on; auth_jwt_loginurl http://login/in;",
        files=PAGE,
    )
    nginx.exchange("""
        > GET /a?b=c
        > Host: a.example:8080
        < 302
        < Location: http://login/in?return_url=http://a.example/a%3Fb=c

        > POST /a
        < 302
        < Location: http://login/in
        """)


def test_key_file(nginx: Nginx) -> None:
    nginx.write("key.pem", pem(RSA))
    nginx(
        f"""
        root html; auth_jwt_enabled on; auth_jwt_algorithm RS256; auth_jwt_validate_email off;
        auth_jwt_use_keyfile on; auth_jwt_keyfile_path {nginx.prefix}/key.pem;
        """,
        files=PAGE,
    )
    assert status(nginx, "/a", auth(RSA.sign({"sub": "u", "exp": 4_102_444_800}))) == 200
    assert status(nginx, "/a", auth(good())) == 401


def test_key_of_rsa_is_no_secret(nginx: Nginx) -> None:
    """The module takes the algorithm of the token with whatever key there is."""
    key = pem(RSA)
    nginx(f'{ON.replace(KEY, "")} auth_jwt_algorithm RS256; auth_jwt_key "{key}";', files=PAGE)
    forged = hs({"sub": "u", "exp": 4_102_444_800}, {"alg": "HS256"}, key.encode())
    assert status(nginx, "/a", auth(forged)) == 401


@pytest.mark.parametrize(
    "text, message",
    [
        (
            f"{OLD} auth_jwt_enabled on;",
            "auth_jwt is on without a key in server, every request would be admitted: add one, or "
            'set "auth_jwt_enabled off" or "pyngx_allow_unsigned on"',
        ),
        (
            f"{KEY} {OLD} auth_jwt_location COOKIE=a;",
            '"auth_jwt_validation_type" in %%DIR%%/nginx.conf:9 is from before version 2.0 of '
            'TeslaGov\'s module, which has no "auth_jwt_location"',
        ),
        (
            f"{KEY} auth_jwt_extract_sub on; auth_jwt_extract_response_claims sub;",
            '"auth_jwt_extract_sub" in %%DIR%%/nginx.conf:9 is from before version 2.0 of '
            'TeslaGov\'s module, which has no "auth_jwt_extract_response_claims"',
        ),
        (
            f"{KEY} auth_jwt_validate_email maybe;",
            'invalid value "maybe" in "auth_jwt_validate_email" directive, it must be "on" or '
            '"off"',
        ),
        (f"{OLD} {OLD}", '"auth_jwt_validation_type" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(text, message)
