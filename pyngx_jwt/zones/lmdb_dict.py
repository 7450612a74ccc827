"""Dictionaries of code that workers run, in LMDB.

A record is kept under a digest of its key.  What was used longest ago makes room, near enough:
the oldest of a sample.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from .lmdb_table import LmdbTable, Transaction, evict_oldest
from .store import Change, DictEntry, Stored, ZoneFull

# When it expires and when it was last used, in milliseconds, flags, and the length of the key.
_HEAD = struct.Struct(">QQIH")
_LAST_USE = struct.Struct(">Q")
_PRECISION = 1000  # milliseconds between uses that are noted
_MOST_EVICTED = 30  # records that make room for one, as in ngx_http_lua_shdict


class LmdbDict:
    __slots__ = ("_size", "_table")

    def __init__(self, table: LmdbTable, size: int) -> None:
        self._table, self._size = table, size

    def get(self, key: bytes, now: int) -> DictEntry | None:
        name = _name(key)
        raw = self._table.get(name)
        if raw is None:
            return None
        entry, used = _unpack(raw, key)
        if now - used >= _PRECISION and not entry.has_expired(now):
            self._table.update(name, lambda old: _touched(old, now))
        return entry

    def update(self, key: bytes, now: int, change: Change, *, evicts: bool = True) -> Stored:
        name = _name(key)

        def step(t: Transaction) -> Stored:
            raw = t.get(name)
            old = _unpack(raw, key)[0] if raw is not None else None
            new = change(old)
            if new is old:
                return Stored(True, False)
            if new is None:
                return Stored(t.delete(name), False)
            packed = _pack(key, new, now)
            evicted = self._make_room(t, len(packed) - len(raw or b""), now if evicts else 0)
            if evicted is None:
                return Stored(False, False)
            t.put(name, packed)
            return Stored(True, evicted)

        try:
            return self._table.write(step)
        except ZoneFull:
            return Stored(False, False)

    def _make_room(self, t: Transaction, needed: int, now: int) -> bool | None:
        """Whether something had to go that had not expired; None if there is no room.

        Nothing is evicted without a time."""
        if needed <= 0:
            return False
        page = t.stat()["psize"]
        pages = needed // page if needed > page // 2 else 0
        if (pages + 1) * page > max(self._size, 4 * page):
            return None
        evicted = False
        for _ in range(_MOST_EVICTED):
            stat = t.stat()
            used = stat["leaf_pages"] + stat["branch_pages"] + stat["overflow_pages"]
            if (used + pages + 1) * page <= max(self._size, 4 * page):
                return evicted
            if not now or not evict_oldest(_age)(t):
                return None
            evicted = True
            if not pages:  # what a small record leaves is room on a page
                return evicted
        return None

    def entries(self) -> Iterator[tuple[bytes, DictEntry]]:
        for _, raw in self._table.iterate():
            head = _HEAD.unpack_from(raw)
            key = raw[_HEAD.size : _HEAD.size + head[3]]
            yield key, _unpack(raw, key)[0]

    def expire(self, now: int, most: int) -> int:
        count = 0
        for key, entry in self.entries():
            if most and count >= most:
                break
            if entry.has_expired(now):
                self.update(key, now, lambda old: None)
                count += 1
        return count

    def free(self) -> int:
        def look(t: Transaction) -> int:
            stat = t.stat()
            used = stat["leaf_pages"] + stat["branch_pages"] + stat["overflow_pages"]
            return max(self._size - used * stat["psize"], 0)

        return self._table.read(look)


def _name(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=16).digest()


def _pack(key: bytes, entry: DictEntry, now: int) -> bytes:
    return _HEAD.pack(entry.expires, now, entry.flags, len(key)) + key + entry.value


def _unpack(raw: bytes, key: bytes) -> tuple[DictEntry, int]:
    expires, used, flags, length = _HEAD.unpack_from(raw)
    return DictEntry(raw[_HEAD.size + length :], flags, expires), used


def _touched(raw: bytes | None, now: int) -> bytes | None:
    return None if raw is None else raw[:8] + _LAST_USE.pack(now) + raw[16:]


def _age(raw: bytes) -> float:
    used: int = _LAST_USE.unpack_from(raw, 8)[0]
    return used
