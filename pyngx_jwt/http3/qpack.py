"""Compressed heads (QPACK, RFC 9204): the client's table, and the sections that refer to it.

The reader is ours for the reason that HTTP/2's is: nginx's limits apply while a section arrives,
so that a few bytes that refer to a long entry again and again are not expanded first. The writer
refers to the static table only, as nginx's does.

Sources: ngx_http_v3_parse.c, ngx_http_v3_table.c, ngx_http_v3_encode.c.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ..http2.frames import Fault
from ..http2.strings import BrokenString, expand, number, written
from .codes import (
    DECODER_STREAM_ERROR,
    DECOMPRESSION_FAILED,
    ENCODER_STREAM_ERROR,
    EXCESSIVE_LOAD,
    FRAME_ERROR,
    GENERAL_PROTOCOL_ERROR,
    INTERNAL_ERROR,
)
from .static_table import STATIC

Field = tuple[str, str]
CAPACITY = 4096  # bytes of the table, at the most (NGX_HTTP_V3_MAX_TABLE_CAPACITY)
OVERHEAD = 32  # bytes that each entry counts beside its name and value
_MOST_ENTRIES = CAPACITY // OVERHEAD
_LAST_SHIFT = 56  # of a number; more is refused
SHORT = 256  # bytes of a value that is kept compressed


class Incomplete(Exception):
    """The rest has not come."""


class TooLarge(Exception):
    """The fields of a head are longer than they may be."""


class _Reader:
    """Reads numbers and strings of what has come so far; raises Incomplete and Fault."""

    __slots__ = ("_broken", "at", "data", "most")

    def __init__(self, broken: int) -> None:
        """`broken` is the error code of strings that cannot be read."""
        self.data, self.at = b"", 0
        self.most = 0  # bytes of a string as sent
        self._broken = broken

    def more(self, data: bytes) -> None:
        """Takes what has come; what has been read is forgotten."""
        self.data, self.at = self.data[self.at :] + data, 0

    def octet(self) -> int:
        """The octet that comes next, which is not taken."""
        if self.at >= len(self.data):
            raise Incomplete
        return self.data[self.at]

    def integer(self, prefix: int) -> int:
        value = self.octet() & prefix
        at = self.at + 1
        if value == prefix:
            shift = 0
            while True:
                if at >= len(self.data):
                    raise Incomplete
                octet = self.data[at]
                at += 1
                value += (octet & 0x7F) << shift
                if shift == _LAST_SHIFT and (octet & 0x80 or value >> 62):
                    raise Fault(EXCESSIVE_LOAD, "client exceeded integer size limit")
                if octet < 0x80:
                    break
                shift += 7
        self.at = at
        return value

    def string(self, prefix: int) -> str:
        compressed = self.octet() & prefix + 1
        length = self.integer(prefix)
        if length > self.most:
            raise Fault(EXCESSIVE_LOAD, "client sent too large field line")
        start, end = self.at, self.at + length
        if end > len(self.data):
            raise Incomplete
        self.at = end
        if not compressed:
            return self.data[start:end].decode("latin-1")
        try:
            return expand(self.data[start:end])
        except BrokenString:
            raise Fault(self._broken, "client sent invalid encoded field line") from None

    def name(self, prefix: int) -> str:
        name = self.string(prefix)
        if not name:
            raise Fault(self._broken, "")
        return name


class Table:
    """The dynamic table, which the client fills with the instructions of its encoder stream."""

    __slots__ = ("_capacity", "_entries", "_reader", "_size", "acknowledged", "evicted")

    def __init__(self) -> None:
        self._reader = _Reader(GENERAL_PROTOCOL_ERROR)
        self._entries: list[Field] = []  # the oldest first
        self._capacity = self._size = 0
        self.evicted = 0  # entries
        self.acknowledged = 0  # insertions that the client knows we have

    def limit(self, most: int) -> None:
        """Sets how long a string may be, in bytes as sent."""
        self._reader.most = most

    @property
    def inserted(self) -> int:
        """How many entries there have been."""
        return self.evicted + len(self._entries)

    def feed(self, data: bytes) -> None:
        """Takes instructions; raises Fault, which ends the connection."""
        reader = self._reader
        reader.more(data)
        while reader.at < len(reader.data):
            start = reader.at
            try:
                self._instruct()
            except Incomplete:
                reader.at = start
                return

    def _instruct(self) -> None:
        reader = self._reader
        octet = reader.octet()
        if octet & 0x80:
            index = reader.integer(0x3F)
            value = reader.string(0x7F)
            name = self._static_name(index) if octet & 0x40 else self._recent(index)[0]
            self._insert((name, value))
        elif octet & 0x40:
            name = reader.name(0x1F)
            self._insert((name, reader.string(0x7F)))
        elif octet & 0x20:
            self._resize(reader.integer(0x1F))
        else:
            self._insert(self._recent(reader.integer(0x1F)))

    def _static_name(self, index: int) -> str:
        if index >= len(STATIC):
            raise Fault(ENCODER_STREAM_ERROR, "")
        return STATIC[index][0]

    def _recent(self, index: int) -> Field:
        """The entry at a position that counts from the latest one."""
        if index >= len(self._entries):
            raise Fault(ENCODER_STREAM_ERROR, "")
        return self._entries[-1 - index]

    def _insert(self, field: Field) -> None:
        size = _size_of(field)
        if size > self._capacity:
            raise Fault(ENCODER_STREAM_ERROR, "not enough dynamic table capacity")
        self._entries.append(field)
        self._size += size
        self._evict(self._capacity)

    def _resize(self, capacity: int) -> None:
        if capacity > CAPACITY:
            text = "client exceeded http3_max_table_capacity limit"
            raise Fault(ENCODER_STREAM_ERROR, text)
        self._evict(capacity)
        self._capacity = capacity

    def _evict(self, capacity: int) -> None:
        count = 0
        while self._size > capacity:
            self._size -= _size_of(self._entries[count])
            count += 1
        del self._entries[:count]
        self.evicted += count

    def entry(self, index: int) -> Field:
        """The entry with this number, from the first ever inserted on."""
        if not self.evicted <= index < self.inserted:
            raise Fault(DECOMPRESSION_FAILED, "")
        return self._entries[index - self.evicted]

    def required(self, encoded: int) -> int:
        """How many entries a section needs (RFC 9204, 4.5.1.1)."""
        if not encoded:
            return 0
        full_range = 2 * _MOST_ENTRIES
        if encoded > full_range:
            raise Fault(DECOMPRESSION_FAILED, "")
        most = self.inserted + _MOST_ENTRIES
        required = most // full_range * full_range + encoded - 1
        if required > most:
            if required <= full_range:
                raise Fault(DECOMPRESSION_FAILED, "")
            required -= full_range
        if not required:
            raise Fault(DECOMPRESSION_FAILED, "")
        return required


def _size_of(field: Field) -> int:
    return len(field[0]) + len(field[1]) + OVERHEAD


class Section:
    """One compressed head, as it arrives.  `most` bounds all names and values together."""

    __slots__ = ("_base", "_begun", "_dynamic", "_left", "_reader", "fields", "required")

    def __init__(self, table: Table, most_string: int, most: int) -> None:
        self._dynamic, self._left = table, most
        self._reader = _Reader(INTERNAL_ERROR)
        self._reader.most = most_string
        self._base, self._begun = 0, False
        self.required = 0  # entries of the table
        self.fields: list[Field] = []

    @property
    def is_blocked(self) -> bool:
        """Whether the table lacks entries yet."""
        return self.required > self._dynamic.inserted

    def feed(self, data: bytes, *, last: bool) -> None:
        """Takes bytes of the section, as far as it is not blocked.  Raises Fault, TooLarge."""
        reader = self._reader
        reader.more(data)
        start = reader.at
        try:
            if not self._begun:
                self._begin()
            if self.is_blocked:
                return
            while reader.at < len(reader.data):
                start = reader.at
                self._read_field()
        except Incomplete:
            reader.at = start
            if last:
                raise Fault(FRAME_ERROR, "") from None
            return
        if last and not self.fields:
            raise Fault(FRAME_ERROR, "")

    def _begin(self) -> None:
        encoded = self._reader.integer(0xFF)
        sign = self._reader.octet() & 0x80
        delta = self._reader.integer(0x7F)
        self.required = self._dynamic.required(encoded)
        self._base = self.required - delta - 1 if sign else self.required + delta
        if self._base < 0:
            raise Fault(DECOMPRESSION_FAILED, "client sent negative base")
        self._begun = True

    def _read_field(self) -> None:
        reader = self._reader
        octet = reader.octet()
        if octet & 0x80:
            field = self._entry(octet & 0x40, reader.integer(0x3F))
        elif octet & 0x40:
            index = reader.integer(0x0F)
            field = self._entry(octet & 0x10, index)[0], reader.string(0x7F)
        elif octet & 0x20:
            name = reader.name(0x07)
            field = name, reader.string(0x7F)
        elif octet & 0x10:
            field = self._dynamic.entry(self._base + reader.integer(0x0F))
        else:
            index = reader.integer(0x07)
            field = self._dynamic.entry(self._base + index)[0], reader.string(0x7F)
        self._left -= len(field[0]) + len(field[1])
        if self._left < 0:
            raise TooLarge
        self.fields.append(field)

    def _entry(self, is_static: int, index: int) -> Field:
        if not is_static:
            return self._dynamic.entry(self._base - index - 1)
        if index >= len(STATIC):
            raise Fault(DECOMPRESSION_FAILED, "")
        return STATIC[index]


class Acknowledgements:
    """The client's decoder stream.  Our heads refer to no table, so it has nothing to say but that
    it has given a stream up."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = _Reader(DECODER_STREAM_ERROR)

    def feed(self, data: bytes) -> None:
        """Takes instructions; raises Fault."""
        reader = self._reader
        reader.more(data)
        while reader.at < len(reader.data):
            start, octet = reader.at, reader.octet()
            try:
                reader.integer(0x7F if octet & 0x80 else 0x3F)
            except Incomplete:
                reader.at = start
                return
            if octet & 0x80 or not octet & 0x40:
                raise Fault(DECODER_STREAM_ERROR, "")


