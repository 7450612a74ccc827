"""Who may connect to servers of "stream": addresses, limits, and what proxies say of clients."""

from __future__ import annotations

import socket
import struct

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

LOCAL = "listen 127.0.0.1:%%PORT_a%%;"
LOG = "log_format line '$status'; access_log logs/access.log line;"
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 5678\r\n"
HEADER_6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 1234 5678\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ("allow 127.0.0.1; deny all;", "200"),
        ("deny 127.0.0.0/8;", "403"),
        ("deny 127.0.0.2; allow 127.0.0.0/8; deny all;", "200"),
        ("allow ::1; deny all;", "403"),
        ("deny unix:;", "200"),
    ],
)
def test_addresses(nginx: Nginx, rules: str, status: str) -> None:
    nginx.stream(f"{LOG} server {{ {LOCAL} {rules} return x; }}")
    assert nginx.raw(b"", "a") == (b"x" if status == "200" else b"")
    assert nginx.access_log(1) == [status]
    if status == "403":
        nginx.wait_for_log(r"\[error\] .* access forbidden by rule while initializing session, ")


def test_rules_are_inherited(nginx: Nginx) -> None:
    nginx.stream(f"""
        deny all;
        server {{ {LOCAL} return x; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; allow all; return y; }}
        """)
    assert nginx.raw(b"", "a") == b""
    assert nginx.raw(b"", "b") == b"y"


def echo(peer: Peer) -> None:
    while data := peer.socket.recv(100):
        peer.send(data)


@pytest.mark.parametrize("dry", [False, True])
def test_limit_of_connections(nginx: Nginx, dry: bool) -> None:
    nginx.backend("b", echo)
    switch = "limit_conn_dry_run on;" if dry else ""
    nginx.stream(f"""
        log_format line '$status $limit_conn_status'; access_log logs/access.log line;
        limit_conn_zone $binary_remote_addr zone=z:1m;
        limit_conn_log_level notice;
        server {{ {LOCAL} limit_conn z 1; {switch} proxy_pass 127.0.0.1:%%PORT_b%%; }}
        """)
    with nginx.connect("a") as first:
        first.wire.send(b"x")
        assert first.wire.exactly(1) == b"x"
        with nginx.connect("a") as second:
            if dry:
                second.wire.send(b"y")
                assert second.wire.exactly(1) == b"y"
            else:
                assert second.wire.closed()
        doing = "limiting connections, dry run, by" if dry else "limiting connections by"
        nginx.wait_for_log(rf'\[notice\] .* {doing} zone "z" while initializing session, client')
        nginx.access_log(1)
    told = "200 REJECTED_DRY_RUN" if dry else "503 REJECTED"
    assert sorted(nginx.access_log(2)) == sorted([told, "200 PASSED"])
    with nginx.connect("a") as third:
        third.wire.send(b"z")
        assert third.wire.exactly(1) == b"z"


def test_a_zone_belongs_to_one_server(nginx: Nginx) -> None:
    """Of "http" and "stream" each has its own."""
    found = nginx.refused(
        http="limit_conn_zone $uri zone=z:1m;",
        main="stream { limit_conn_zone $remote_addr zone=z:1m; }",
    )
    assert 'shared memory zone "z" is already declared for a different use' in found


# -- what proxies say ------------------------------------------------------------------------

TEXT = '"$remote_addr $remote_port $proxy_protocol_addr $realip_remote_addr"'


@pytest.mark.parametrize(
    ("trusted", "header", "expected"),
    [
        ("127.0.0.1", HEADER, b"192.0.2.1 1234 192.0.2.1 127.0.0.1"),
        ("127.0.0.0/8", HEADER_6, b"2001:db8::1 1234 2001:db8::1 127.0.0.1"),
        ("192.0.2.0/24", HEADER, None),
        ("127.0.0.1", b"PROXY UNKNOWN\r\n", None),
    ],
)
def test_address_of_the_client(
    nginx: Nginx, trusted: str, header: bytes, expected: bytes | None
) -> None:
    nginx.stream(f"""
        server {{ listen 127.0.0.1:%%PORT_a%% proxy_protocol; set_real_ip_from {trusted};
                  return {TEXT}; }}
        """)
    found = nginx.raw(header, "a")
    if expected is not None:
        assert found == expected
    else:
        assert found.startswith(b"127.0.0.1 ") and found.endswith(b" 127.0.0.1")


