"""The reader of a client's hello: what it finds, and that it always comes to an end."""

from __future__ import annotations

import ssl
import struct
from dataclasses import replace

import pytest

from pyngx_jwt.tls.hello import TLS_1_3, Hello, HelloReader


def record(data: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHH", kind, 0x0301, len(data)) + data


def message(body: bytes, kind: int = 1) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack("!HH", kind, len(data)) + data


def server_name(name: bytes, kind: int = 0) -> bytes:
    entry = struct.pack("!BH", kind, len(name)) + name
    return extension(0, struct.pack("!H", len(entry)) + entry)


def body(extensions: bytes) -> bytes:
    start = b"\x03\x03" + b"r" * 32 + b"\x02id" + b"\x00\x02\x13\x01" + b"\x01\x00"
    return start + struct.pack("!H", len(extensions)) + extensions


ALPN = extension(16, b"\x00\x0c\x02h2\x08http/1.1")
GOOD = record(message(body(ALPN + server_name(b"a.example"))))
FOUND = Hello("a.example", (b"h2", b"http/1.1"), 0x0303)


def read(data: bytes) -> Hello | None:
    return HelloReader().feed(data)


def test_hello_of_openssl() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    assert read(outgoing.read()) == replace(FOUND, version=TLS_1_3)


def test_every_beginning_waits_for_more() -> None:
    for end in range(len(GOOD)):
        assert read(GOOD[:end]) is None, end
    assert read(GOOD) == FOUND


@pytest.mark.parametrize("step", [1, 3, 4, 50])
def test_in_records_of_any_size(step: int) -> None:
    whole = GOOD[5:]
    reader, found = HelloReader(), None
    for at in range(0, len(whole), step):
        assert found is None
        found = reader.feed(record(whole[at : at + step]))
    assert found == FOUND


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # SSLv2
        record(b"x", kind=21),
        b"\x16\x02\x01\x00\x04",  # no version of TLS
        record(b""),
        b"\x16\x03\x01\x40\x01",  # a record that is too long
        record(b"\x01\x00\x40\x01"),  # a hello that is too long
        record(message(b"", kind=2)),
        record(message(b"")),
        record(message(body(ALPN)[:-1])),
        record(message(body(server_name(b"a", kind=1)))),
        record(message(body(server_name(b"a" * 256)))),
        record(message(body(extension(0, b"\x00\x09\x00\x00\x02a")))),
        record(message(body(extension(16, b"\x00\x03\x03h2")))),
    ],
)
def test_no_hello(data: bytes) -> None:
    """Is an empty one at once: OpenSSL says what is wrong."""
    assert read(data) == Hello()


def test_without_extensions() -> None:
    assert read(record(message(body(b"")))) == Hello(version=0x0303)
    assert read(record(message(body(b"")[:-2]))) == Hello(version=0x0303)


def test_endless_records_are_not_kept() -> None:
    """A message is no longer than it says; the rest is not looked at."""
    start = record(message(b"\0" * 16384)[:100])
    reader = HelloReader()
    assert reader.feed(start) is None
    fed = 0
    while reader.feed(record(b"\0")) is None:
        fed += 1
        assert fed <= 16388
