"""Groups of servers: choice, failure, retries and kept connections."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from ..backend import Peer
from ..nginx import Nginx

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DEAD = "127.0.0.1:%%PORT_dead%%"
NAMED = [f"listen 127.0.0.1:%%PORT_{n}%%; return 200 {n};" for n in ("a", "b", "c")]


def chosen(nginx: Nginx, count: int, target: str = "/") -> str:
    """The names of the servers that answered, in order."""
    return "".join(nginx.request(f"GET {target}").text for _ in range(count))


def grouped(nginx: Nginx, group: str, settings: str = "") -> None:
    nginx(
        f"location / {{ {settings} proxy_pass http://u; }}",
        http=f"upstream u {{ {group} }}",
        servers=NAMED,
    )


@pytest.mark.parametrize(
    "group, sequence",
    [
        ("server {a}; server {b};", "abab"),
        ("server {a}; server {b}; server {c};", "abcabc"),
        ("server {a} weight=2; server {b};", "abaaba"),
        ("server {a} weight=5; server {b}; server {c};", "aabacaa" * 2),
        ("server {a} weight=3; server {b} weight=2;", "ababa" * 2),
        ("server {a}; server {b} down;", "aaaa"),
        ("server {a} backup; server {b};", "bbbb"),
        ("server {dead}; server {b} backup;", "bbbb"),
        ("server {dead}; server {b} backup; server {c} backup;", "bcbc"),
        ("server {a} down; server {b} backup;", "bbb"),
        ("server {a};", "aaa"),
    ],
)
def test_round_robin(nginx: Nginx, group: str, sequence: str) -> None:
    ports = {n: f"127.0.0.1:%%PORT_{n}%%" for n in ("a", "b", "c", "dead")}
    grouped(nginx, group.format(**ports))
    assert chosen(nginx, len(sequence)) == sequence


def test_least_conn(nginx: Nginx) -> None:
    """The one that is busy is left alone."""

    def slow(peer: Peer) -> None:
        peer.request()
        peer.closed()

    nginx.backend("slow", slow)
    nginx(
        "location / { proxy_pass http://u; }",
        http="""
        upstream u {
            least_conn;
            server 127.0.0.1:%%PORT_slow%%;
            server 127.0.0.1:%%PORT_a%%;
        }
        """,
        servers=NAMED,
    )
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.wire.silent(0.1)
        assert chosen(nginx, 3) == "aaa"


def test_ip_hash(nginx: Nginx) -> None:
    grouped(nginx, "ip_hash; server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%%;")
    assert len(set(chosen(nginx, 6))) == 1


@pytest.mark.parametrize("consistent", ["", "consistent"])
def test_hash(nginx: Nginx, consistent: str) -> None:
    grouped(
        nginx,
        f"hash $arg_k {consistent}; server 127.0.0.1:%%PORT_a%%;"
        "server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%%;",
    )
    spread = Counter(chosen(nginx, 1, f"/?k={k}") for k in range(60))
    assert set(spread) == {"a", "b", "c"}
    for key in range(5):
        assert len(set(chosen(nginx, 3, f"/?k={key}"))) == 1


@pytest.mark.parametrize(
    "key, sequence", [("0", "c"), ("1", "b"), ("2", "c"), ("alpha", "b"), ("beta", "b"), ("", "a")]
)
def test_hash_is_the_same_everywhere(nginx: Nginx, key: str, sequence: str) -> None:
    """The choice depends on the key only, so that several front ends agree."""
    grouped(
        nginx,
        "hash $arg_k; server 127.0.0.1:%%PORT_a%%;"
        "server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%%;",
    )
    assert chosen(nginx, 1, f"/?k={key}") == sequence


def test_random(nginx: Nginx) -> None:
    grouped(
        nginx,
        "random two least_conn; server 127.0.0.1:%%PORT_a%%;"
        "server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%% down;",
    )
    assert set(chosen(nginx, 40)) == {"a", "b"}


# Failure.


def test_next_upstream_after_refusal(nginx: Nginx) -> None:
    nginx(
        "location / { access_log logs/access.log f; proxy_pass http://u; }",
        http=f"""
        upstream u {{ server {DEAD}; server 127.0.0.1:%%PORT_a%%; }}
        log_format f "$upstream_addr|$upstream_status|$status";
        """,
        servers=NAMED,
    )
    assert chosen(nginx, 3) == "aaa"
    first, second, third = nginx.access_log(3)
    assert first == nginx.filled(f"{DEAD}, 127.0.0.1:%%PORT_a%%|502, 200|200")
    assert second == third == nginx.filled("127.0.0.1:%%PORT_a%%|200|200")
    nginx.wait_for_log(
        r"\[error\] .*connect\(\) failed \(111: Connection refused\) while connecting"
    )
    nginx.wait_for_log(
        r"\[warn\] .*upstream server temporarily disabled while connecting to upstream"
    )


def test_all_dead(nginx: Nginx) -> None:
    nginx(
        "location / { access_log logs/access.log f; proxy_pass http://u; }",
        http=f"""
        upstream u {{ server {DEAD}; server 127.0.0.1:%%PORT_dead2%%; }}
        log_format f "$upstream_addr|$upstream_status|$status";
        """,
    )
    nginx.exchange("> GET /\n< 502\n\n> GET /\n< 502")
    first, second = nginx.access_log(2)
    assert first == nginx.filled(f"{DEAD}, 127.0.0.1:%%PORT_dead2%%|502, 502|502")
    assert second == "u|502|502"
    nginx.wait_for_log(
        r"\[error\] .*no live upstreams while connecting to upstream, client: .*"
        r'upstream: "http://u/"'
    )


def test_max_fails_and_fail_timeout(nginx: Nginx) -> None:
    backend = nginx.backend("flaky", b"")
    nginx(
        "location / { proxy_pass http://u; }",
        http="""
        upstream u {
            server 127.0.0.1:%%PORT_flaky%% max_fails=2 fail_timeout=1s;
            server 127.0.0.1:%%PORT_a%%;
        }
        """,
        servers=NAMED,
    )
    assert chosen(nginx, 8) == "a" * 8
    assert backend.accepted == 2
    time.sleep(2.1)
    assert chosen(nginx, 4) == "a" * 4
    assert backend.accepted == 3


def test_max_fails_0(nginx: Nginx) -> None:
    backend = nginx.backend("flaky", b"")
    nginx(
        "location / { proxy_pass http://u; }",
        http="""
        upstream u {
            server 127.0.0.1:%%PORT_flaky%% max_fails=0;
            server 127.0.0.1:%%PORT_a%%;
        }
        """,
        servers=NAMED,
    )
    assert chosen(nginx, 6) == "a" * 6
    assert backend.accepted >= 3


def test_single_server_is_never_given_up(nginx: Nginx) -> None:
    backend = nginx.backend("b", b"", b"", b"", OK)
    nginx("location / { proxy_pass http://u; }", http="upstream u { server 127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 502\n\n> GET /\n< 502\n\n> GET /\n< 502\n\n> GET /\n< 200")
    assert backend.accepted == 4


@pytest.mark.parametrize(
    "setting, method, first, status",
    [
        ("", "GET", b"", 200),
        ("", "GET", b"HTTP/1.1 500 X\r\n\r\n", 500),
        ("", "POST", b"", 502),
        ("", "PUT", b"", 200),
        ("", "PATCH", b"", 502),
        ("proxy_next_upstream off;", "GET", b"", 502),
        ("proxy_next_upstream error non_idempotent;", "POST", b"", 200),
        ("proxy_next_upstream http_500;", "GET", b"HTTP/1.1 500 X\r\n\r\n", 200),
        ("proxy_next_upstream http_500;", "GET", b"", 502),
        ("proxy_next_upstream http_404;", "GET", b"HTTP/1.1 404 X\r\n\r\n", 200),
        ("proxy_next_upstream http_429;", "GET", b"HTTP/1.1 429 X\r\n\r\n", 200),
        ("proxy_next_upstream http_503;", "GET", b"HTTP/1.1 502 X\r\n\r\n", 502),
        ("proxy_next_upstream invalid_header;", "GET", b"HTTP/1.1 200 OK\r\nX Y\r\n\r\n", 200),
        ("proxy_next_upstream error;", "GET", b"HTTP/1.1 200 OK\r\nX Y\r\n\r\n", 502),
        ("proxy_next_upstream_tries 1;", "GET", b"", 502),
        ("proxy_next_upstream_tries 2;", "GET", b"", 200),
    ],
)
def test_next_upstream(nginx: Nginx, setting: str, method: str, first: bytes, status: int) -> None:
    nginx.backend("bad", first)
    nginx(
        f"location / {{ {setting} proxy_pass http://u; }}",
        http="upstream u { server 127.0.0.1:%%PORT_bad%%; server 127.0.0.1:%%PORT_a%%; }",
        servers=NAMED,
    )
    nginx.exchange(f"> {method} /\n< {status}")


def test_next_upstream_after_timeout(nginx: Nginx) -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        peer.closed()

    nginx.backend("bad", silent)
    nginx(
        """
        proxy_read_timeout 150ms;
        location / { proxy_pass http://u; }
        location /error { proxy_next_upstream error; proxy_pass http://u; }
        """,
        http="""
        upstream u { server 127.0.0.1:%%PORT_bad%% max_fails=0; server 127.0.0.1:%%PORT_a%%; }
        """,
        servers=NAMED,
    )
    nginx.exchange("> GET /\n< 200\n<\n< a")
    assert {nginx.request("GET /error").status for _ in range(2)} == {200, 504}


def test_the_body_is_sent_again(nginx: Nginx) -> None:
    bad = nginx.backend("bad", b"")
    good = nginx.backend("good", OK)
    nginx(
        "location / { proxy_pass http://u; }",
        http="upstream u { server 127.0.0.1:%%PORT_bad%%; server 127.0.0.1:%%PORT_good%%; }",
    )
    nginx.exchange("> PUT /\n>\n> the body\n< 200")
    assert bad.connections(1)[0].endswith("the body")
    assert good.connections(1)[0].endswith("the body")


def test_nothing_is_retried_once_sent(nginx: Nginx) -> None:
    nginx.backend("bad", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    good = nginx.backend("good", OK)
    nginx(
        "location / { proxy_pass http://u; }",
        http="upstream u { server 127.0.0.1:%%PORT_bad%%; server 127.0.0.1:%%PORT_good%%; }",
    )
    assert nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"half")
    assert good.accepted == 0


# Kept connections.


def keeping(peer: Peer) -> None:
    """Answers every request of a connection."""
    while not peer.closed():
        is_head = peer.request().startswith("HEAD ")
        peer.send(OK.removesuffix(b"ok") if is_head else OK)


def test_keepalive(nginx: Nginx) -> None:
    backend = nginx.backend("b", keeping)
    nginx(
        """
        location / { proxy_pass http://u; }
        location /none { proxy_pass http://n; }
        location /old { proxy_http_version 1.0; proxy_pass http://u; }
        """,
        http="""
        upstream u { server 127.0.0.1:%%PORT_b%%; keepalive 4; }
        upstream n { server 127.0.0.1:%%PORT_b%%; keepalive 0; }
        """,
    )
    for _ in range(3):
        nginx.exchange("> GET /\n< 200\n<\n< ok")
    assert backend.accepted == 1
    nginx.exchange("> HEAD /\n< 200\n\n> POST /\n>\n> body\n< 200")
    nginx.exchange("> GET /none\n< 200\n\n> GET /none\n< 200")
    assert backend.accepted == 1 + 2
    nginx.exchange("> GET /old\n< 200\n\n> GET /old\n< 200")
    assert backend.accepted == 1 + 2


def test_keepalive_is_the_default(nginx: Nginx) -> None:
    backend = nginx.backend("b", keeping)
    nginx("location / { proxy_pass http://u; }", http="upstream u { server 127.0.0.1:%%PORT_b%%; }")
    for _ in range(3):
        nginx.exchange("> GET /\n< 200\n<\n< ok")
    assert backend.accepted == 1


def test_keepalive_limits(nginx: Nginx) -> None:
    backend = nginx.backend("b", keeping)
    nginx(
        "location / { proxy_pass http://u; } location /t { proxy_pass http://t; }",
        http="""
        upstream u { server 127.0.0.1:%%PORT_b%%; keepalive 4; keepalive_requests 2; }
        upstream t { server 127.0.0.1:%%PORT_b%%; keepalive 4; keepalive_timeout 100ms; }
        """,
    )
    for _ in range(4):
        nginx.exchange("> GET /\n< 200")
    assert backend.accepted == 2
    nginx.exchange("> GET /t\n< 200")
    backend.connections(3)
    nginx.exchange("> GET /t\n< 200")
    assert backend.accepted == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
    ],
)
def test_not_kept(nginx: Nginx, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answer)
        assert peer.closed(3)

    backend = nginx.backend("b", script)
    nginx("location / { proxy_pass http://u; }", http="upstream u { server 127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 200\n<\n< ok\n\n> GET /\n< 200\n<\n< ok")
    assert len(backend.connections(2)) == 2


def test_stale_connection_is_replaced(nginx: Nginx) -> None:
    """A kept connection that the upstream closes meanwhile costs the client nothing."""

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        peer.request()

    nginx.backend("b", once, keeping)
    nginx("location / { proxy_pass http://u; }", http="upstream u { server 127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 200\n\n> GET /\n< 200\n<\n< ok")


def test_unix_sockets_in_a_group(nginx: Nginx) -> None:
    nginx(
        "location / { proxy_pass http://u; }",
        http="upstream u { server unix:%%DIR%%/a.sock; server unix:%%DIR%%/b.sock; }",
        servers=[
            "listen unix:%%DIR%%/a.sock; return 200 a;",
            "listen unix:%%DIR%%/b.sock; return 200 b;",
        ],
    )
    assert chosen(nginx, 4) == "abab"


def test_resolved_name(nginx: Nginx) -> None:
    nginx("location / { proxy_pass http://localhost:%%PORT_a%%; }", servers=NAMED)
    assert chosen(nginx, 2) == "aa"


def test_zone_is_shared(nginx: Nginx) -> None:
    nginx(
        "location / { proxy_pass http://u; }",
        http="""
        upstream u {
            zone u 64k;
            server 127.0.0.1:%%PORT_a%%;
            server 127.0.0.1:%%PORT_b%%;
        }
        """,
        main="worker_processes 2;",
        servers=NAMED,
    )
    assert Counter(chosen(nginx, 8)) == {"a": 4, "b": 4}


def test_max_conns(nginx: Nginx) -> None:
    def slow(peer: Peer) -> None:
        peer.request()
        peer.closed()

    nginx.backend("slow", slow)
    nginx(
        "location / { proxy_pass http://u; } location /a { proxy_pass http://v; }",
        http="""
        upstream u { server 127.0.0.1:%%PORT_slow%% max_conns=1; }
        upstream v { server 127.0.0.1:%%PORT_slow%% max_conns=1; server 127.0.0.1:%%PORT_a%%; }
        """,
        servers=NAMED,
    )
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.wire.silent(0.1)
        nginx.exchange("> GET /\n< 502")
    with nginx.connect() as client:
        client.wire.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.wire.silent(0.1)
        assert chosen(nginx, 3, "/a") == "aaa"