def test_access_by_the_reported_address(nginx: Nginx) -> None:
    nginx.stream("""
        set_real_ip_from 127.0.0.1;
        geo $country { default other; 192.0.2.0/24 home; }
        geo $remote_addr $same { ranges; 192.0.2.0-192.0.2.255 home; }
        server { listen 127.0.0.1:%%PORT_a%% proxy_protocol; allow 192.0.2.1; deny all;
                 return "$country $same"; }
        """)
    assert nginx.raw(HEADER, "a") == b"home home"
    assert nginx.raw(HEADER_6, "a") == b""


def version_2(body: bytes, family: int = 0x11) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(body)) + body


def test_header_of_version_2(nginx: Nginx) -> None:
    nginx.stream("""
        server { listen 127.0.0.1:%%PORT_a%% proxy_protocol;
                 return "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_tlv_authority"; }
        """)
    body = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + struct.pack("!HH", 7, 8)
    assert nginx.raw(version_2(body + b"\x02\0\x04name"), "a") == b"192.0.2.7 7 name"
    assert nginx.raw(version_2(b"", 0), "a") == b"  "


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 567890\r\n",
        b"PROXY",
        SIGNATURE + b"\x31\x11\0\0",
        version_2(b"abc"),
        SIGNATURE + b"\x21\x11\xff\xffabc",
        b"\0" * 5000,
        bytes(range(256)) * 16,
    ],
)
def test_no_header(nginx: Nginx, data: bytes) -> None:
    nginx.stream(f"""
        {LOG}
        server {{ listen 127.0.0.1:%%PORT_a%% proxy_protocol; return x; }}
        """)
    assert nginx.raw(data, "a") == b""
    assert nginx.access_log(1) == ["400"]


def test_no_header_in_time(nginx: Nginx) -> None:
    nginx.stream(f"""
        {LOG}
        server {{ listen 127.0.0.1:%%PORT_a%% proxy_protocol; proxy_protocol_timeout 300ms;
                  return x; }}
        """)
    with socket.create_connection(("127.0.0.1", nginx.port("a")), DEADLINE) as client:
        assert client.recv(1) == b""
    nginx.wait_for_log(r"client timed out .* while reading PROXY protocol, client: 127")
    assert nginx.access_log(1) == ["200"]


def test_the_header_is_not_passed_on(nginx: Nginx) -> None:
    """And what came with it is."""
    nginx.backend("b", echo)
    nginx.stream("""
        tcp_nodelay off;
        server { listen 127.0.0.1:%%PORT_a%% proxy_protocol; proxy_pass 127.0.0.1:%%PORT_b%%; }
        """)
    with nginx.connect("a") as conversation:
        conversation.wire.send(HEADER + b"payload")
        assert conversation.wire.exactly(7) == b"payload"


# -- conditions ------------------------------------------------------------------------------


def test_split_clients(nginx: Nginx) -> None:
    nginx.stream(f"""
        split_clients $remote_addr $part {{ 100% all; }}
        server {{ {LOCAL} return $part; }}
        """)
    assert nginx.raw(b"", "a") == b"all"


@pytest.mark.pyngx_only("NGINX Plus has them")
def test_keyval_and_num_map(nginx: Nginx) -> None:
    nginx.write("state", '{"127.0.0.1": "known"}')
    nginx.stream(f"""
        keyval_zone zone=k:1m state=state;
        keyval $remote_addr $who zone=k;
        num_map $server_port $range {{ 1-65535 valid; }}
        server {{ {LOCAL} return "$who $range"; }}
        """)
    assert nginx.raw(b"", "a") == b"known valid"


def test_unix_sockets(nginx: Nginx) -> None:
    nginx.stream(f"""
        server {{ listen unix:%%DIR%%/s; deny unix:; return x; }}
        server {{ listen unix:%%DIR%%/t; return "$remote_addr $server_addr"; }}
        server {{ {LOCAL} proxy_pass unix:%%DIR%%/s; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; proxy_pass unix:%%DIR%%/t; }}
        """)
    assert nginx.raw(b"", "a") == b""
    assert nginx.raw(b"", "b") == f"unix: unix:{nginx.prefix}/t".encode()


# -- by name ---------------------------------------------------------------------------------


def test_default_server(nginx: Nginx) -> None:
    nginx.stream(f"""
        server {{ {LOCAL} server_name one; return one; }}
        server {{ listen 127.0.0.1:%%PORT_a%% default_server; server_name two; return two; }}
        """)
    assert nginx.raw(b"", "a") == b"two"


def test_names_that_conflict(nginx: Nginx) -> None:
    found = nginx.accepts(
        main="""stream {
        server { listen 127.0.0.1:1; server_name a; return x; }
        server { listen 127.0.0.1:1; server_name a; return y; }
    }"""
    )
    assert 'conflicting server name "a" on 127.0.0.1:1, ignored' in found
