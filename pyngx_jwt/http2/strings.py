"""Numbers and strings of compressed heads (RFC 7541, 5), written alike in HTTP/2 and HTTP/3.

hpack has the Huffman code."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hpack.exceptions import HPACKError
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import (
    HUFFMAN_COMPLETE,
    HUFFMAN_EMIT_SYMBOL,
    HUFFMAN_FAIL,
    HUFFMAN_TABLE,
)

MAX_PADDING = 3  # bytes
RECURRING = 2048  # bytes of a string that is kept expanded, as tokens are
LONG = 2048  # bytes above which compressing costs more than it saves


class BrokenString(Exception):
    """A string that the Huffman code cannot have made."""


def expand(data: bytes, *, recurs: bool = True) -> str:
    """The text of a compressed string, which is kept if it recurs; raises BrokenString."""
    try:
        return _expand(data) if recurs and len(data) < RECURRING else _expanded(data)
    except HPACKError:
        raise BrokenString from None


def _expanded(data: bytes) -> str:
    """nginx takes whole bytes of padding as well, up to the code that ends a string."""
    for _ in range(MAX_PADDING):
        if data[-1:] != b"\xff":
            break
        try:
            return _decode(data)
        except HPACKError:
            data = data[:-1]
    return _decode(data)


class _State:
    """A state of hpack's automaton, which goes by half bytes, with its steps for whole bytes as
    far as they have been needed."""

    __slots__ = ("number", "steps")

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps: list[_Step | None] = [None] * 256


class _Step:
    """What comes out for a byte, the state after it, and whether a string can end there."""

    __slots__ = ("can_end", "state", "text")

    def __init__(self, text: str, state: _State, can_end: bool) -> None:
        self.text, self.state, self.can_end = text, state, can_end


_START: Final = _State(0)
_states = {0: _START}


def _decode(data: bytes) -> str:
    state, step = _START, None
    out: list[str] = []
    for at in range(len(data)):  # compiled, this is less than an iteration of bytes
        step = state.steps[data[at]]
        if step is None:
            step = state.steps[data[at]] = _step(state.number, data[at])
        out.append(step.text)
        state = step.state
    if step is not None and not step.can_end:
        raise HPACKError("Incomplete Huffman string")
    return "".join(out)


def _step(number: int, byte: int) -> _Step:
    text, flags = "", 0
    for half in (byte >> 4, byte & 0x0F):
        number, flags, symbol = HUFFMAN_TABLE[number * 16 + half]
        if flags & HUFFMAN_FAIL:
            raise HPACKError("Invalid Huffman string")
        if flags & HUFFMAN_EMIT_SYMBOL:
            text += chr(symbol)
    state = _states.get(number)
    if state is None:
        state = _states[number] = _State(number)
    return _Step(text, state, bool(flags & HUFFMAN_COMPLETE))


_expand = lru_cache(maxsize=1024)(_expanded)


_BITS: Final = [
    format(code, f"0{length}b")
    for code, length in zip(REQUEST_CODES[:256], REQUEST_CODES_LENGTH[:256], strict=True)
]


def _compress(data: bytes) -> bytes:
    """By way of digits: several times as fast as shifting each code into a number."""
    if not data:
        return b""
    bits = "".join([_BITS[byte] for byte in data])
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def number(value: int, prefix: int, bits: int) -> bytes:
    """A number in the low bits of an octet, and as many more as it takes; `bits` are the others of
    the first one."""
    if value < prefix:
        return bytes((bits | value,))
    octets = [bits | prefix]
    value -= prefix
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def written(text: str, prefix: int = 0x7F, bits: int = 0) -> bytes:
    """A string, compressed where that makes it shorter; the bit above the prefix says so."""
    data = text.encode("latin-1", "replace")
    if len(data) < LONG:
        short = _compress(data)
        if len(short) < len(data):
            return number(len(short), prefix, bits | prefix + 1) + short
    return number(len(data), prefix, bits) + data
