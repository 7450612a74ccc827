"""set_real_ip_from and its like."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

SHOW = 'add_header X "$remote_addr $remote_port|$realip_remote_addr"; return 204;'
SHOW_REAL = 'add_header X "$remote_addr|$realip_remote_addr"; return 204;'


def shown(nginx: Nginx, uri: str, *fields: str) -> str | None:
    return nginx.request(f"GET {uri}", *fields).get("X")


def test_fields(nginx: Nginx) -> None:
    nginx(f"""
        location /other/ {{ set_real_ip_from 10.0.0.0/8; try_files /x @show; }}
        location /real/ {{ set_real_ip_from 127.0.0.1; try_files /x @show; }}
        location /for/ {{ set_real_ip_from 127.0.0.0/8; set_real_ip_from 1.0.0.0/8;
                          real_ip_header X-Forwarded-For; try_files /x @show; }}
        location /lower/ {{ set_real_ip_from 127.0.0.1; real_ip_header x-forwarded-for;
                            try_files /x @show; }}
        location /deep/ {{ set_real_ip_from 127.0.0.0/8; set_real_ip_from 1.0.0.0/8;
                           real_ip_header X-Forwarded-For; real_ip_recursive on;
                           try_files /x @show; }}
        location /own/ {{ set_real_ip_from 127.0.0.1; real_ip_header X-Client;
                          try_files /x @show; }}
        location @show {{ {SHOW_REAL} }}
        """)
    for uri, field, client in (
        ("/other/", "X-Real-IP: 1.2.3.4", "127.0.0.1"),
        ("/real/", "X-Real-IP: 1.2.3.4", "1.2.3.4"),
        ("/real/", "X-Real-IP: 1.2.3.4:5678", "1.2.3.4"),
        ("/real/", "X-Real-IP: 2001:db8::1", "2001:db8::1"),
        ("/real/", "X-Real-IP: [2001:db8::1]:80", "2001:db8::1"),
        ("/real/", "X-Real-IP: ::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("/real/", "X-Real-IP: nobody", "127.0.0.1"),
        ("/real/", "X-Forwarded-For: 1.2.3.4", "127.0.0.1"),
        ("/for/", "X-Forwarded-For: 2.2.2.2, 1.1.1.1", "1.1.1.1"),
        ("/for/", "X-Forwarded-For: 2.2.2.2,", "2.2.2.2"),
        ("/for/", "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 1.1.1.1", "1.1.1.1"),
        ("/lower/", "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 1.1.1.1", "2.2.2.2"),
        ("/deep/", "X-Forwarded-For: 3.3.3.3, 2.2.2.2, 1.1.1.1", "2.2.2.2"),
        ("/deep/", "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 1.1.1.1", "2.2.2.2"),
        ("/deep/", "X-Forwarded-For: 1.1.1.2, 1.1.1.1", "1.1.1.2"),
        ("/deep/", "X-Forwarded-For: nobody, 1.1.1.1", "1.1.1.1"),
        ("/own/", "X-Client: 1.2.3.4", "1.2.3.4"),
    ):
        assert shown(nginx, uri, field) == f"{client}|127.0.0.1", (uri, field)


def test_before_everything_else_in_a_server(nginx: Nginx) -> None:
    nginx(f"""
        set_real_ip_from 127.0.0.1;
        location /show {{ {SHOW} }}
        location /denied {{ deny 1.2.3.4; }}
        """)
    field = "X-Real-IP: 1.2.3.4:5678"
    assert shown(nginx, "/show", field) == "1.2.3.4 5678|127.0.0.1"
    assert shown(nginx, "/show", "X-Real-IP: 1.2.3.4") == "1.2.3.4 |127.0.0.1"
    assert nginx.request("GET /denied", field).status == 403
    nginx.wait_for_log(r"access forbidden by rule, client: 1\.2\.3\.4, server")


def test_next_request_of_the_connection(nginx: Nginx) -> None:
    nginx(f"set_real_ip_from 127.0.0.1; location / {{ {SHOW_REAL} }}")
    with nginx.connect() as connection:
        connection.exchange("""
            > GET /
            > X-Real-IP: 1.2.3.4
            < 204
            < X: 1.2.3.4|127.0.0.1

            > GET /
            < 204
            < X: 127.0.0.1|127.0.0.1
            """)


def test_in_the_log(nginx: Nginx) -> None:
    nginx(
        "set_real_ip_from localhost; access_log logs/real.log real; return 204;",
        http="log_format real $remote_addr/$realip_remote_addr;",
    )
    nginx.request("GET /", "X-Real-IP: 1.2.3.4")
    assert nginx.access_log(1, "real.log") == ["1.2.3.4/127.0.0.1"]


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("set_real_ip_from 1.2.3.4/33;", 'host not found in set_real_ip_from "1.2.3.4/33"'),
        ("real_ip_header a; real_ip_header b;", '"real_ip_header" directive is duplicate'),
        (
            "real_ip_recursive x;",
            'invalid value "x" in "real_ip_recursive" directive, it must be "on" or "off"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message)


def test_accepted(nginx: Nginx) -> None:
    said = nginx.accepts(
        "set_real_ip_from 1.2.3.4/8; set_real_ip_from unix:; real_ip_header proxy_protocol;"
    )
    assert "low address bits of 1.2.3.4/8 are meaningless" in said
