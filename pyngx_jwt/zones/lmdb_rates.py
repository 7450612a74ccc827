"""Leaky buckets in LMDB."""

from __future__ import annotations

import struct

from .lmdb_table import LmdbTable, evict_oldest
from .rules import pour

_STATE = struct.Struct("<qq")  # excess in thousandths of a request; when, in milliseconds
_evict = evict_oldest(lambda value: _STATE.unpack(value)[1])


class LmdbRates:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def look(self, key: bytes, now: int, rate: int) -> int:
        record = self._table.get(key)
        if record is None:
            return 0
        excess, last = _STATE.unpack(record)
        return pour(excess, last, now, rate)[0]

    def take(self, key: bytes, now: int, rate: int, burst: int) -> int | None:
        excess = 0

        def change(record: bytes | None) -> bytes:
            nonlocal excess
            if record is None:
                excess = 0
                return _STATE.pack(0, now)
            before, last = _STATE.unpack(record)
            excess, last = pour(before, last, now, rate)
            return record if excess > burst else _STATE.pack(excess, last)

        return excess if self._table.update(key, change, _evict) else None
