"""memcached_pass: values by their key, straight from a memcached server."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ..backend import Backend, Peer
from ..nginx import Nginx
from ..wire import DEADLINE

PASS = "location / { set $memcached_key $uri; memcached_pass 127.0.0.1:%%PORT_b%%; }"
KEEPING = "upstream u { server 127.0.0.1:%%PORT_b%%; keepalive 4; }"
KEPT = "location / { set $memcached_key $uri; memcached_pass u; }"
HELLO = b"VALUE /a 0 5\r\nhello\r\nEND\r\n"
NONE = b"END\r\n"


def gets(*answers: bytes) -> Callable[[Peer], None]:
    """A script that answers so many requests on one connection."""

    def script(peer: Peer) -> None:
        for answer in answers:
            peer.until(b"\r\n")
            peer.on_head()
            peer.send(answer)
        peer.closed()

    return script


def start(nginx: Nginx, *answers: bytes, name: str = "b") -> Backend:
    """A server that answers one request a connection, and leaves it open."""
    return nginx.backend(name, *map(gets, answers))


def test_value(nginx: Nginx) -> None:
    backend = start(nginx, HELLO)
    nginx(PASS)
    nginx.exchange("""
        > GET /a
        < 200
        < Content-Type: text/plain
        < Content-Length: 5
        < Accept-Ranges: bytes
        < !Content-Encoding
        <
        < hello
        """)
    assert backend.connections(1) == ["get /a\r\n"]


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_value_in_two_pieces(nginx: Nginx, cut: int) -> None:
    def script(peer: Peer) -> None:
        peer.until(b"\r\n")
        peer.send(HELLO[:cut])
        time.sleep(0.01)  # so that it most often comes alone
        peer.send(HELLO[cut:])
        peer.closed()

    nginx.backend("b", script)
    nginx(PASS)
    nginx.exchange("> GET /a\n< 200\n<\n< hello")


def test_empty_value(nginx: Nginx) -> None:
    start(nginx, b"VALUE /a 0 0\r\n\r\nEND\r\n")
    nginx(PASS)
    nginx.exchange("> GET /a\n< 200\n< Content-Length: 0")


def test_long_value(nginx: Nginx) -> None:
    data = bytes(range(256)) * 4096
    start(nginx, b"VALUE /a 0 %d\r\n%b\r\nEND\r\n" % (len(data), data))
    nginx(PASS)
    assert nginx.request("GET /a").body == data


def test_type_by_the_uri(nginx: Nginx) -> None:
    start(nginx, b"VALUE /a.css 0 5\r\nhello\r\nEND\r\n", NONE)
    nginx("types { text/css css; } default_type a/b;" + PASS)
    nginx.exchange("""
        > GET /a.css
        < 200
        < Content-Type: text/css

        > GET /b.css
        < 404
        < Content-Type: text/html
        """)


def test_ranges(nginx: Nginx) -> None:
    start(nginx, HELLO)
    nginx(PASS)
    nginx.exchange("""
        > GET /a
        > Range: bytes=1-3
        < 206
        < Content-Range: bytes 1-3/5
        <
        < ell
        """)


@pytest.mark.parametrize(
    ("directive", "flags", "encoding"),
    [
        ("", "2", ""),
        ("memcached_gzip_flag 2;", "2", "gzip"),
        ("memcached_gzip_flag 2;", "3", "gzip"),
        ("memcached_gzip_flag 2;", "1", ""),
        ("memcached_gzip_flag 0;", "x", ""),
    ],
)
def test_gzip_flag(nginx: Nginx, directive: str, flags: str, encoding: str) -> None:
    packed = zlib.compress(b"hello", wbits=31)
    start(nginx, b"VALUE /a %b %d\r\n%b\r\nEND\r\n" % (flags.encode(), len(packed), packed))
    nginx(directive + PASS)
    answer = nginx.request("GET /a")
    assert (answer.status, answer.body) == (200, packed)
    assert (answer.get("Content-Encoding") or "") == encoding


def test_methods_and_bodies(nginx: Nginx) -> None:
    """Only GET and HEAD are passed on, and no body."""
    backend = start(nginx, HELLO)
    nginx(PASS)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        nginx.exchange(f"> {method} /a\n< 405")
    nginx.exchange("""
        > GET /a
        >
        > set /a 0 0 5
        < 200
        <
        < hello

        > HEAD /a
        < 200
        < Content-Length: 5
        """)
    assert backend.connections(2) == ["get /a\r\n", "get /a\r\n"]


# The key.


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("/a%20b", "/a%20b"),
        ("/a%0D%0Adelete%20/b", "/a%0D%0Adelete%20/b"),
        ("/%09%01%1F", "/%09%01%1F"),
        ("/%25", "/%25"),
        ("/%7F%C3%A9", "/\x7f\xc3\xa9"),
    ],
)
def test_escaped_key(nginx: Nginx, uri: str, key: str) -> None:
    """No key can become a command."""
    data = key.encode("latin-1")
    backend = start(nginx, b"VALUE %b 0 5\r\nhello\r\nEND\r\n" % data)
    nginx(PASS)
    nginx.exchange(f"> GET {uri}\n< 200\n<\n< hello")
    assert backend.connections(1) == [f"get {key}\r\n"]


def test_no_key(nginx: Nginx) -> None:
    backend = start(nginx, HELLO)
    nginx(
        "location / { memcached_pass 127.0.0.1:%%PORT_b%%; }"
        'location /empty { set $memcached_key ""; memcached_pass 127.0.0.1:%%PORT_b%%; }'
    )
    nginx.exchange("> GET /a\n< 500\n\n> GET /empty\n< 500")
    nginx.wait_for_log(r'\[error\] .*the "\$memcached_key" variable is not set', 2)
    assert not backend.accepted


def test_unknown_key(nginx: Nginx) -> None:
    nginx.rejects(
        "location / { memcached_pass 127.0.0.1:1; }", 'unknown "memcached_key" variable', line=None
    )


# No value.


def test_missing(nginx: Nginx) -> None:
    start(nginx, NONE)
    nginx.backend("other", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
    nginx(
        PASS
        + """
        location /page { set $memcached_key $uri; memcached_pass 127.0.0.1:%%PORT_b%%;
                         error_page 404 = @other; }
        location @other { proxy_pass http://127.0.0.1:%%PORT_other%%; }
        """
    )
    nginx.exchange("> GET /a\n< 404\n\n> HEAD /a\n< 404\n\n> GET /page\n< 200\n<\n< other")
    nginx.wait_for_log(r'\[info\] .*key: "/a" was not found by memcached')


@pytest.mark.parametrize(
    ("next_upstream", "first", "status"),
    [
        ("", NONE, 404),
        ("not_found", NONE, 200),
        ("off", NONE, 404),
        ("", b"ERROR\r\n", 502),
        ("invalid_response", b"ERROR\r\n", 200),
        ("", b"", 200),
        ("off", b"", 502),
    ],
)
def test_next_upstream(nginx: Nginx, next_upstream: str, first: bytes, status: int) -> None:
    def script(peer: Peer) -> None:
        peer.until(b"\r\n")
        peer.send(first)

    nginx.backend("a", script)
    start(nginx, HELLO)
    nginx(
        (f"memcached_next_upstream {next_upstream};" if next_upstream else "") + KEPT,
        http="upstream u { server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%% backup; }",
    )
    assert nginx.request("GET /a").status == status


# Answers that are none.


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"ERROR\r\n", 'memcached sent invalid response: "ERROR"'),
        (b"CLIENT_ERROR x\r\n", 'memcached sent invalid response: "CLIENT_ERROR x"'),
        (b"END\n", 'memcached sent invalid response: "END"'),
        (b"END \r\n", 'memcached sent invalid response: "END "'),
        (b"\r\n", 'memcached sent invalid response: ""'),
        (b"VALUE /a\r\n", 'memcached sent invalid response: "VALUE /a"'),
        (b"VALUE /a 0\r\n", 'memcached sent invalid response: "VALUE /a 0"'),
        (b"VALUE /ab 0 5\r\n", 'memcached sent invalid response: "VALUE /ab 0 5"'),
        (
            b"VALUE /b 0 5\r\n",
            'memcached sent invalid key in response "VALUE /b 0 5" for key "/a"',
        ),
        (
            b"VALUE /a x 5\r\n",
            'memcached sent invalid flags in response "VALUE /a x 5" for key "/a"',
        ),
        (
            b"VALUE /a 0 \r\n",
            'memcached sent invalid length in response "VALUE /a 0 " for key "/a"',
        ),
        (
            b"VALUE /a 0 -5\r\n",
            'memcached sent invalid length in response "VALUE /a 0 -5" for key "/a"',
        ),
        (
            b"VALUE /a 0 5 7\r\n",
            'memcached sent invalid length in response "VALUE /a 0 5 7" for key "/a"',
        ),
        (b"VALUE /a 0 99999999999999999999\r\n", "memcached sent invalid length in response"),
        (b"VALUE /a " + b"0" * 5000, "upstream sent too big header"),
    ],
)
def test_invalid_responses(nginx: Nginx, sent: bytes, text: str) -> None:
    start(nginx, sent)
    nginx("memcached_gzip_flag 1;" + PASS)
    nginx.exchange("> GET /a\n< 502")
    nginx.wait_for_log(
        rf"\[error\] .*{re.escape(text)}.* while reading response header from upstream, .*"
        r'upstream: "memcached://127\.0\.0\.1:\d+", host'
    )


@pytest.mark.parametrize(
    "end", [b"\r\nENDE\r\n", b"xx", b"\r\nEND\r\nmore", b"\n\r\nEND", b"VALUE /b 0 1\r\n"]
)
def test_invalid_trailer(nginx: Nginx, end: bytes) -> None:
    """The value is whole; but nobody knows what comes next on the connection."""
    backend = start(nginx, b"VALUE /a 0 5\r\nhello" + end)
    nginx(KEPT, http=KEEPING)
    for _ in range(2):
        nginx.exchange("> GET /a\n< 200\n<\n< hello")
    nginx.wait_for_log(r"\[error\] .*memcached sent invalid trailer", 2)
    assert len(backend.connections(2)) == 2


def test_a_value_that_breaks_off(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.until(b"\r\n")
        peer.send(b"VALUE /a 0 9\r\nhello")

    nginx.backend("b", script)
    nginx(PASS)
    raw = nginx.raw(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 9\r\n" in raw and raw.endswith(b"hello")
    nginx.wait_for_log("upstream prematurely closed connection")


# Connections.


def test_connections_are_kept(nginx: Nginx) -> None:
    backend = nginx.backend("b", gets(HELLO, NONE, b"VALUE /c 0 1\r\nc\r\nEND\r\n"), gets(HELLO))
    nginx(KEPT, http=KEEPING)
    nginx.exchange("""
        > GET /a
        < 200
        <
        < hello

        > GET /b
        < 404

        > GET /c
        < 200
        <
        < c
        """)
    assert backend.accepted == 1


def test_a_head_request_ends_the_connection(nginx: Nginx) -> None:
    """Its value is not read."""
    backend = start(nginx, HELLO)
    nginx(KEPT, http=KEEPING)
    nginx.exchange("> HEAD /a\n< 200\n< Content-Length: 5\n\n> GET /a\n< 200\n<\n< hello")
    assert backend.connections(1) == ["get /a\r\n"]
    assert backend.accepted == 2


def test_where_requests_go(nginx: Nginx) -> None:
    """What "if" and "limit_except" have in their block, or the location around them."""
    start(nginx, HELLO)
    nginx.backend("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp")
    nginx("""
        set $memcached_key /a;
        location / { memcached_pass 127.0.0.1:%%PORT_b%%;
                     if ($request_method = POST) { proxy_pass http://127.0.0.1:%%PORT_http%%; } }
        location /if { proxy_pass http://127.0.0.1:%%PORT_http%%;
                       if ($arg_m) { memcached_pass 127.0.0.1:%%PORT_b%%; } }
        location /slash/ { memcached_pass 127.0.0.1:%%PORT_b%%; }
        """)
    nginx.exchange("""
        > GET /a
        < 200
        <
        < hello

        > POST /a
        < 200
        <
        < http

        > GET /if
        < 200
        <
        < http

        > GET /if?m=1
        < 200
        <
        < hello

        > GET /slash
        < 301
        """)


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("memcached_pass a:1;", '"memcached_pass" directive is not allowed here'),
        ("location / { memcached_pass 127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("location / { memcached_pass 127.0.0.1:1/; }", 'invalid host in upstream "127.0.0.1:1/"'),
        ("location / { memcached_pass $x; }", 'no port in upstream "$x"'),
        (
            "location / { memcached_pass 127.0.0.1:1; memcached_pass 127.0.0.1:2; }",
            '"memcached_pass" directive is duplicate',
        ),
        ("memcached_gzip_flag x;", '"memcached_gzip_flag" directive invalid number'),
        ("memcached_next_upstream http_404;", 'invalid value "http_404"'),
        ("memcached_bind nowhere;", 'invalid address "nowhere"'),
        ("location / { if ($x) { memcached_gzip_flag 1; } }", re.compile(".*not allowed here")),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects("set $memcached_key a; set $x 1;" + snippet, message)


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts("""
        memcached_bind 127.0.0.1; memcached_buffer_size 8k; memcached_connect_timeout 1s;
        memcached_gzip_flag 2; memcached_next_upstream error timeout invalid_response not_found;
        memcached_next_upstream_timeout 1s; memcached_next_upstream_tries 2;
        memcached_read_timeout 1s; memcached_send_timeout 1s; memcached_socket_keepalive on;
        """)


# The real thing.


@contextmanager
def memcached(port: int) -> Iterator[socket.socket]:
    """A server of its own, and a connection to it."""
    arguments = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "root"]
    process = subprocess.Popen(arguments)
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                client = socket.create_connection(("127.0.0.1", port), 5)
                break
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
        with client:
            yield client
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.mark.skipif(not shutil.which("memcached"), reason="memcached is not installed")
def test_a_real_server(nginx: Nginx) -> None:
    values = {f"/{size}": b"x" * size for size in (0, 1, 4096, 100_000)}
    with memcached(nginx.port("b")) as client:
        for key, value in values.items():
            client.sendall(b"set %b 2 0 %d\r\n%b\r\n" % (key.encode(), len(value), value))
            assert client.recv(100) == b"STORED\r\n"
        nginx("memcached_gzip_flag 4;" + KEPT, http=KEEPING)
        for _ in range(3):
            for key, value in values.items():
                answer = nginx.request(f"GET {key}")
                assert (answer.status, answer.body) == (200, value)
            assert nginx.request("GET /none").status == 404
            assert nginx.request(f"GET /{'k' * 300}").status == 502
