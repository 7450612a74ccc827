"""allow and deny: kinds of clients and of addresses."""

from __future__ import annotations

import socket

import pytest

from ..nginx import Nginx
from ..wire import Wire


def test_logged_once_if_any_permission_is_enough(nginx: Nginx) -> None:
    nginx("""
        satisfy any;
        deny all;
        location / { }
        location /basic { auth_basic x; auth_basic_user_file users; }
        """)
    nginx.exchange("> GET /\n< 403")
    nginx.exchange("> GET /basic\n< 401")
    assert nginx.error_log().count("access forbidden by rule") == 1


def test_limit_except(nginx: Nginx) -> None:
    nginx("location / { limit_except POST { deny all; } }")
    nginx.exchange("""
        > GET /
        < 403

        > HEAD /x
        < 403

        > POST /x
        < 404

        > DELETE /
        < 403
        """)


SOURCE = {"html/a/program": "source"}


@pytest.mark.parametrize("content", ["empty_gif;", "return 204;"])
def test_limit_except_leaves_out_what_answers(nginx: Nginx, content: str) -> None:
    """It is what nginx does with these."""
    nginx(f"location /a/ {{ limit_except POST {{ allow all; }} {content} }}", files=SOURCE)
    assert nginx.request("GET /a/program").body == b"source"


@pytest.mark.pyngx_only("nginx has no such directives")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('content_by_lua_block { ngx.print("answer") }', b"answer"),
        ("echo answer;", b"answer\n"),
        ("pyngx_health live;", b'{"status": "live"}\n'),
    ],
)
def test_limit_except_is_answered_as_other_methods_are(
    nginx: Nginx, content: str, expected: bytes
) -> None:
    if "lua" in content:
        pytest.importorskip("lupa")
    nginx(
        f"""
        location /a/ {{ limit_except POST {{ allow all; }} {content} }}
        location /deny/ {{ limit_except POST {{ deny all; }} {content} }}
        """,
        files=SOURCE,
    )
    assert nginx.request("GET /a/program").body == expected
    assert nginx.request("GET /deny/program").status == 403


@pytest.mark.pyngx_only("NGINX Plus")
def test_limit_except_in_an_api(nginx: Nginx) -> None:
    """As NGINX's documentation has it: all may read, and some may write."""
    nginx(
        """
        location /api { limit_except GET { auth_basic API; auth_basic_user_file users; }
            api write=on; }
        location /free { limit_except GET { allow all; } api write=on; }
        """,
        http="keyval_zone zone=z:32k; keyval $arg_a $v zone=z;",
        files={"users": "u:{PLAIN}p\n"},
    )
    assert nginx.request("GET /api/9/http/keyvals/").status == 200
    path = "/9/http/keyvals/z"
    assert nginx.request(f"POST /api{path}", body='{"a":"b"}').status == 401
    assert nginx.request(f"POST /free{path}", body='{"a":"b"}').status == 201
    assert nginx.request(f"GET /free{path}").body == b'{"a":"b"}'


def test_unix_clients(nginx: Nginx) -> None:
    nginx(
        """
        listen unix:%%DIR%%/socket;
        location /all { deny all; }
        location /unix { deny unix:; }
        location /net { deny 0.0.0.0/0; deny ::/0; }
        """
    )
    for uri, status in (("/all", 403), ("/unix", 403), ("/net", 404)):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(nginx.prefix / "socket"))
            wire = Wire(client)
            wire.send(f"GET {uri} HTTP/1.0\r\n\r\n".encode())
            answer = wire.answer("GET")
            assert answer is not None and answer.status == status, uri


def test_ipv4_clients_of_an_ipv6_socket(nginx: Nginx) -> None:
    """They are held against the IPv4 rules, and against IPv6 rules only if there are no others."""
    nginx(
        """
        location /four { deny 127.0.0.1; }
        location /both { allow 127.0.0.1; deny ::/0; }
        location /six { deny ::/0; }
        location /mapped { deny ::ffff:127.0.0.0/104; }
        """,
        listen="[::]:%%PORT%% ipv6only=off",
    )
    nginx.exchange("""
        > GET /four
        < 403

        > GET /both
        < 404

        > GET /six
        < 403

        > GET /mapped
        < 403
        """)


@pytest.mark.parametrize("parameter", ["x", "1.2.3", "1.2.3.4/33", "unix", "::/129", "1.2.3.4/"])
def test_rejected(nginx: Nginx, parameter: str) -> None:
    nginx.rejects(f"deny {parameter};", f'invalid parameter "{parameter}"', line=1)


def test_warning(nginx: Nginx) -> None:
    said = nginx.accepts("allow 1.2.3.4/24; allow 2001:db8::1/32;")
    assert "[warn] low address bits of 1.2.3.4/24 are meaningless" in said.replace("nginx: ", "")
    assert "low address bits of 2001:db8::1/32 are meaningless" in said
