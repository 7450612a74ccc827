"""Groups of servers: choice, failure, retries and kept connections."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable

import pytest

from ..backend import Peer
from ..launch import BINARY
from ..nginx import Nginx
from ..wire import DEADLINE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Seconds = tuple[float, float]
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

    backend = nginx.backend("slow", slow)
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
        backend.wait_until_asked()
        assert chosen(nginx, 3) == "aaa"


@pytest.mark.parametrize(
    "weights, sequence", [(("", "", ""), "abccbaa"), (("weight=3", "", "weight=2"), "acbacabca")]
)
def test_least_conn_in_order(nginx: Nginx, weights: tuple[str, ...], sequence: str) -> None:
    """Round robin decides among those that are equally busy."""

    def slow(peer: Peer) -> None:
        peer.request()
        peer.closed()

    backends = {name: nginx.backend(name, slow) for name in "abc"}
    servers = [f"server 127.0.0.1:%%PORT_{n}%% {w};" for n, w in zip("abc", weights, strict=True)]
    nginx(
        "location / { proxy_pass http://u; }",
        http=f"upstream u {{ least_conn; {' '.join(servers)} }}",
    )
    found = ""
    with contextlib.ExitStack() as clients:
        for count in range(1, len(sequence) + 1):
            client = clients.enter_context(nginx.connect())
            client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while sum(backend.asked for backend in backends.values()) < count:
                time.sleep(0.01)
            found += next(n for n, b in backends.items() if b.asked > found.count(n))
    assert found == sequence


@pytest.mark.parametrize("zone", ["", "zone u 64k;"])
@pytest.mark.parametrize(
    "measure, a, b, sequence",
    [("header", (0.0, 0.3), (3.0, 0.0), "abaa"), ("last_byte", (0.0, 3.0), (0.3, 0.0), "abbb")],
)
def test_least_time(
    nginx: Nginx, zone: str, measure: str, a: Seconds, b: Seconds, sequence: str
) -> None:
    """Seconds to the head, and from there to the end."""

    def late(name: bytes, head: float, end: float) -> Callable[[Peer], None]:
        def answer(peer: Peer) -> None:
            peer.request()
            time.sleep(head)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n")
            time.sleep(end)
            peer.send(name)

        return answer

    nginx.backend("a", late(b"a", *a))
    nginx.backend("b", late(b"b", *b))
    nginx(
        "location / { proxy_pass http://u; }",
        http=f"""
        upstream u {{
            {zone} least_time {measure};
            server 127.0.0.1:%%PORT_a%% fail_timeout=1h;  # slow ones get no other chance
            server 127.0.0.1:%%PORT_b%% fail_timeout=1h;
        }}
        """,
    )
    assert chosen(nginx, len(sequence)) == sequence


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


def test_hash_passes_over_what_is_dead(nginx: Nginx) -> None:
    grouped(
        nginx,
        f"hash $arg_k; server {DEAD}; server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%%;",
    )
    for count in (1, 2):
        assert set(chosen(nginx, count, f"/?k={k}") for k in range(20)) == {
            "a" * count,
            "b" * count,
        }


def test_ip_hash_of_other_clients(nginx: Nginx) -> None:
    nginx(
        """
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        location / { proxy_pass http://u; }
        """,
        http="""
        upstream u {
            ip_hash;
            server 127.0.0.1:%%PORT_a%% weight=3;
            server 127.0.0.1:%%PORT_b%%;
            server 127.0.0.1:%%PORT_c%% weight=2;
            server 127.0.0.2:%%PORT_c%% down;
        }
        """,
        servers=NAMED,
    )
    expected = {
        "127.26.80.57": "b",
        "127.26.80.1": "b",
        "190.240.126.194": "b",
        "81.36.71.227": "c",
        "107.110.84.85": "b",
        "9890:c3f7::f43d": "c",
        "9bce:2e81::b3c5": "a",
        "6e83:73e2::fca0": "b",
    }
    assert expected == {ip: nginx.request("GET /", f"X-Real-IP: {ip}").text for ip in expected}


@pytest.mark.parametrize(
    "group, error",
    [
        (
            "ip_hash; server 127.0.0.1 backup;",
            'balancing method does not support parameter "backup"',
        ),
        (
            "hash a; server 127.0.0.1 backup;",
            'balancing method does not support parameter "backup"',
        ),
        (
            "random; server 127.0.0.1 backup;",
            'balancing method does not support parameter "backup"',
        ),
        ("server 127.0.0.1 weight=0;", 'invalid parameter "weight=0"'),
        ("server 127.0.0.1 max_fails=x;", 'invalid parameter "max_fails=x"'),
        ("server 127.0.0.1 fail_timeout=5ms;", 'invalid parameter "fail_timeout=5ms"'),
        ("server 127.0.0.1 down=1;", 'invalid parameter "down=1"'),
        ("server 127.0.0.1 weight;", 'invalid parameter "weight"'),
        ("hash $arg_k ketama; server 127.0.0.1;", 'invalid parameter "ketama"'),
        (
            "hash a consistent b; server 127.0.0.1;",
            'invalid number of arguments in "hash" directive',
        ),
        ("hash; server 127.0.0.1;", 'invalid number of arguments in "hash" directive'),
        ("hash $; server 127.0.0.1;", "invalid variable name"),
        ("ip_hash on; server 127.0.0.1;", 'invalid number of arguments in "ip_hash" directive'),
        ("random three; server 127.0.0.1;", 'invalid parameter "three"'),
        ("random two least; server 127.0.0.1;", 'invalid parameter "least"'),
        ("least_time; server 127.0.0.1;", 'invalid number of arguments in "least_time" directive'),
        ("least_time mean; server 127.0.0.1;", 'invalid value "mean"'),
        ("least_time header always; server 127.0.0.1;", 'invalid parameter "always"'),
        (
            "least_time header; least_time header; server 127.0.0.1;",
            '"least_time" directive is duplicate',
        ),
        ("keepalive x; server 127.0.0.1;", 'invalid value "x" in "keepalive" directive'),
        ("keepalive 1 global; server 127.0.0.1;", 'invalid parameter "global"'),
        ("keepalive 1; keepalive 2; server 127.0.0.1;", '"keepalive" directive is duplicate'),
        ('zone ""; server 127.0.0.1;', 'invalid zone name ""'),
        ("zone z 1x; server 127.0.0.1;", 'invalid zone size "1x"'),
        ("zone z 1k; server 127.0.0.1;", 'zone "z" is too small'),
    ],
)
def test_rejected(nginx: Nginx, group: str, error: str) -> None:
    nginx.rejects(http=f"upstream u {{\n{group}\n}}", message=error, line=2)


@pytest.mark.parametrize(
    "other",
    [
        "location /a { return 200 $no_such; }",
        "location /a { proxy_cache no_such; proxy_pass http://127.0.0.1; }",
        "location /a { proxy_buffers 4 8k; proxy_busy_buffers_size 64k; }",
        "ssl_certificate %%DIR%%/no.such; ssl_certificate_key %%DIR%%/no.such;",
    ],
)
@pytest.mark.parametrize(
    "target, error",
    [
        ("fastcgi_pass no_port", 'no port in upstream "no_port"'),
        ("proxy_pass http://no.such.invalid:80", 'host not found in upstream "no.such.invalid"'),
    ],
)
def test_first_of_several_errors(nginx: Nginx, other: str, target: str, error: str) -> None:
    """The servers of all locations are resolved before anything else is looked at as a whole."""
    nginx.rejects(f"{other}\nlocation /b {{\n{target};\n}}", error, line=3)


@pytest.mark.pyngx_only("the parameter is one of NGINX Plus")
@pytest.mark.parametrize("measure", ["header", "last_byte"])
def test_random_two_least_time(nginx: Nginx, measure: str) -> None:
    grouped(
        nginx,
        f"zone u 64k; random two least_time={measure};"
        "server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%%;",
    )
    assert set(chosen(nginx, 60)) == set("abc")
    nginx.rejects(
        http="upstream u { random two least_time=mean; server 127.0.0.1; }",
        message='invalid parameter "least_time=mean"',
    )


def test_rejected_elsewhere(nginx: Nginx) -> None:
    """What is known only when all has been read."""
    nginx.rejects(
        http="upstream u { hash $nothing; server 127.0.0.1; }",
        message='unknown "nothing" variable',
        line=1 if BINARY is None else 0,  # nginx does not say where
    )
    nginx.rejects(
        http="# nobody uses it\nupstream u {\nserver 127.0.0.1 backup;\n}",
        message='no servers in upstream "u"',
        line=2,
    )
    nginx.rejects(http="upstream u { ip_hash; }", message="no servers are inside upstream")
    nginx.rejects("least_conn;", '"least_conn" directive is not allowed here')


@pytest.mark.parametrize(
    "method", ["hash a", "ip_hash", "least_conn", "least_time header", "random two least_conn"]
)
def test_method_redefined(nginx: Nginx, method: str) -> None:
    told = nginx.accepts(http=f"upstream u {{ ip_hash;\nserver 127.0.0.1;\n{method};\n}}")
    assert "[warn] " in told and "load balancing method redefined in" in told


def test_methods_and_keepalive_in_any_order(nginx: Nginx) -> None:
    for group in ("keepalive 2; least_conn;", "least_conn; keepalive 2;"):
        told = nginx.accepts(
            http=f"upstream u {{ {group} server 127.0.0.1 backup down; server a; }}".replace(
                "server a", "server 127.0.0.2"
            )
        )
        assert "warn" not in told


def test_backup_before_the_method(nginx: Nginx) -> None:
    """Only what follows the method must be known to it."""
    grouped(
        nginx,
        f"server 127.0.0.1:%%PORT_a%% backup; hash $arg_k; server {DEAD} max_fails=0;",
    )
    assert chosen(nginx, 3, "/?k=1") == "aaa"


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
            server 127.0.0.1:%%PORT_flaky%% max_fails=2 fail_timeout=4s;
            server 127.0.0.1:%%PORT_a%%;
        }
        """,
        servers=NAMED,
    )
    assert chosen(nginx, 8) == "a" * 8
    assert backend.accepted == 2
    deadline = time.monotonic() + DEADLINE
    while backend.accepted == 2:
        assert chosen(nginx, 1) == "a" and time.monotonic() < deadline
        time.sleep(0.05)
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
        proxy_read_timeout 1s;
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
        assert peer.closed()

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

    backend = nginx.backend("slow", slow)
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
        backend.wait_until_asked()
        nginx.exchange("> GET /\n< 502")
    with nginx.connect() as client:
        client.wire.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_until_asked(2)
        assert chosen(nginx, 3, "/a") == "aaa"


