"""auth_basic."""

from __future__ import annotations

import base64

import pytest

from ..nginx import Nginx

# The password is "secret" in all of them.
USERS = """# users
plain:{PLAIN}secret
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}Wcm1xEisNjqp921ALcHfuQ7avFdzYWx0MTIzNA==
apr1:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0
des:MQT1fkJmoUjws
md5:$1$saltsalt$9xy1btjgzLYfb7hivXtC//
sha256:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA
comment:{PLAIN}secret:a comment
colon:{PLAIN}secret\r
empty:{PLAIN}
"""


def credentials(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        auth_basic "closed site";
        auth_basic_user_file users;
        location /open { auth_basic off; }
        location /open/closed { auth_basic other; }
        location /variable { auth_basic $arg_realm; }
        location /missing { auth_basic_user_file nothing; }
        location /by-variable { auth_basic_user_file %%DIR%%/$arg_file; }
        location /user { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /early { return 200 $remote_user; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 [$http_authorization];"],
        files={
            "users": USERS,
            "other-users": "joe:{PLAIN}x\n",
            **dict.fromkeys(
                [
                    "html/f",
                    "html/open/closed/f",
                    "html/variable",
                    "html/missing",
                    "html/by-variable",
                ],
                "text",
            ),
        },
    )
    return module_nginx


def status(site: Nginx, path: str, authorization: str) -> int:
    return site.request(f"GET {path}", f"Authorization: {authorization}").status


@pytest.mark.parametrize(
    "user", ["plain", "sha", "ssha", "apr1", "des", "md5", "sha256", "comment"]
)
def test_passwords(site: Nginx, user: str) -> None:
    assert status(site, "/f", credentials(user, "secret")) == 200
    assert status(site, "/f", credentials(user, "Secret")) == 401
    assert status(site, "/f", credentials(user, "")) == 401
    assert status(site, "/f", credentials(user.upper(), "secret")) == 401


@pytest.mark.parametrize(
    "authorization, code",
    [
        ("Basic", 401),
        ("Basic ", 401),
        ("Basic !!!", 401),
        ("Basic " + base64.b64encode(b"plain").decode(), 401),
        ("Basic " + base64.b64encode(b":secret").decode(), 401),
        ("basic " + base64.b64encode(b"plain:secret").decode(), 200),
        ("Basic   " + base64.b64encode(b"plain:secret").decode(), 200),
        ("Basic " + base64.b64encode(b"plain:secret").decode().rstrip("="), 200),
        ("Basic " + base64.b64encode(b"plain:secret:more").decode(), 401),
        ("Basic " + base64.b64encode(b"# users:x").decode(), 401),
        ("Bearer abc", 401),
        (credentials("nobody", "secret"), 401),
        (credentials("empty", ""), 200),
        (credentials("plain", "s" * 300), 401),
    ],
)
def test_credentials(site: Nginx, authorization: str, code: int) -> None:
    assert status(site, "/f", authorization) == code


def test_challenge(site: Nginx) -> None:
    site.exchange("""
        > GET /f
        < HTTP/1.1 401 Unauthorized
        < WWW-Authenticate: Basic realm="closed site"
        <~ <h1>401 Authorization Required</h1>

        > GET /open/nothing
        < 404
        < !WWW-Authenticate

        > GET /open/closed/f
        < 401
        < WWW-Authenticate: Basic realm="other"

        > GET /variable?realm=named
        < 401
        < WWW-Authenticate: Basic realm="named"

        > GET /variable?realm=off
        < 200

        > GET /early
        > Authorization: Basic am9lOng=
        < 200
        <
        < joe
        """)
    site.wait_for_log(
        r"\[info\] .*no user/password was provided for basic authentication, client: 127\.0\.0\.1"
    )


def test_log(site: Nginx) -> None:
    status(site, "/f", credentials("nobody", "x"))
    status(site, "/f", credentials("plain", "x"))
    site.wait_for_log(r'\[error\] .*user "nobody" was not found in "\S+/users", client: 127')
    site.wait_for_log(r'\[error\] .*user "plain": password mismatch, client: 127\.0\.0\.1')


def test_files(site: Nginx) -> None:
    assert status(site, "/missing", credentials("plain", "secret")) == 403
    assert status(site, "/by-variable?file=users", credentials("plain", "secret")) == 200
    assert status(site, "/by-variable?file=other-users", credentials("joe", "x")) == 200
    assert status(site, "/by-variable?file=other-users", credentials("plain", "secret")) == 401


def test_file_is_read_anew(site: Nginx) -> None:
    site.write("changing", "joe:{PLAIN}one\n")
    assert status(site, "/by-variable?file=changing", credentials("joe", "one")) == 200
    site.write("changing", "joe:{PLAIN}two\n")
    assert status(site, "/by-variable?file=changing", credentials("joe", "one")) == 401
    assert status(site, "/by-variable?file=changing", credentials("joe", "two")) == 200


def test_passed_upstream(site: Nginx) -> None:
    given = credentials("plain", "secret")
    site.exchange(f"> GET /user\n> Authorization: {given}\n< 200\n<\n< [{given}]")


def test_delay(nginx: Nginx) -> None:
    nginx(
        "location / { auth_delay 300ms; auth_basic x; auth_basic_user_file users; }",
        files={"users": USERS, "html/f": "x"},
    )
    with nginx.connect() as client:
        client.wire.send(b"GET /f HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp4\r\n\r\n")
        assert client.wire.silent(0.2)
        answer = client.wire.answer()
        assert answer
        assert answer.status == 401
