"""Directives of NGINX Plus that look at the server before it is connected to."""

from __future__ import annotations

import pytest

from ..backend import Peer
from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("directives of NGINX Plus")

GROUP = """
    upstream group {
        server 127.0.0.1:%%PORT_one%% max_fails=0;
        server 127.0.0.1:%%PORT_two%% max_fails=0 backup;
    }
    geo $upstream_last_addr $is_local { volatile; 127.0.0.0/8 1; }
    map $upstream_last_server_name $is_two { volatile; default 0; 127.0.0.1:%%PORT_two%% yes; }
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_all_conditions_must_hold(nginx: Nginx) -> None:
    one = nginx.backend("one", OK)
    nginx(
        """
        location /yes { proxy_allow_upstream 1 $is_local; proxy_pass http://group; }
        location /no { proxy_allow_upstream 1 $arg_a; proxy_pass http://group; }
        location /zero { proxy_allow_upstream 1; proxy_allow_upstream 0; proxy_pass http://group; }
        """,
        http=GROUP,
    )
    assert nginx.request("GET /yes").text == "ok"
    assert nginx.request("GET /no?a=1").text == "ok"
    assert nginx.request("GET /no").status == 502
    assert nginx.request("GET /zero").status == 502
    assert one.accepted == 2
    nginx.wait_for_log(r"\[error\] .*access to upstream is denied while connecting to upstream")


def test_another_server_may_be_permitted(nginx: Nginx) -> None:
    nginx.backend("two", OK)
    nginx(
        """
        access_log %%DIR%%/logs/access.log tries;
        proxy_pass_request_body off; proxy_allow_upstream $is_two;
        location /on { proxy_next_upstream error denied; proxy_pass http://group; }
        location /off { proxy_pass http://group; }
        """,
        http=f'{GROUP} log_format tries "$upstream_addr $upstream_status";',
    )
    assert nginx.request("GET /off").status == 502
    assert nginx.request("GET /on").text == "ok"
    one, two = nginx.filled("127.0.0.1:%%PORT_one%% 127.0.0.1:%%PORT_two%%").split()
    assert nginx.access_log(2) == [f"{one} 502", f"{one}, {two} 502, 200"]


def test_conditions_of_a_tunnel(nginx: Nginx) -> None:
    nginx(
        "tunnel_allow_upstream $is_public; tunnel_pass;",
        http="geo $upstream_last_addr $is_public { volatile; default 1; 127.0.0.0/8 0; }",
    )
    assert nginx.request(nginx.filled("CONNECT 127.0.0.1:%%PORT_one%%")).status == 502
    nginx.wait_for_log("access to upstream is denied")


@pytest.mark.parametrize(
    "directives",
    [
        "fastcgi_request_dynamic on; fastcgi_bind_dynamic on; fastcgi_allow_upstream $arg_no;"
        " fastcgi_pass",
        "uwsgi_request_dynamic on; uwsgi_bind_dynamic on; uwsgi_allow_upstream $arg_no; uwsgi_pass",
        "scgi_request_dynamic on; scgi_bind_dynamic on; scgi_allow_upstream $arg_no; scgi_pass",
        "grpc_request_dynamic on; grpc_bind_dynamic on; grpc_allow_upstream $arg_no; grpc_pass",
        "memcached_bind_dynamic on; memcached_allow_upstream $arg_no; memcached_pass",
    ],
)
def test_conditions_of_other_protocols(nginx: Nginx, directives: str) -> None:
    one = nginx.backend("one")
    nginx(f"location / {{ set $memcached_key a; {directives} 127.0.0.1:%%PORT_one%%; }}")
    assert nginx.request("GET /").status == 502
    assert one.accepted == 0


def test_request_for_each_server(nginx: Nginx) -> None:
    def refuse(peer: Peer) -> None:
        peer.request()

    one, two = nginx.backend("one", refuse), nginx.backend("two", OK)
    nginx(
        """
        proxy_set_header Host $upstream_last_server_name;
        location /on { proxy_request_dynamic on; proxy_pass http://group; }
        location /off { proxy_set_header Host "[$upstream_last_server_name]";
            proxy_pass http://127.0.0.1:%%PORT_two%%; }
        """,
        http=GROUP,
    )
    assert nginx.request("GET /on").text == "ok"
    assert nginx.filled("\r\nHost: 127.0.0.1:%%PORT_one%%\r\n") in one.connections(1)[0]
    assert nginx.filled("\r\nHost: 127.0.0.1:%%PORT_two%%\r\n") in two.connections(1)[0]
    assert nginx.request("GET /off").text == "ok"
    assert "\r\nHost: []\r\n" in two.connections(2)[1]


def test_a_request_that_cannot_be_made_for_a_server(nginx: Nginx) -> None:
    nginx(
        """
        proxy_request_dynamic on; proxy_set_header X $bad;
        location / { proxy_pass http://group; }
        """,
        http=GROUP + 'map $upstream_last_server_name $bad { volatile; "" good; default "a\nb"; }',
    )
    assert nginx.request("GET /").status == 500
    nginx.wait_for_log("line break in a request to upstream")


def test_variables_without_a_server(nginx: Nginx) -> None:
    nginx('return 200 "[$upstream_last_addr$upstream_last_server_name]";')
    assert nginx.request("GET /").text == "[]"


def test_local_address_is_chosen_once_or_for_each_server(nginx: Nginx) -> None:
    """A bad one is reported each time it is determined."""
    nginx(
        """
        proxy_bind bad-$upstream_last_server_name;
        location /on { proxy_bind_dynamic on; proxy_pass http://group; }
        location /off { proxy_pass http://group; }
        """,
        http=GROUP,
    )
    told = nginx.filled('invalid local address "bad-127.0.0.1:%%PORT_two%%"')
    assert nginx.request("GET /off").status == 502
    assert told not in nginx.error_log()
    assert nginx.request("GET /on").status == 502
    nginx.wait_for_log(told)


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects(
        "proxy_allow_upstream;", 'invalid number of arguments in "proxy_allow_upstream" directive'
    )
    nginx.rejects("memcached_request_dynamic on;", 'unknown directive "memcached_request_dynamic"')
