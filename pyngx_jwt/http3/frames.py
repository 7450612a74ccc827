"""The bytes of frames, and of the numbers in them (RFC 9114, 7; RFC 9000, 16)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from . import codes

_TWO, _FOUR, _EIGHT = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")


def varint(value: int) -> bytes:
    """A number of 1, 2, 4 or 8 bytes, whichever is enough."""
    if value < 0x40:
        return bytes((value,))
    if value < 0x4000:
        return _TWO.pack(value | 0x4000)
    if value < 0x40000000:
        return _FOUR.pack(value | 0x80000000)
    return _EIGHT.pack(value | 0xC000000000000000)


def varint_at(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The number at a position, and where it ends; None if it goes on beyond the data."""
    if at >= len(data):
        return None
    first = data[at]
    if first < 0x40:
        return first, at + 1
    size = 1 << (first >> 6)
    if at + size > len(data):
        return None
    value = int.from_bytes(data[at : at + size]) & (1 << (size * 8 - 2)) - 1
    return value, at + size


def frame(kind: int, payload: bytes) -> bytes:
    """Any frame."""
    return varint(kind) + varint(len(payload)) + payload


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    pairs = [varint(name) + varint(value) for name, value in values]
    return frame(codes.SETTINGS, b"".join(pairs))


def goaway(number: int) -> bytes:
    """A GOAWAY frame: requests from this stream on are not served."""
    return frame(codes.GOAWAY, varint(number))