@pytest.mark.pyngx_only("a directive of NGINX Plus")
def test_state(nginx: Nginx) -> None:
    """The servers are those of a file."""
    nginx.write(
        "servers.conf",
        nginx.filled(
            "# kept\nserver 127.0.0.1:%%PORT_a%% weight=2;\nserver 127.0.0.1:%%PORT_b%% backup;\n"
        ),
    )
    group = "upstream u { zone u 64k; state servers.conf; } upstream none { state none.conf; }"
    nginx(
        "location / { proxy_pass http://u; } location /none { proxy_pass http://none; }",
        http=group,
        servers=NAMED,
    )
    assert chosen(nginx, 3) == "aaa"
    assert nginx.request("GET /none").status == 502
    assert "no live upstreams while connecting to upstream" in nginx.error_log()


@pytest.mark.pyngx_only("a directive of NGINX Plus")
def test_state_is_rejected(nginx: Nginx) -> None:
    one = "server 127.0.0.1:1;"
    for group, error in (
        (f"{one} state s;", '"state" directive is incompatible with "server"'),
        (f"state s; {one}", '"server" directive is incompatible with "state"'),
        ("state s; state s;", '"state" directive is duplicate'),
    ):
        nginx.rejects(http=f"upstream u {{ {group} }}", message=error)
    for line, error in (
        ("zone u 64k;", '"zone" directive is not allowed here'),
        ("server;", 'invalid number of arguments in "server" directive'),
        ("server 127.0.0.1:1 speed=9;", 'invalid parameter "speed=9"'),
    ):
        nginx.write("state.conf", f"server 127.0.0.1:1;\n{line}\n")
        told = nginx.refused(http="upstream u { state state.conf; }")
        assert f"[emerg] {error} in {nginx.prefix}/state.conf:2" in told
