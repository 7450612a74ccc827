"""What a client says first in TLS: which server it wants, and which protocols (RFC 8446, 4.1.2).

Only OpenSSL decides whether a hello is good. What this reader cannot follow is an empty hello,
and the handshake with the default server says what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_LENGTH = 16384  # of a record, and of the hello that OpenSSL takes
HANDSHAKE, CLIENT_HELLO, MAJOR = 22, 1, 3
SERVER_NAME, ALPN, SUPPORTED_VERSIONS, HOST_NAME = 0, 16, 43, 0
TLS_1_3 = 0x0304
MAX_NAME = 255  # of a host (TLSEXT_MAXLEN_host_name)


@dataclass(frozen=True, slots=True)
class Hello:
    """The host is "" if none is named; the version 0 if it is no hello that can be followed;
    extensions are in the client's order, by their numbers."""

    host: str = ""
    protocols: tuple[bytes, ...] = ()
    version: int = 0
    ciphers: bytes = field(default=b"", compare=False)
    extensions: dict[int, bytes] = field(default_factory=dict, compare=False)


class HelloReader:
    """Puts the hello together from the records in which it comes; neither may have more than
    `most` bytes."""

    def __init__(self, most: int = MAX_LENGTH) -> None:
        self._records, self._message, self._most = bytearray(), bytearray(), most

    def feed(self, data: bytes) -> Hello | None:
        """The hello when it is whole, None before."""
        records, message = self._records, self._message
        records += data
        while records:
            if records[0] != HANDSHAKE:  # SSLv2, or anything
                return Hello()
            if len(records) < 5:
                return None
            length = int.from_bytes(records[3:5])
            if records[1] != MAJOR or not 0 < length <= self._most:
                return Hello()
            if len(records) < 5 + length:
                return None
            message += records[5 : 5 + length]
            del records[: 5 + length]
            if (hello := _whole(message, self._most)) is not None:
                return hello
        return None


def _whole(message: bytearray, most: int) -> Hello | None:
    if len(message) < 4:
        return None
    length = int.from_bytes(message[1:4])
    if message[0] != CLIENT_HELLO or length > most:
        return Hello()
    if len(message) < 4 + length:
        return None
    try:
        return _read(_Bytes(bytes(message[4 : 4 + length])))
    except ValueError:
        return Hello()


class _Bytes:
    """Takes a structure apart from its beginning; ValueError where it is too short."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        start = self.at
        self.at = end = start + length
        if end > len(self.data):
            raise ValueError
        return self.data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A vector whose length is a number of `size` bytes."""
        return self.take(self.number(size))


def _read(hello: _Bytes) -> Hello:
    version = hello.number(2)
    hello.take(32)  # random
    hello.vector(1)  # session
    ciphers = hello.vector(2)
    hello.vector(1)  # compression
    host, protocols, found = "", tuple[bytes, ...](), dict[int, bytes]()
    extensions = _Bytes(hello.vector(2) if hello.left else b"")
    while extensions.left:
        kind, length = _extension(extensions)
        if kind == SUPPORTED_VERSIONS:  # its own length tells enough, as for nginx
            versions = extensions.vector(1)
            found[kind] = bytes([len(versions)]) + versions
            version = TLS_1_3
            continue
        data = extensions.take(length)
        found[kind] = data
        if kind == SERVER_NAME:
            host = _host(_Bytes(_Bytes(data).vector(2)))
        elif kind == ALPN:
            protocols = _protocols(_Bytes(_Bytes(data).vector(2)))
    return Hello(host, protocols, version, ciphers, found)


def _extension(extensions: _Bytes) -> tuple[int, int]:
    """Kind and length of the extension that comes next; there are a dozen of them."""
    head = extensions.take(4)
    return head[0] << 8 | head[1], head[2] << 8 | head[3]


def _host(names: _Bytes) -> str:
    if names.number(1) != HOST_NAME:
        raise ValueError
    host = names.vector(2)
    if names.left or len(host) > MAX_NAME:
        raise ValueError
    return host.decode("latin-1")


def _protocols(names: _Bytes) -> tuple[bytes, ...]:
    protocols = []
    while names.left:
        protocols.append(names.vector(1))
    return tuple(protocols)