# -- writing -----------------------------------------------------------------------------------


def section_acknowledged(stream: int) -> bytes:
    """What the client is told of a section that referred to its table."""
    return number(stream, 0x7F, 0x80)


def stream_cancelled(stream: int) -> bytes:
    """What the client is told of a stream whose sections are not read any more."""
    return number(stream, 0x3F, 0x40)


def entries_inserted(count: int) -> bytes:
    """What the client is told of new entries."""
    return number(count, 0x3F, 0)


PREFIX = b"\0\0"  # of sections that need no entries
_INDEXED = {field: n for n, field in reversed(list(enumerate(STATIC)))}
_NAMED = {field[0]: n for n, field in reversed(list(enumerate(STATIC)))}


def _field(name: str, value: str) -> bytes:
    name = name.lower()
    value = value.replace("\r", " ").replace("\n", " ")  # as in HTTP/1; a variable may have them
    index = _INDEXED.get((name, value))
    if index is not None:
        return number(index, 0x3F, 0xC0)
    index = _NAMED.get(name)
    start = written(name, 0x07, 0x20) if index is None else number(index, 0x0F, 0x50)
    return start + written(value)


_kept_field = lru_cache(maxsize=4096)(_field)


def write_section(fields: Iterable[Field]) -> bytes:
    """A whole section."""
    parts = [_kept_field(n, v) if len(v) < SHORT else _field(n, v) for n, v in fields]
    return PREFIX + b"".join(parts)
