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
