"""Rows of numbers in LMDB: those that all processes count in, and what each has reported."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from contextlib import suppress

from .lmdb_table import LmdbTable, Transaction
from .processes import is_alive
from .store import Numbers, ZoneFull

_SUM, _REPORT = b"s", b"r"
_PROCESS = struct.Struct(">q")


class LmdbSums:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def add(self, changes: Iterable[tuple[bytes, Numbers]]) -> bool:
        rows = list(changes)

        def change(t: Transaction) -> bool:
            has_all = True
            for key, numbers in rows:
                old = t.get(_SUM + key)
                if old is not None:
                    both = zip(_unpack(old), numbers, strict=True)
                    t.put(_SUM + key, _pack(tuple([one + other for one, other in both])))
                elif self._table.has_room(t):
                    t.put(_SUM + key, _pack(numbers))
                else:
                    has_all = False
            return has_all

        return self._table.write(change)

    def put(self, key: bytes, numbers: Numbers) -> bool:
        return self._table.put(_SUM + key, _pack(numbers))

    def report(self, own: Iterable[tuple[bytes, Numbers]]) -> bool:
        rows, prefix = list(own), _REPORT + _PROCESS.pack(os.getpid())

        def change(t: Transaction) -> bool:
            old, has_all = _delete(t, prefix), True
            for key, numbers in rows:
                if prefix + key in old or self._table.has_room(t):
                    t.put(prefix + key, _pack(numbers))
                else:
                    has_all = False
            return has_all

        return self._table.write(change)

    def totals(self, prefix: bytes) -> dict[bytes, Numbers]:
        return {key[1:]: _unpack(value) for key, value in self._table.iterate(_SUM + prefix)}

    def reports(self, prefix: bytes) -> list[tuple[int, bytes, Numbers]]:
        at, found, ended = 1 + _PROCESS.size, list[tuple[int, bytes, Numbers]](), set[int]()
        for key, value in self._table.iterate(_REPORT):
            (process,) = _PROCESS.unpack_from(key, 1)
            if process in ended or not is_alive(process):
                ended.add(process)
            elif key.startswith(prefix, at):
                found.append((process, key[at:], _unpack(value)))
        with suppress(ZoneFull):  # what is left is skipped again the next time
            for process in ended:
                self._forget(_REPORT + _PROCESS.pack(process))
        return found

    def forget(self, prefix: bytes) -> None:
        self._forget(_SUM + prefix)

    def remove(self, keys: Iterable[bytes]) -> None:
        gone = [_SUM + key for key in keys]

        def change(t: Transaction) -> None:
            for key in gone:
                t.delete(key)

        self._table.write(change)

    def _forget(self, prefix: bytes) -> None:
        self._table.write(lambda t: _delete(t, prefix))


def _delete(t: Transaction, prefix: bytes) -> set[bytes]:
    """Deletes the keys with the prefix, and returns them."""
    cursor, found = t.cursor(), set[bytes]()
    while cursor.set_range(prefix) and (key := cursor.key()).startswith(prefix):
        t.delete(key)
        found.add(key)
    return found


def _pack(numbers: Numbers) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def _unpack(value: bytes) -> Numbers:
    return struct.unpack(f"<{len(value) // 8}q", value)
