"""Health checks of "stream": connections and datagrams, what is sent and expected."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from ..backend import Peer
from ..datagrams import datagrams
from ..nginx import Nginx
from ..wire import DEADLINE
from .test_stream_tls import FILES

pytestmark = pytest.mark.pyngx_only("health checks are a part of NGINX Plus")

CHECK = "health_check interval=50ms"
UNHEALTHY, HEALTHY = "peer is unhealthy while", "peer is healthy while"
ABOUT = ', health check "{match}" of peer {peer} in upstream "u"'
LISTEN = "listen 127.0.0.1:%%PORT_front%%; proxy_pass u;"


@dataclass
class Server:
    """Says its name, or something else to whoever sends "ping"."""

    name: str
    answer: bytes = b"pong\n"
    pings: int = 0
    seen: list[bytes] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        with suppress(OSError):
            data = peer.socket.recv(4096)
            self.seen.append(data)
            if data.startswith(b"ping"):
                self.pings += 1
                peer.send(self.answer)
            elif data:
                peer.send(self.name.encode())

    def wait(self, count: int = 1) -> None:
        """Until there were so many more checks."""
        wanted, deadline = self.pings + count, time.monotonic() + DEADLINE
        while self.pings < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def group(*names: str) -> str:
    lines = "".join(f"server 127.0.0.1:%%PORT_{name}%%; " for name in names)
    return f"upstream u {{ zone u 64k; {lines} }}"


def chosen(nginx: Nginx, count: int) -> str:
    return b"".join(nginx.raw(b"x", "front") for _ in range(count)).decode()


PING = 'match ping { send "ping"; expect pong; }'


def test_a_server_fails_and_recovers(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b")
    for one in (a, b):
        nginx.backend(one.name, one)
    nginx.stream(f"{PING} {group('a', 'b')} server {{ {LISTEN} {CHECK} match=ping; }}")
    a.wait()
    assert chosen(nginx, 4) == "abab"
    a.answer = b"sorry\n"
    line = nginx.wait_for_log(UNHEALTHY)
    about = ABOUT.format(match="ping", peer=f"127.0.0.1:{nginx.port('a')}")
    assert re.search(rf"\[warn\] [0-9#]+: {UNHEALTHY} checking data from upstream{about}$", line)
    assert chosen(nginx, 4) == "bbbb"
    a.answer = b"ponG pong"
    line = nginx.wait_for_log(HEALTHY)
    assert re.search(rf"\[notice\] [0-9#]+: {HEALTHY} checking data from upstream{about}$", line)
    assert set(chosen(nginx, 4)) == {"a", "b"}


def test_connections_that_are_refused(nginx: Nginx) -> None:
    """Without "match", a connection is all that is asked for."""
    b = Server("b")
    nginx.backend("b", b)
    nginx.stream(f"{group('gone', 'b')} server {{ {LISTEN} {CHECK}; }}")
    line = nginx.wait_for_log("Connection refused")
    about = ABOUT.format(match="", peer=f"127.0.0.1:{nginx.port('gone')}")
    assert "[error]" in line
    assert f"connect() failed (111: Connection refused) while connecting to upstream{about}" in line
    nginx.wait_for_log(f"{UNHEALTHY} connecting to upstream")
    assert chosen(nginx, 3) == "bbb"


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        ("~ ^p.ng$", b"pong"),
        ("~* PONG", b"- pong -"),
        (r'"\x00\xffx"', b"a\0\xffx"),
        (r"~ \xff$", b"\xff"),
    ],
)
def test_what_is_expected(nginx: Nginx, expect: str, answer: bytes) -> None:
    a = Server("a", answer=answer)
    nginx.backend("a", a)
    match = f"match m {{ send ping; expect {expect}; }}"
    check = "health_check interval=50ms mandatory match=m;"
    nginx.stream(f"{match} {group('a')} server {{ {LISTEN} {check} }}")
    nginx.wait_for_log(f"{HEALTHY} checking data from upstream")
    assert chosen(nginx, 1) == "a"
    a.answer = b"other"
    nginx.wait_for_log(f"{UNHEALTHY} checking data from upstream")
    assert chosen(nginx, 1) == ""
    nginx.wait_for_log("no live upstreams while connecting to upstream, client")


def test_what_is_sent(nginx: Nginx) -> None:
    a = Server("a")
    nginx.backend("a", a)
    match = r'match m { send "ping\x00\xff\r\n"; expect pong; }'
    nginx.stream(f"{match} {group('a')} server {{ {LISTEN} {CHECK} match=m; }}")
    a.wait()
    assert a.seen[0] == b"ping\0\xff\r\n"


def test_no_answer_in_time(nginx: Nginx) -> None:
    def silent(peer: Peer) -> None:
        peer.rest()

    nginx.backend("a", silent)
    nginx.stream(f"""
        {PING} {group("a")}
        health_check_timeout 100ms;
        server {{ {LISTEN} health_check match=ping; }}
        """)
    line = nginx.wait_for_log("upstream timed out")
    assert "upstream timed out (110: Connection timed out) while reading data from upstream, " in (
        line
    )
    nginx.wait_for_log(f"{UNHEALTHY} reading data from upstream")


def test_no_more_is_looked_at_than_the_buffer_holds(nginx: Nginx) -> None:
    a = Server("a", answer=b"x" * 1024 + b"pong")
    nginx.backend("a", a)
    nginx.stream(f"""
        {PING} {group("a")}
        server {{ {LISTEN} proxy_buffer_size 1k; {CHECK} match=ping; }}
        """)
    nginx.wait_for_log(f"{UNHEALTHY} checking data from upstream")


def test_another_port(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b")
    for one in (a, b):
        nginx.backend(one.name, one)
    nginx.stream(f"{PING} {group('a')} server {{ {LISTEN} {CHECK} match=ping port=%%PORT_b%%; }}")
    b.wait()
    assert a.pings == 0 and chosen(nginx, 1) == "a"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("one.example", f"{HEALTHY} checking data from upstream"),
        ("two.example", f"{UNHEALTHY} SSL handshaking to upstream"),
    ],
)
def test_over_tls(nginx: Nginx, name: str, outcome: str) -> None:
    """As "proxy_ssl" says: the name is verified as well."""
    nginx.stream(
        f"""
        {PING} {group("tls")}
        server {{
            {LISTEN} proxy_ssl on; proxy_ssl_verify on; proxy_ssl_name {name};
            proxy_ssl_trusted_certificate root.pem; {CHECK} match=ping mandatory;
        }}
        server {{
            listen 127.0.0.1:%%PORT_tls%% ssl; return pong;
            ssl_certificate one.pem; ssl_certificate_key one.key;
        }}
        """,
        files=FILES,
    )
    nginx.wait_for_log(outcome)


def test_the_proxy_header_names_no_client(nginx: Nginx) -> None:
    a = Server("a")
    nginx.backend("a", a)
    nginx.stream(f"{group('a')} server {{ {LISTEN} proxy_protocol on; {CHECK}; }}")
    deadline = time.monotonic() + DEADLINE
    while b"PROXY UNKNOWN\r\n" not in a.seen:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_datagrams(nginx: Nginx) -> None:
    """A server passes unless it cannot be reached; an answer need not come."""
    with datagrams(nginx.port("udp"), lambda data: ()) as upstream:
        nginx.stream(f"""
            {group("udp", "gone")}
            health_check_timeout 200ms;
            server {{
                listen 127.0.0.1:%%PORT_front%% udp; proxy_pass u; {CHECK} udp mandatory;
            }}
            """)
        line = nginx.wait_for_log(f"{HEALTHY} reading data from upstream")
        assert ABOUT.format(match="", peer=f"127.0.0.1:{nginx.port('udp')}") in line
        line = nginx.wait_for_log(UNHEALTHY)
        assert ABOUT.format(match="", peer=f"127.0.0.1:{nginx.port('gone')}") in line
        assert upstream.wait_for(1)[0] == b"nginx health check"


def test_datagrams_that_are_expected(nginx: Nginx) -> None:
    with datagrams(nginx.port("udp"), lambda data: [b"sorry", b"pong"]) as upstream:
        nginx.stream(f"""
            match m {{ send "who?"; expect ~ ^sorrypong$; }}
            {group("udp")}
            server {{
                listen 127.0.0.1:%%PORT_front%% udp; proxy_pass u;
                {CHECK} udp match=m mandatory;
            }}
            """)
        nginx.wait_for_log(f"{HEALTHY} checking data from upstream")
        upstream.answer = lambda data: ()
        assert upstream.wait_for(1)[0] == b"who?"


def test_mandatory_checks_after_a_reload(nginx: Nginx) -> None:
    a = Server("a")
    nginx.backend("a", a)
    text = f"{PING} {group('a')} server {{ {LISTEN} {CHECK} match=ping mandatory persistent; }}"
    nginx.stream(text)
    nginx.wait_for_log(HEALTHY)
    assert chosen(nginx, 1) == "a"
    nginx.reload(main=f"stream {{ {text} }}")
    assert chosen(nginx, 1) == "a"
    assert nginx.error_log().count(HEALTHY) == 1


def test_rejected(nginx: Nginx) -> None:
    def refused(line: str, outside: str = "") -> str:
        server = f"server {{ listen 127.0.0.1:%%PORT_front%%; {line} }}"
        return nginx.refused(main=f"stream {{ {outside} {server} }}")

    zone = group("a")
    for line, outside, why in (
        ("return x; health_check;", "", '"health_check" requires "proxy_pass" beside it'),
        (
            "proxy_pass u; health_check;",
            "upstream u { server 127.0.0.1:1; }",
            '"health_check" requires a "zone" in upstream "u"',
        ),
        ("proxy_pass u; health_check match=m;", zone, 'unknown match "m"'),
        ("proxy_pass u; health_check uri=/;", zone, 'invalid parameter "uri=/"'),
        ("proxy_pass u; health_check type=grpc;", zone, 'invalid parameter "type=grpc"'),
        (
            "proxy_pass u; health_check persistent;",
            zone,
            'the "persistent" parameter requires "mandatory"',
        ),
        ("return x;", "match m { status 200; }", 'unknown directive "status"'),
        ("return x;", "match m { send a; send b; }", '"send" directive is duplicate'),
        ("return x;", "match m { expect ! x; }", 'invalid parameter "!"'),
        ("return x;", "match m { send; }", 'invalid number of arguments in "send" directive'),
        ("return x;", "match m { } match m { }", 'duplicate match "m"'),
    ):
        assert why in refused(line, outside), line
