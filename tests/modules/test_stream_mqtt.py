"""MQTT in "stream": who clients say they are, and what is set in the place of it."""

from __future__ import annotations

import pytest

from pyngx_jwt.stream.mqtt import Connect, Incomplete, NotMqtt, length_of, read_connect

from ..nginx import Nginx
from .test_stream_proxy import connected, hear

pyngx_only = pytest.mark.pyngx_only("MQTT is a part of NGINX Plus")
LISTEN = "listen 127.0.0.1:%%PORT_a%%;"
WILL = b"\0\4last\0\5words"
WILL_5 = b"\2\x18\x01" + WILL
KEEP_ALIVE = b"\0\x3c"
MINIMAL = Connect(4, 2, KEEP_ALIVE, b"", "me")
FULL = Connect(4, 6, KEEP_ALIVE, b"", "me", WILL, "user", "secret")
LATEST = Connect(5, 6, KEEP_ALIVE, b"\5\x11\0\0\0\x0a", "me", WILL_5, "user", "secret")
PACKET = b"\x10\x0e\0\4MQTT\4\2\0\x3c\0\2me"  # MINIMAL by hand


# -- packets -------------------------------------------------------------------------------------


def test_packets_by_hand() -> None:
    assert MINIMAL.encode() == PACKET
    assert read_connect(PACKET) == MINIMAL
    found = read_connect(b"\x10\x1c\0\4MQTT\5\xc2\0\0\5\x11\0\0\0\x0a\0\2me\0\1u\0\3pwd")
    assert (found.version, found.clientid, found.username, found.password) == (5, "me", "u", "pwd")


@pytest.mark.parametrize("packet", [MINIMAL, FULL, LATEST], ids=["minimal", "full", "latest"])
def test_packets_come_in_pieces(packet: Connect) -> None:
    data = packet.encode()
    for length in range(len(data)):
        with pytest.raises(Incomplete):
            read_connect(data[:length])
    found = read_connect(data + b"more")
    assert found.encode() == data and found.username == packet.username
    assert length_of(data[:5]) == len(data)


def test_a_long_packet() -> None:
    packet = Connect(4, 2, KEEP_ALIVE, b"", "x" * 60_000, b"", "y" * 60_000)
    data = packet.encode()
    assert len(data) == length_of(data) and read_connect(data).username == "y" * 60_000
    with pytest.raises(ValueError, match="too long"):
        Connect(4, 2, KEEP_ALIVE, b"", "x" * 70_000).encode()


def test_a_password_needs_a_user_in_old_versions() -> None:
    packet = Connect(4, 2, KEEP_ALIVE, b"", "me", b"", None, "secret")
    assert read_connect(packet.encode()).username == ""
    packet.version, packet.properties = 5, b"\0"
    assert read_connect(packet.encode()).username is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x20\x02\0\0",  # CONNACK
        b"\x10\xff\xff\xff\xff\x01",  # a length that does not end
        PACKET.replace(b"MQTT", b"MQTX"),
        PACKET.replace(b"\4\2\0", b"\3\2\0"),
        PACKET.replace(b"\4\2\0", b"\4\3\0"),  # a flag that is reserved
        PACKET.replace(b"\x10\x0e", b"\x10\x0d"),  # ends in the identifier
        PACKET.replace(b"\x10\x0e", b"\x10\x0f") + b"x",  # and here after it
        b"\x10\x00",
    ],
)
def test_other_data(data: bytes) -> None:
    with pytest.raises(NotMqtt):
        read_connect(data)


# -- preread -------------------------------------------------------------------------------------


@pyngx_only
def test_variables(nginx: Nginx) -> None:
    nginx.stream(f"""
        mqtt_preread on;
        server {{ {LISTEN} return "<$mqtt_preread_clientid> <$mqtt_preread_username>"; }}
        """)
    for packet, answer in (
        (FULL.encode(), b"<me> <user>"),
        (LATEST.encode(), b"<me> <user>"),
        (PACKET, b"<me> <>"),
        (b"GET / HTTP/1.0\r\n\r\n", b"<> <>"),
    ):
        with connected(nginx) as wire:
            for at in range(len(packet)):
                wire.send(packet[at : at + 1])
            assert wire.rest() == answer


