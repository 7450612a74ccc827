"""The CONNECT packet of MQTT 3.1.1 and 5.0, with which every client begins.

Sources: MQTT 3.1.1 and 5.0, 3.1.  Text is latin-1, one character for each byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CONNECT = 0x10
VERSION_3, VERSION_5 = 4, 5
RESERVED, WILL, PASSWORD, USERNAME = 0x01, 0x04, 0x40, 0x80  # flags
LONGEST_STRING = 65535
MOST = 1 << 28  # bytes, of which no packet can have more
_PROTOCOL = b"\0\4MQTT"


class NotMqtt(Exception):
    """It does not begin with a CONNECT packet of a known version."""


class Incomplete(Exception):
    """What was asked for has not come yet."""


@dataclass(slots=True)
class Connect:
    """What a client says of itself; what is not there is None."""

    version: int
    flags: int
    keep_alive: bytes
    properties: bytes  # with their length, of version 5.0
    clientid: str
    will: bytes = b""  # its properties, topic and payload, as they are
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """The packet.  Raises ValueError if it would be too long."""
        flags, username = self.flags & ~(USERNAME | PASSWORD), self.username
        if username is None and self.password is not None and self.version == VERSION_3:
            username = ""  # without which there may be no password
        ends = b""
        for flag, text in ((USERNAME, username), (PASSWORD, self.password)):
            if text is not None:
                flags |= flag
                ends += _string(text)
        head = _PROTOCOL + bytes((self.version, flags)) + self.keep_alive + self.properties
        body = head + _string(self.clientid) + self.will + ends
        return bytes((CONNECT,)) + _number(len(body)) + body


def length_of(data: bytes) -> int:
    """How long the CONNECT packet is that the data begin with.  Raises NotMqtt and Incomplete."""
    reader = _Reader(data)
    if reader.byte() != CONNECT:
        raise NotMqtt
    length = reader.number()
    return reader.at + length


def read_connect(data: bytes, *, to_password: bool = True) -> Connect:
    """The packet that the data begin with, whose end may be missing unless it is wanted.

    Raises NotMqtt and Incomplete."""
    end = length_of(data)
    reader = _Reader(data, end)
    reader.byte()
    reader.number()  # which are known
    if reader.take(len(_PROTOCOL)) != _PROTOCOL:
        raise NotMqtt
    version, flags = reader.byte(), reader.byte()
    if version not in (VERSION_3, VERSION_5) or flags & RESERVED:
        raise NotMqtt
    keep_alive = reader.take(2)
    properties = reader.properties() if version == VERSION_5 else b""
    connect = Connect(version, flags, keep_alive, properties, reader.string())
    if flags & WILL:
        begin = reader.at
        if version == VERSION_5:
            reader.properties()
        reader.string()
        reader.string()
        connect.will = data[begin : reader.at]
    if flags & USERNAME:
        connect.username = reader.string()
    if to_password:
        if flags & PASSWORD:
            connect.password = reader.string()
        if reader.at != end:
            raise NotMqtt
    return connect


class _Reader:
    """Reads a packet that ends at `end`, which may not have come."""

    def __init__(self, data: bytes, end: int = MOST) -> None:
        self.data, self.end, self.at = data, end, 0

    def take(self, length: int) -> bytes:
        before, self.at = self.at, self.at + length
        if self.at > self.end:
            raise NotMqtt
        if self.at > len(self.data):
            raise Incomplete
        return self.data[before : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def string(self) -> str:
        return self.take(int.from_bytes(self.take(2))).decode("latin-1")

    def number(self) -> int:
        """A variable byte integer."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise NotMqtt

    def properties(self) -> bytes:
        """With their length."""
        before = self.at
        self.take(self.number())
        return self.data[before : self.at]


def _string(text: str) -> bytes:
    if len(text) > LONGEST_STRING:
        raise ValueError(f"{len(text)} bytes are too long for a field of MQTT")
    return len(text).to_bytes(2) + text.encode("latin-1")


def _number(value: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)
