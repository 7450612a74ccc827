"""The atoms (boxes) of which MP4 files consist (ISO/IEC 14496-12)."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]  # so many bytes from an offset, fewer at the end


class Mp4Error(Exception):
    """What is wrong with a file, for the log."""


class Atom(NamedTuple):
    """Where an atom is."""

    name: bytes
    start: int  # of what is in it
    end: int


def atoms(read: Read, start: int, end: int) -> Iterator[Atom]:
    """The atoms between two offsets; one of size 0 ends them.  Raises Mp4Error."""
    while start < end:
        head = read(start, 16)
        if len(head) < 8:
            raise Mp4Error("mp4 file truncated")
        size, header = int.from_bytes(head[:4]), 8
        if size == 0:
            return
        if size == 1:
            size, header = int.from_bytes(head[8:16]), 16
        if size < header:
            raise Mp4Error(f"mp4 atom is too small:{size}")
        if size > end - start:
            raise Mp4Error(f"mp4 atom too large:{size}")
        yield Atom(head[4:8], start + header, start + size)
        start += size


def atom(name: bytes, *parts: bytes) -> bytes:
    """The bytes of an atom."""
    data = b"".join(parts)
    return (len(data) + 8).to_bytes(4) + name + data


def table(data: bytes, name: str, width: int, at: int = 4) -> array[int]:
    """Numbers of 32 bits, `width` to an entry; their count is at an offset in the atom's data.

    Raises Mp4Error."""
    entries = int.from_bytes(data[at : at + 4])
    numbers = data[at + 4 : at + 4 + entries * width * 4]
    if len(data) < at + 4 or len(numbers) < entries * width * 4:
        raise Mp4Error(f"mp4 {name} atom too small")
    return _swapped(array("I", numbers))


def wide_table(data: bytes, name: str) -> array[int]:
    """The same of 64 bits."""
    entries = int.from_bytes(data[4:8])
    numbers = data[8 : 8 + entries * 8]
    if len(data) < 8 or len(numbers) < entries * 8:
        raise Mp4Error(f"mp4 {name} atom too small")
    return _swapped(array("Q", numbers))


def table_data(data: bytes, numbers: array[int], width: int, at: int = 4) -> bytes:
    """The data of an atom with other numbers in its table."""
    count = (len(numbers) // width).to_bytes(4)
    return data[:at] + count + _swapped(numbers[:]).tobytes()


def _swapped(numbers: array[int]) -> array[int]:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class TimeField(NamedTuple):
    """Where an atom has its time scale, if it has one, and its duration, both in bytes."""

    scale: int | None
    at: int
    size: int

    def duration(self, data: bytes) -> int:
        return int.from_bytes(data[self.at : self.at + self.size])

    def timescale(self, data: bytes) -> int:
        return 0 if self.scale is None else int.from_bytes(data[self.scale : self.scale + 4])

    def replaced(self, data: bytes, duration: int) -> bytes:
        """The data with another duration."""
        value = (duration % (1 << 8 * self.size)).to_bytes(self.size)
        return data[: self.at] + value + data[self.at + self.size :]


def media_time(data: bytes, name: str) -> TimeField:
    """That of "mvhd" and "mdhd".  Raises Mp4Error."""
    return _time_field(data, name, TimeField(12, 16, 4), TimeField(20, 24, 8))


def track_time(data: bytes) -> TimeField:
    """That of "tkhd".  Raises Mp4Error."""
    return _time_field(data, "tkhd", TimeField(None, 20, 4), TimeField(None, 28, 8))


def _time_field(data: bytes, name: str, narrow: TimeField, wide: TimeField) -> TimeField:
    field = wide if data[:1] > b"\0" else narrow
    if len(data) < field.at + field.size:
        raise Mp4Error(f"mp4 {name} atom too small")
    return field
