"""Records in LMDB that expire, and one that does not."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .lmdb_table import LmdbTable, evict_oldest

_EXPIRES = struct.Struct(">Q")  # seconds since the epoch
_NEVER = (1 << 64) - 1
_RECORD, _LASTING = b"r", b"l"
_evict = evict_oldest(lambda value: _EXPIRES.unpack_from(value)[0])


class LmdbRecords:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def get(self, name: bytes, now: float) -> bytes | None:
        record = self._table.get(_RECORD + name)
        if record is None or _EXPIRES.unpack_from(record)[0] <= now:
            return None
        return record[_EXPIRES.size :]

    def put(self, name: bytes, value: bytes, expires: float) -> bool:
        record = _EXPIRES.pack(int(expires)) + value
        return self._table.update(_RECORD + name, lambda _: record, _evict)

    def remove(self, name: bytes) -> None:
        self._table.delete(_RECORD + name)

    def rotate(self, change: Callable[[bytes], bytes]) -> bytes:
        kept = b""

        def update(record: bytes | None) -> bytes:
            nonlocal kept
            kept = change(record[_EXPIRES.size :] if record is not None else b"")
            return _EXPIRES.pack(_NEVER) + kept

        self._table.update(_LASTING, update, _evict)
        return kept
