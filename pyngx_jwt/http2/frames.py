"""The bytes of frames (RFC 9113, 4 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE: Final = 9  # bytes before the payload of each frame

# Each is a constant of its own: then compiled code has the number in it.
DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# Flags.
ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

# Settings.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5

# Error codes.
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT = range(5)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED = range(10, 14)

MAX_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65535
DEFAULT_FRAME_SIZE: Final = 16384
LARGEST_FRAME: Final = 2**24 - 1

_HEADER = struct.Struct(">IBI")  # length and type, flags, stream
_TWO = struct.Struct(">II")
_ONE = struct.Struct(">I")
_SETTING = struct.Struct(">HI")
number_at = _ONE.unpack_from
two_numbers_at = _TWO.unpack_from
settings_in = _SETTING.iter_unpack


class Fault(Exception):
    """The peer broke the protocol, and the connection ends: the code of its GOAWAY, and what is
    logged."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Flood(Fault):
    """The peer asks for too much that is of no use to it."""

    def __init__(self) -> None:
        super().__init__(NO_ERROR, "http2 flood detected")


def header_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Length and type, flags, and stream of the frame that begins there.

    Compiled, this is a third of what a Struct takes."""
    word = data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]
    number = data[at + 5] << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
    return word, data[at + 4], number


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame."""
    return _HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*pair) for pair in values]))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, _ONE.pack(increment))


def rst_stream(stream: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, _ONE.pack(code))


def goaway(last: int, code: int) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, _TWO.pack(last, code))


def message(stream: int, block: bytes, data: bytes) -> bytes:
    """The frames of a header block and a body that end a stream; each fits into one."""
    head = _HEADER.pack(len(block) << 8 | HEADERS, END_HEADERS, stream)
    return b"".join((head, block, _HEADER.pack(len(data) << 8, END_STREAM, stream), data))


def headers(stream: int, block: bytes, end: bool, largest: int) -> bytes:
    """A HEADERS frame with the CONTINUATION frames that a block of this length takes."""
    kind, flags = HEADERS, END_STREAM if end else 0
    if len(block) <= largest:
        return frame(kind, flags | END_HEADERS, stream, block)
    parts = []
    for at in range(0, len(block), largest):
        last = at + largest >= len(block)
        part = block[at : at + largest]
        parts.append(frame(kind, flags | END_HEADERS if last else flags, stream, part))
        kind, flags = CONTINUATION, 0
    return b"".join(parts)


SETTINGS_ACK = frame(SETTINGS, ACK, 0)
