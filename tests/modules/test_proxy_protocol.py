"""The PROXY protocol header that a listening address asks for."""

from __future__ import annotations

import socket
import struct

import pytest

from ..nginx import Nginx

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
TOLD = (
    'return 200 "$proxy_protocol_addr $proxy_protocol_port '
    '$proxy_protocol_server_addr $proxy_protocol_server_port $remote_addr";'
)
LISTEN = "127.0.0.1:%%PORT%% proxy_protocol"


def version_2(
    family: socket.AddressFamily = socket.AF_INET, *, command: int = 0x21, tlvs: bytes = b""
) -> bytes:
    source, destination = (
        ("192.0.2.1", "192.0.2.2") if family == socket.AF_INET else ("2001:db8::1", "2001:db8::2")
    )
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    body += struct.pack("!HH", 56324, 443) + tlvs
    kind = 0x11 if family == socket.AF_INET else 0x21
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def tlv(number: int, value: bytes) -> bytes:
    return struct.pack("!BH", number, len(value)) + value


@pytest.mark.parametrize(
    "header, told",
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\r\n", b"192.0.2.1 123 192.0.2.2 5678"),
        (b"PROXY TCP6 2001:DB8::1 ::2 0 65535\r\n", b"2001:DB8::1  ::2 65535"),
        (b"PROXY TCP4 any.ff 1 1 2\r\n", None),
        (b"PROXY TCP4 a.ff 1 1 2\r\n", b"a.ff 1 1 2"),
        (b"PROXY UNKNOWN\r\n", b"   "),
        (b"PROXY UNKNOWN 1 2 3 4\r\n", b"   "),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 123 65536\r\n", None),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 123\r\n", None),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 123 5678\r\n", None),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\n", None),
        (version_2(), b"192.0.2.1 56324 192.0.2.2 443"),
        (version_2(socket.AF_INET6), b"2001:db8::1 56324 2001:db8::2 443"),
        (version_2(command=0x20), b"   "),
        (version_2(command=0x31), None),
        (version_2()[:-1], None),
    ],
)
def test_header(nginx: Nginx, header: bytes, told: bytes | None) -> None:
    nginx(TOLD, listen=LISTEN)
    answer = nginx.raw(header + (REQUEST if told is not None else b""))
    if told is None:
        assert answer == b""
    else:
        assert answer.endswith(b"\r\n\r\n" + told + b" 127.0.0.1")


def test_request_after_the_header(nginx: Nginx) -> None:
    """In a packet of its own, and others on the same connection."""
    nginx(TOLD, listen=LISTEN)
    with nginx.connect() as client:
        client.wire.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
        assert client.wire.silent(0.05)
        for _ in range(2):
            answer = client.request("GET /")
            assert answer and answer.text == "192.0.2.1 1 192.0.2.2 2 127.0.0.1"


def test_broken_header_is_logged(nginx: Nginx) -> None:
    nginx(TOLD, listen=LISTEN)
    assert nginx.raw(REQUEST) == b""
    nginx.wait_for_log(
        r'\[error\] .*\*\d+ broken header: "GET / HTTP/1\.0" while reading PROXY protocol, '
        r"client: 127\.0\.0\.1, server: 127\.0\.0\.1:\d+$"
    )


def test_address_by_realip(nginx: Nginx) -> None:
    nginx(
        'set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol; return 200 "$remote_addr";',
        listen=LISTEN,
    )
    answer = nginx.raw(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + REQUEST)
    assert answer.endswith(b"\r\n\r\n192.0.2.1")


def test_tlvs(nginx: Nginx) -> None:
    names = ("alpn", "authority", "netns", "0x3", "0x00ae", "ssl_verify", "ssl_cn", "ssl_0x22")
    values = "|".join(f"$proxy_protocol_tlv_{name}" for name in names)
    nginx(f'return 200 "{values}|";', listen=LISTEN)
    ssl = struct.pack("!BI", 1, 255) + tlv(0x22, b"example.com")
    tlvs = tlv(1, b"h2") + tlv(0x20, ssl) + tlv(3, b"4321") + tlv(0xAE, b"custom")
    answer = nginx.raw(version_2(tlvs=tlvs) + REQUEST)
    told = b"h2|||4321|custom|255|example.com|example.com|"
    assert answer.endswith(b"\r\n\r\n" + told)


def test_unknown_tlv(nginx: Nginx) -> None:
    nginx('return 200 "[$proxy_protocol_tlv_none]";', listen=LISTEN)
    assert nginx.raw(version_2() + REQUEST).endswith(b"\r\n\r\n[]")
    nginx.wait_for_log(r'\[error\].*unknown PROXY protocol TLV "none"')


def test_other_addresses_of_the_port(nginx: Nginx) -> None:
    """A wildcard's socket serves an address that wants the header beside others that do not."""
    nginx(
        'return 200 "plain";',
        listen="%%PORT%%",
        servers=[f"listen 127.0.0.2:%%PORT%% proxy_protocol; {TOLD}"],
    )
    assert nginx.raw(REQUEST).endswith(b"\r\n\r\nplain")
    with socket.create_connection(("127.0.0.2", nginx.port())) as client:
        client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + REQUEST)
        received = b""
        while data := client.recv(4096):
            received += data
    assert received.endswith(b"\r\n\r\n192.0.2.1 1 192.0.2.2 2 127.0.0.1")


def test_header_that_never_comes(nginx: Nginx) -> None:
    nginx("client_header_timeout 100ms;", listen=LISTEN)
    assert nginx.raw(b"") == b""
    nginx.wait_for_log(
        r"\[info\] .*\*1 client timed out \(110: \w+ timed out\) while reading PROXY protocol, "
        r"client: 127\.0\.0\.1, server: 127\.0\.0\.1:\d+$"
    )
