"""Requests in progress in LMDB, by key and process."""

from __future__ import annotations

import os
import struct

from .lmdb_table import LmdbTable
from .processes import is_alive

_COUNT = struct.Struct("<IH")  # a process and its requests


class LmdbConnections:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def enter(self, key: bytes, limit: int) -> bool | None:
        entered = False

        def change(record: bytes | None) -> bytes:
            nonlocal entered
            counts = _unpack(record)
            if sum(counts.values()) >= limit:  # a killed worker took its requests with it
                counts = {pid: n for pid, n in counts.items() if is_alive(pid)}
            entered = sum(counts.values()) < limit
            if entered:
                pid = os.getpid()
                counts[pid] = counts.get(pid, 0) + 1
            return _pack(counts)

        return entered if self._table.update(key, change) else None

    def leave(self, key: bytes) -> None:
        def change(record: bytes | None) -> bytes | None:
            counts, pid = _unpack(record), os.getpid()
            counts[pid] = counts.get(pid, 1) - 1
            return _pack(counts) or None

        self._table.update(key, change)


def _unpack(record: bytes | None) -> dict[int, int]:
    return dict(_COUNT.iter_unpack(record)) if record else {}


def _pack(counts: dict[int, int]) -> bytes:
    return b"".join(_COUNT.pack(pid, count) for pid, count in counts.items() if count)
