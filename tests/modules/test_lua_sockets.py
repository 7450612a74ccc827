"""Sockets of Lua: TLS, pools, patterns, datagrams, time limits."""

from __future__ import annotations

import socket
import threading

import pytest

from ..authority import Authority
from ..nginx import Nginx
from .lua import LOAD, NEEDS_LUA

pytestmark = NEEDS_LUA


def ask(code: str) -> str:
    return f"location / {{ content_by_lua_block {{ {code} }} }}"


def test_lines_counts_and_the_rest(nginx: Nginx) -> None:
    nginx.backend("peer", b"one\r\ntwo\r\rx\nabcdefrest of it")
    nginx(
        ask("""
        local sock = ngx.socket.tcp()
        sock:settimeouts(20000, 20000, 20000)
        ngx.say(sock:connect("127.0.0.1", %%PORT_peer%%))
        ngx.say(sock:send({"GET /", {" x"}, "\\r\\n\\r\\n"}))
        ngx.say(sock:receive(), "|", sock:receive("*l"), "|", sock:receive(3), "|", sock:receive(0))
        ngx.say(sock:receiveany(3), "|", sock:receive("*a"), "|")
        ngx.say(sock:receive())
        ngx.say(sock:close(), sock:close())
        """),
        main=LOAD,
    )
    assert nginx.request("GET /").body.split(b"\n") == [
        *(b"1", b"11", b"one|twox|abc|", b"def|rest of it|", b"nilclosed", b"1nilclosed", b"")
    ]


def test_up_to_a_pattern(nginx: Nginx) -> None:
    nginx.backend("peer", b"a-b--c--ddddd--rest")
    nginx(
        ask("""
        local sock = ngx.socket.connect("127.0.0.1", %%PORT_peer%%)
        sock:send("x\\r\\n\\r\\n")
        local read = sock:receiveuntil("--")
        ngx.say(read())
        ngx.say((sock:receiveuntil("--", {inclusive = true})()))
        ngx.say(read(2), read(2), read(2), read(2))
        ngx.say(read())
        """),
        main=LOAD,
    )
    lines = nginx.request("GET /").body.split(b"\n")
    assert lines == [b"a-b", b"c--", b"dddddnilnilnil", b"nilclosedrest", b""]


def test_connections_are_used_again(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                local function get()
                    local sock = ngx.socket.tcp()
                    assert(sock:connect("127.0.0.1", %%PORT%%, {pool = "own"}))
                    local uses = sock:getreusedtimes()
                    sock:send("GET /x HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                    sock:receiveuntil("\\r\\n\\r\\n")()
                    local body = sock:receive(2)
                    assert(sock:setkeepalive(10000, 5))
                    return uses, body
                end
                ngx.say(get()) ngx.say(get()) ngx.say(get())
            }
        }
        location /x { return 200 ok; }
        """,
        main=LOAD,
    )
    assert nginx.request("GET /").body == b"0ok\n1ok\n2ok\n"


def test_time_limits(nginx: Nginx) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nginx(
            ask(f"""
            local sock = ngx.socket.connect("127.0.0.1", {silent.getsockname()[1]})
            sock:settimeout(50)
            ngx.say(sock:receive(5))
            sock:settimeout(20000)
            sock:send("x")
            ngx.say(sock:receive(3))
            """),
            http="lua_socket_log_errors off;",
            main=LOAD,
        )

        def serve() -> None:
            peer, _ = silent.accept()
            with peer:
                peer.recv(1)  # after the first limit
                peer.sendall(b"abc")
                peer.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        assert nginx.request("GET /").body == b"niltimeout\nabc\n"
        thread.join()


def test_datagrams(nginx: Nginx) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        nginx(
            ask(f"""
            local sock = ngx.socket.udp()
            sock:settimeout(20000)
            ngx.say(sock:setpeername("127.0.0.1", {peer.getsockname()[1]}))
            ngx.say(sock:send("ping"))
            ngx.say(sock:receive())
            ngx.say(sock:close())
            """),
            main=LOAD,
        )

        def serve() -> None:
            data, address = peer.recvfrom(100)
            peer.sendto(data + b"pong", address)

        thread = threading.Thread(target=serve)
        thread.start()
        assert nginx.request("GET /").body == b"1\n1\npingpong\n1\n"
        thread.join()


def test_tls(nginx: Nginx) -> None:
    authority = Authority("root")
    localhost = Authority("localhost", ["localhost"], authority)
    nginx.write("server.pem", localhost.pem)
    nginx.write("server.key", localhost.key_pem())
    nginx.write("root.pem", authority.pem)
    nginx(
        """
        location / {
            lua_ssl_trusted_certificate root.pem;
            lua_socket_log_errors off;
            content_by_lua_block {
                local function get(name, verifies)
                    local sock = ngx.socket.connect("127.0.0.1", %%PORT_tls%%)
                    local session, failure = sock:sslhandshake(nil, name, verifies)
                    if not session then return failure end
                    sock:send("GET / HTTP/1.0\\r\\n\\r\\n")
                    sock:receiveuntil("\\r\\n\\r\\n")()
                    return sock:receive("*a") .. " " .. type(session)
                end
                ngx.say(get("localhost", true))
                ngx.say(get("other", true))
                ngx.say(get("other", false))
            }
        }
        location /untrusted {
            lua_socket_log_errors off;
            content_by_lua_block {
                local sock = ngx.socket.connect("127.0.0.1", %%PORT_tls%%)
                ngx.say((select(2, sock:sslhandshake(nil, "localhost", true))))
            }
        }
        """,
        main=LOAD,
        servers=[
            """
            listen 127.0.0.1:%%PORT_tls%% ssl;
            ssl_certificate server.pem; ssl_certificate_key server.key;
            return 200 secret;
            """
        ],
    )
    assert nginx.request("GET /").body == (
        b"secret cdata\ncertificate host mismatch\nsecret cdata\n"
    )
    assert nginx.request("GET /untrusted").body.startswith((b"20: ", b"21: "))


@pytest.mark.pyngx_only("nginx needs a resolver")
def test_names(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                ngx.say((ngx.socket.tcp():connect("localhost", %%PORT%%)))
                ngx.say(ngx.socket.tcp():connect("no.such.name.invalid", 80))
            }
        }
        """,
        http="lua_socket_log_errors off;",
    )
    lines = nginx.request("GET /").body.split(b"\n")
    assert lines[0] == b"1"
    assert lines[1] == b"nilno.such.name.invalid could not be resolved (3: Host not found)"


@pytest.mark.pyngx_only("nginx has raw request sockets")
def test_missing_kinds_of_sockets(nginx: Nginx) -> None:
    """The error names the function; nothing is returned that code could take for a socket."""
    nginx(ask("local sock = ngx.req.socket(true); sock:send('x')"), main=LOAD)
    assert nginx.request("GET /").status == 500
    nginx.wait_for_log(r"ngx\.req\.socket\(true\) is not supported by pyngx")
