"""tunnel_pass: clients are connected with other servers."""

from __future__ import annotations

import pytest

from ..backend import Peer
from ..nginx import Nginx

pytestmark = pytest.mark.needs("nginx/1.31")

UP = "127.0.0.1:%%PORT_up%%"


def greet(peer: Peer) -> None:
    peer.send(b"hello")


def greet_and_wait(peer: Peer) -> None:
    peer.send(b"hello")
    peer.rest()


def echo(peer: Peer) -> None:
    """Sends back what it gets, after a greeting."""
    peer.send(b"hello")
    for mark in (b"early", b"\xff"):
        peer.send(peer.until(mark))


def test_bytes_go_both_ways(nginx: Nginx) -> None:
    nginx.backend("up", echo)
    nginx(f"tunnel_pass {UP};")
    with nginx.connect() as client:
        wire = client.wire
        wire.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nearly")
        head = wire.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close\r\n" in head and b"chunked" not in head
        assert wire.until(b"early") == b"helloearly"
        wire.send(b"\0more\xff")
        assert wire.until(b"\xff") == b"\0more\xff"


def test_the_client_is_told_nothing_before_there_is_a_connection(nginx: Nginx) -> None:
    nginx(f"error_page 502 = /page; tunnel_pass {UP}; location /page {{ return 200 none; }}")
    nginx.exchange("""
        > CONNECT a.example:443
        < 200
        <
        < none
        """)
    log = nginx.wait_for_log(r"connect\(\) failed .*Connection refused")
    assert nginx.filled(f'upstream: "{UP}", host: ') in log


def test_target_is_the_host_of_the_request(nginx: Nginx) -> None:
    nginx.backend("up", greet)
    nginx("tunnel_pass;")
    with nginx.connect() as client:
        target = nginx.filled(UP)
        client.wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert client.wire.until(b"hello").startswith(b"HTTP/1.1 200 OK\r\n")


def test_other_methods_get_none(nginx: Nginx) -> None:
    nginx("""
        location / { if ($request_method = CONNECT) { tunnel_pass; } return 200 page; }
        location /only { tunnel_pass; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        <
        < page

        > GET /only
        < 405

        > POST /only
        < 405
        """)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("CONNECT a.example:443 HTTP/1.0", "405"),
        ("CONNECT a.example HTTP/1.1", "400"),
        ("CONNECT a.example: HTTP/1.1", "400"),
        ("CONNECT :443 HTTP/1.1", "400"),
        ("CONNECT a.example:65536 HTTP/1.1", "400"),
        ("CONNECT a.example:443/ HTTP/1.1", "400"),
        ("CONNECT http://a.example:443 HTTP/1.1", "400"),
        ("CONNECT user@a.example:443 HTTP/1.1", "400"),
    ],
)
def test_requests_that_are_none(nginx: Nginx, line: str, status: str) -> None:
    nginx("tunnel_pass;")
    answer = nginx.raw(f"{line}\r\nHost: a\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_servers_without_it_take_no_connect(nginx: Nginx) -> None:
    other = "listen 127.0.0.1:%%PORT_t%%; location / { return 403; } location /x { tunnel_pass; }"
    nginx("return 403;", servers=[other])
    assert nginx.request("CONNECT a.example:443").status == 405
    assert nginx.request("CONNECT a.example:443", port="t").status == 403


def test_a_body_is_refused(nginx: Nginx) -> None:
    nginx("tunnel_pass;")
    assert nginx.request("CONNECT a.example:443", "Content-Length: 3", body="abc").status == 400


def test_proxy_authentication(nginx: Nginx) -> None:
    """Authorization is for the server behind the tunnel, Proxy-Authorization for this one."""
    nginx.backend("up", greet)
    nginx(
        f"auth_basic proxy; auth_basic_user_file users; tunnel_pass {UP};",
        files={"users": "me:{PLAIN}secret\n"},
    )
    nginx.exchange("""
        > CONNECT a.example:443
        < 407
        < Proxy-Authenticate: Basic realm="proxy"
        < !WWW-Authenticate

        > CONNECT a.example:443
        > Authorization: Basic bWU6c2VjcmV0
        < 407

        > CONNECT a.example:443
        > Proxy-Authorization: Basic bWU6d3Jvbmc=
        < 407

        > GET /
        > Proxy-Authorization: Basic bWU6c2VjcmV0
        < 401
        < WWW-Authenticate: Basic realm="proxy"
        """)
    with nginx.connect() as client:
        client.wire.send(
            b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        )
        assert client.wire.until(b"hello").startswith(b"HTTP/1.1 200 OK\r\n")


def test_satisfy_any_takes_the_challenge_back(nginx: Nginx) -> None:
    nginx("""
        satisfy any; auth_basic proxy; auth_basic_user_file users; allow 127.0.0.1; deny all;
        tunnel_pass 127.0.0.1:%%PORT_up%%;
        """)
    answer = nginx.request("CONNECT a.example:443")
    assert answer.status == 502 and answer.get("Proxy-Authenticate") is None


def test_next_server(nginx: Nginx) -> None:
    nginx.backend("up", greet)
    nginx(
        "access_log %%DIR%%/logs/access.log tries; tunnel_pass group;",
        http="""
            upstream group { server 127.0.0.1:%%PORT_none%%; server 127.0.0.1:%%PORT_up%% backup; }
            log_format tries "$request_method $status $upstream_addr $upstream_bytes_received";
            """,
    )
    with nginx.connect() as client:
        client.wire.send(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.wire.until(b"hello").startswith(b"HTTP/1.1 200 OK\r\n")
    [line] = nginx.access_log(1)
    assert line == nginx.filled("CONNECT 200 127.0.0.1:%%PORT_none%%, 127.0.0.1:%%PORT_up%% 0, 5")


def test_idle_tunnels_are_closed(nginx: Nginx) -> None:
    nginx.backend("up", greet_and_wait)
    nginx(f"tunnel_read_timeout 200ms; tunnel_pass {UP};")
    answer = nginx.raw(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nhello")
    nginx.wait_for_log(r"upstream timed out .* while proxying upgraded connection")


def test_settings_of_the_connection(nginx: Nginx) -> None:
    nginx.backend("up", greet)
    nginx(f"""
        tunnel_bind 127.0.0.1; tunnel_socket_keepalive on; tunnel_socket_rcvbuf 8k;
        tunnel_socket_sndbuf 8k; tunnel_connect_timeout 5s; tunnel_send_timeout 5s;
        tunnel_send_lowat 0; tunnel_buffer_size 4k; tunnel_next_upstream error timeout;
        tunnel_next_upstream_tries 2; tunnel_next_upstream_timeout 5s;
        tunnel_pass {UP};
        """)
    assert nginx.raw(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"hello")


@pytest.mark.pyngx_only("a directive of NGINX Plus")
def test_local_address_for_each_server(nginx: Nginx) -> None:
    nginx.accepts("tunnel_bind_dynamic on; tunnel_bind $arg_a; tunnel_pass;")


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("tunnel_pass a:1; tunnel_pass b:1;", '"tunnel_pass" directive is duplicate')
    nginx.rejects("tunnel_pass 127.0.0.1;", 'no port in upstream "127.0.0.1"')
    nginx.rejects("tunnel_pass a b;", 'invalid number of arguments in "tunnel_pass" directive')
    nginx.rejects("tunnel_next_upstream http_500;", 'invalid value "http_500"')
