"""Header blocks (HPACK, RFC 7541): the fields of a head, compressed.

hpack has the Huffman code and the static table. The reader is ours, since nginx's limits apply
while a block arrives: a field that is too long ends the connection before its bytes are kept, and
a block that refers to a long entry thousands of times is not expanded first. The writer refers to
the static table only, as nginx's does: so the bytes of a field are always the same, and are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from hpack.table import HeaderTable

from ..http.head import RequestHead
from .frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    Fault,
)
from .strings import BrokenString, expand, number, written

Field = tuple[str, str]
INTEGER_OCTETS = 4  # more are refused, as in nginx
TABLE_SIZE = 4096  # bytes of the dynamic table, which is the default of the protocol
REMEMBERED = 16  # blocks of a connection that are not read again, whatever their paths
MEMORABLE = 2048  # bytes of names and values of such a block
SHORT = 256  # bytes of a value that is kept compressed
_STATIC = [(name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE]
_FIRST_DYNAMIC = len(_STATIC) + 1
ENTRY = 32  # bytes that a table counts for an entry, besides its name and its value
TABLE_UPDATE = b"\x20"  # the size of the writer's dynamic table is 0
_PATH = ":path"
# How a path begins that no table remembers: with the number of its name, or with the name itself.
_PATH_NUMBERED = (0x04, 0x14)
_PATH_NAMED = (b"\x00\x84\xb9\x58\xd3\x3f", b"\x00\x05:path")


class _Incomplete(Exception):
    """The block goes on in bytes that have not come."""


class _DynamicTable:
    """Fields that the peer refers to, the newest first (RFC 7541, 4)."""

    __slots__ = ("_free", "entries", "size")

    def __init__(self, size: int) -> None:
        self.entries = deque[Field]()
        self.size = self._free = size

    def add(self, field: Field) -> None:
        """Forgets old entries for it; one that is larger than the table empties it."""
        self._free -= len(field[0]) + len(field[1]) + ENTRY
        self.entries.appendleft(field)
        self._evict()

    def resize(self, size: int) -> None:
        self._free += size - self.size
        self.size = size
        self._evict()

    def _evict(self) -> None:
        while self._free < 0:
            name, value = self.entries.pop()
            self._free += len(name) + len(value) + ENTRY


class Known:
    """A block that a client is likely to send again, though with another path.

    `head` is what has been made of it, by one whose end of the stream was `end`."""

    __slots__ = ("end", "fields", "head", "place", "size")

    def __init__(self, fields: list[Field], place: int, size: int) -> None:
        """`place` is that of the path among the fields, -1 if it is always the same; `size` that
        of all names and values, but for the path."""
        self.fields, self.place, self.size = fields, place, size
        self.head: RequestHead | None = None
        self.end = False


class BlockReader:
    """Reads the header blocks of a connection, one after the other.

    `most_field` bounds a name or a value as sent, `most_block` all names and values of a block."""

    __slots__ = (
        *("_at", "_changed", "_data", "_dynamic", "_fields", "_left", "_memo", "_peer", "_whole"),
        *("known", "most_block", "most_field", "table_size"),
    )

    def __init__(
        self, peer: str, most_field: int, most_block: int, table_size: int = TABLE_SIZE
    ) -> None:
        """`peer` is what errors call the sender, `table_size` the most that it was allowed."""
        self._peer, self.most_field, self.most_block = peer, most_field, most_block
        self._dynamic = _DynamicTable(table_size)
        self.table_size = table_size
        self._memo: dict[bytes, Known] = {}
        self.known: Known | None = None  # of the last block
        self._fields: list[Field] = []
        self._data, self._at, self._left = b"", 0, most_block
        self._whole = True  # nothing of the current block has been read yet
        self._changed = False  # the current block has changed the table

    def limit(self, most_field: int, most_block: int) -> None:
        """Sets other bounds for the blocks that are to come."""
        if (most_field, most_block) != (self.most_field, self.most_block):
            self.most_field, self.most_block = most_field, most_block
            self._left = most_block
            self._memo.clear()

    def feed(self, data: bytes, *, last: bool) -> list[Field] | None:
        """Takes bytes of a block; the fields once the last ones are there.  Raises Fault.

        The list is shared by blocks that are the same: it is not changed."""
        if self._whole and last:
            return self._read_whole(data)
        self._whole, self.known = False, None
        self._data, self._at = self._data[self._at :] + data, 0
        self._read(len(self._data), last)
        return self._finish() if last else None

    def _read_whole(self, data: bytes) -> list[Field]:
        """Requests of a connection are often alike but for their paths."""
        start = _start_of_path(data)
        self._data, self._at, self._changed = data, start, False
        path, key, place = "", data, -1
        if start:
            try:
                path = self._string(recurs=False)
            except (_Incomplete, Fault):
                self._at, self.known = 0, None
                self._read(len(data), True)  # raises what comes first: it, or something before
                return self._finish()
            key = data[:start] + data[self._at :]
        known = self._memo.get(key)
        if known is not None and known.size + len(path) <= self.most_block:
            self._data, self._at, self.known = b"", 0, known
            return _with_path(known, path) if start else known.fields
        if start:
            place = self._read_around(start, path)
        else:
            self._read(len(data), True)
        size = self.most_block - self._left
        fields, self.known = self._finish(), None
        if size < MEMORABLE and not self._changed:
            self._remember(key, Known(fields, place, size - len(path)))
        return fields

    def _read_around(self, start: int, path: str) -> int:
        """Reads the fields before a path and after it; its place among them."""
        end, self._at = self._at, 0
        while self._data[self._at] >= 0x80:
            self._read_entry()
        place = len(self._fields)
        field = (_PATH, path)
        self._account(field)
        self._fields.append(field)
        self._at = end
        self._read(len(self._data), True)
        return place

    def _remember(self, key: bytes, known: Known) -> None:
        if len(self._memo) >= REMEMBERED:
            self._memo.clear()
        self._memo[key] = self.known = known

    def _finish(self) -> list[Field]:
        fields, self._fields = self._fields, []
        self._data, self._at, self._left, self._whole = b"", 0, self.most_block, True
        return fields

    def _read_entry(self) -> None:
        """Reads a field that is an entry with a small number, as most are."""
        field = self._entry(self._data[self._at] & 0x7F)
        self._at += 1
        self._account(field)
        self._fields.append(field)

    def _read(self, size: int, last: bool) -> None:
        """Reads as many fields as there are whole ones."""
        data = self._data
        start = self._at
        try:
            while self._at < size:
                start = self._at
                if 0x80 < data[start] < 0xFF:
                    self._read_entry()
                else:
                    self._read_field()
        except _Incomplete:
            self._at = start
            if last:
                raise Fault(
                    FRAME_SIZE_ERROR, f"{self._peer} sent header block with incorrect length"
                ) from None

    def _read_field(self) -> None:
        first = self._data[self._at]
        if first >= 0x80:
            field = self._entry(self._integer(0x7F, "header index"))
        elif first >= 0x40:
            field = self._literal(self._integer(0x3F, "header index"))
            self._account(field)
            self._add(field)
            self._fields.append(field)
            return
        elif first >= 0x20:
            self._resize(self._integer(0x1F, "size update"))
            return
        else:
            field = self._literal(self._integer(0x0F, "header index"))
        self._account(field)
        self._fields.append(field)

    def _account(self, field: Field) -> None:
        self._left -= len(field[0]) + len(field[1])
        if self._left < 0:
            raise Fault(ENHANCE_YOUR_CALM, f"{self._peer} sent too large header")

    def _add(self, field: Field) -> None:
        self._dynamic.add(field)
        self._changed = True
        self._memo.clear()

    def _resize(self, size: int) -> None:
        if size > self.table_size:
            raise Fault(COMPRESSION_ERROR, f"{self._peer} sent invalid table size update: {size}")
        self._dynamic.resize(size)
        self._changed = True
        self._memo.clear()

    def _entry(self, index: int) -> Field:
        if 0 < index < _FIRST_DYNAMIC:
            return _STATIC[index - 1]
        entries = self._dynamic.entries
        index -= _FIRST_DYNAMIC
        if index < 0:
            raise Fault(COMPRESSION_ERROR, f"{self._peer} sent invalid hpack table index 0")
        if index >= len(entries):
            raise Fault(
                COMPRESSION_ERROR, f"{self._peer} sent out of bound hpack table index: {index}"
            )
        return entries[index]

    def _literal(self, index: int) -> Field:
        if index:
            return self._entry(index)[0], self._string()
        name = self._string()
        if not name:
            raise Fault(PROTOCOL_ERROR, f"{self._peer} sent zero header name length")
        return name, self._string()

    def _string(self, *, recurs: bool = True) -> str:
        """`recurs`: it is likely to come again."""
        data = self._data
        if self._at >= len(data):
            raise _Incomplete
        compressed = data[self._at] & 0x80
        length = self._integer(0x7F, "")
        if length > self.most_field:
            raise Fault(ENHANCE_YOUR_CALM, f"{self._peer} sent too large header field")
        start, end = self._at, self._at + length
        if end > len(data):
            raise _Incomplete
        self._at = end
        if not compressed:
            return data[start:end].decode("latin-1")
        try:
            return expand(data[start:end], recurs=recurs)
        except BrokenString:
            raise Fault(
                COMPRESSION_ERROR, f"{self._peer} sent invalid encoded header field"
            ) from None

    def _integer(self, prefix: int, what: str) -> int:
        """A number (RFC 7541, 5.1); `what` it is, "" for a length."""
        data, at = self._data, self._at
        value = data[at] & prefix
        if value != prefix:
            self._at = at + 1
            return value
        for n in range(1, INTEGER_OCTETS):
            if at + n >= len(data):
                raise _Incomplete
            octet = data[at + n]
            value += (octet & 0x7F) << 7 * (n - 1)
            if octet < 0x80:
                self._at = at + n + 1
                return value
        if what:
            text = f"header block with too long {what} value"
        else:
            text = "header field with too long length value"
        raise Fault(COMPRESSION_ERROR, f"{self._peer} sent {text}")


def _start_of_path(data: bytes) -> int:
    """Where the value of a path begins that comes first but for entries of the tables; 0: it does
    not."""
    at, size = 0, len(data)
    while at < size and 0x80 < data[at] < 0xFF:
        at += 1
    if at < size and data[at] in _PATH_NUMBERED:
        return at + 1
    for named in _PATH_NAMED:
        if data.startswith(named, at):
            return at + len(named)
    return 0


def _with_path(known: Known, path: str) -> list[Field]:
    if known.fields[known.place][1] == path:
        return known.fields
    fields = known.fields.copy()
    fields[known.place] = (_PATH, path)
    return fields


# -- writing -----------------------------------------------------------------------------------

_INDEXED = {field: n for n, field in reversed(list(enumerate(_STATIC, 1)))}
_NAMED = {field[0]: n for n, field in reversed(list(enumerate(_STATIC, 1)))}


def _field(name: str, value: str) -> bytes:
    name = name.lower()
    value = value.replace("\r", " ").replace("\n", " ")  # as in HTTP/1; a variable may have them
    index = _INDEXED.get((name, value))
    if index is not None and value:
        return number(index, 0x7F, 0x80)
    index = _NAMED.get(name)
    start = b"\0" + written(name) if index is None else number(index, 0x0F, 0)
    return start + written(value)


_kept_field = lru_cache(maxsize=4096)(_field)


def write_field(name: str, value: str) -> bytes:
    """One field, in lower case, which no table remembers."""
    return _kept_field(name, value) if len(value) < SHORT else _field(name, value)


def write_block(fields: Iterable[Field]) -> bytes:
    """A whole block."""
    return b"".join([_kept_field(n, v) if len(v) < SHORT else _field(n, v) for n, v in fields])