@pyngx_only
def test_a_server_by_client(nginx: Nginx) -> None:
    """What was read is passed on."""
    backend = nginx.backend("b", hear)
    nginx.stream(f"""
        map $mqtt_preread_clientid $to {{ me 127.0.0.1:%%PORT_b%%; default 127.0.0.1:1; }}
        server {{ {LISTEN} mqtt_preread on; proxy_pass $to; }}
        """)
    with connected(nginx) as wire:
        wire.send(PACKET + b"and more")
    assert backend.connections(1) == [(PACKET + b"and more").decode("latin-1")]


# -- changes -------------------------------------------------------------------------------------


def through(nginx: Nginx, sent: bytes, *lines: str) -> bytes:
    """What an upstream gets."""
    backend = nginx.backend("b", hear)
    nginx.stream(f"""
        mqtt on;
        log_format line $status;
        server {{ {LISTEN} proxy_pass 127.0.0.1:%%PORT_b%%; {" ".join(lines)} }}
        """)
    with connected(nginx) as wire:
        wire.send(sent)
    return backend.connections(1)[0].encode("latin-1")


@pyngx_only
def test_fields_are_set(nginx: Nginx) -> None:
    got = through(
        nginx,
        LATEST.encode() + b"rest",
        'mqtt_set_connect clientid "$remote_addr-x";',
        "mqtt_set_connect username boss;",
        'mqtt_set_connect password "";',
    )
    found = read_connect(got)
    assert (found.clientid, found.username, found.password) == ("127.0.0.1-x", "boss", "")
    assert (found.will, found.properties, found.flags & 6) == (WILL_5, LATEST.properties, 6)
    assert got.endswith(b"rest")


@pyngx_only
def test_fields_are_added(nginx: Nginx) -> None:
    found = read_connect(through(nginx, PACKET, "mqtt_set_connect username boss;"))
    assert (found.clientid, found.username, found.password) == ("me", "boss", None)


@pyngx_only
def test_a_packet_that_is_longer_than_what_is_read_at_a_time(nginx: Nginx) -> None:
    packet = Connect(4, 2, KEEP_ALIVE, b"", "x" * 50_000).encode()
    assert through(nginx, packet + b"rest") == packet + b"rest"


@pyngx_only
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "client sent no MQTT CONNECT packet"),
        (PACKET.replace(b"MQTT", b"MQTX"), "client sent invalid MQTT CONNECT packet"),
        (b"\x10\xff\x7f", "MQTT CONNECT packet is too large: 16386 bytes"),
    ],
)
def test_other_clients_are_refused(nginx: Nginx, sent: bytes, why: str) -> None:
    got = through(nginx, sent, "mqtt_buffers 4 1k; access_log logs/access.log line;")
    assert got == b""
    line = nginx.wait_for_log(why)
    assert "[error]" in line and "while reading MQTT CONNECT packet, client: 127.0.0.1" in line
    assert nginx.access_log(1) == ["400"]


@pyngx_only
def test_rejected(nginx: Nginx) -> None:
    def refused(line: str) -> str:
        return nginx.refused(main=f"stream {{ server {{ {LISTEN} return x; {line} }} }}")

    assert 'unknown field "name"' in refused("mqtt_set_connect name x;")
    twice = "mqtt_set_connect username x; mqtt_set_connect username y;"
    assert 'field "username" is duplicate' in refused(twice)
    assert 'unknown "none" variable' in refused("mqtt_set_connect username $none;")
    assert 'invalid value "maybe" in "mqtt" directive' in refused("mqtt maybe;")
    assert '"mqtt_buffers" directive invalid value' in refused("mqtt_buffers 0 1k;")
