"""The servers of sessions in LMDB: the time of the last use, and the id of the server."""

from __future__ import annotations

import struct

from .lmdb_table import LmdbTable, evict_oldest

_LAST = struct.Struct("=d")


def _last(value: bytes) -> float:
    last: float = _LAST.unpack_from(value)[0]
    return last


_evict = evict_oldest(_last)


class LmdbSessions:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def find(self, key: bytes, since: float) -> str:
        value = self._table.get(key)
        if value is None or _last(value) < since:
            return ""
        return value[_LAST.size :].decode("latin-1")

    def note(self, key: bytes, sid: str, now: float, *, create: bool) -> bool:
        new = _LAST.pack(now) + sid.encode("latin-1")

        def change(old: bytes | None) -> bytes | None:
            return new if create or old is not None else None

        return self._table.update(key, change, _evict)

    def expire(self, before: float) -> int:
        old = [key for key, value in self._table.iterate() if _last(value) < before]

        def forget(key: bytes) -> None:
            def change(value: bytes | None) -> bytes | None:
                return None if value is None or _last(value) < before else value

            self._table.update(key, change)

        for key in old:
            forget(key)
        return len(old)
