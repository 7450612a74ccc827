"""Values by key in LMDB.

A record is kept under a digest of its key, which may be longer than LMDB's.  What expires has a
place in a queue by its time as well.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .lmdb_table import LmdbTable, Transaction, first
from .store import ZoneFull

_START = struct.Struct(">QI")  # when it expires, in milliseconds, and the length of the key
_WHEN = struct.Struct(">Q")
_RECORD_PREFIX, _QUEUE_PREFIX, _NOTE_PREFIX = b"k", b"q", b"n"
_MOST_AT_ONCE = 1000
_LATEST = (1 << 64) - 1  # milliseconds: all that a place in the queue can name


class _Record(NamedTuple):
    expires: int  # milliseconds; 0 is never
    key: bytes
    value: bytes

    def has_expired(self, now: float) -> bool:
        return 0 < self.expires <= _milliseconds(now)


class LmdbKeyVal:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def get(self, key: bytes, now: float) -> bytes | None:
        raw = self._table.get(_name(key))
        if raw is None:
            return None
        record = _unpack(raw)
        return None if record.has_expired(now) else record.value

    def set(self, key: bytes, value: bytes, expires: float = 0.0) -> bool:
        name, record = _name(key), _pack(key, value, expires)

        def change(t: Transaction) -> bool:
            raw = t.get(name)
            growth = len(record) - (0 if raw is None else len(raw))
            if growth > 0 and not self._table.has_room(t, length=growth):
                return False
            _put(t, name, raw, record)
            return True

        try:
            return self._table.write(change)
        except ZoneFull:
            return False

    def restore(self, values: Sequence[tuple[bytes, bytes]], expires: float = 0.0) -> bool:
        def change(t: Transaction) -> None:
            for key, value in values:
                name = _name(key)
                _put(t, name, t.get(name), _pack(key, value, expires))
            if self._table.is_exhausted(t):
                raise ZoneFull(self._table.name)

        try:
            self._table.write(change)
        except ZoneFull:
            return False
        return True

    def delete(self, key: bytes) -> bool:
        name = _name(key)

        def change(t: Transaction) -> bool:
            raw = t.get(name)
            if raw is None:
                return False
            _leave_queue(t, name, raw)
            return t.delete(name)

        return self._table.write(change)

    def expire(self, now: float) -> int:
        count = deleted = self._expire_some(now)
        while deleted == _MOST_AT_ONCE:  # others get their turn in between
            deleted = self._expire_some(now)
            count += deleted
        return count

    def _expire_some(self, now: float) -> int:
        until = _WHEN.pack(_milliseconds(now))

        def change(t: Transaction) -> int:
            for count in range(_MOST_AT_ONCE):
                oldest = first(t, _QUEUE_PREFIX)
                if oldest is None or oldest[0][1:9] > until:
                    return count
                t.delete(oldest[0])
                t.delete(_RECORD_PREFIX + oldest[0][9:])
            return _MOST_AT_ONCE

        return self._table.write(change)

    def items(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        for _, raw in self._table.iterate(_RECORD_PREFIX):
            record = _unpack(raw)
            if not record.has_expired(now):
                yield record.key, record.value

    def note(self, name: bytes, text: bytes) -> None:
        self._table.write(lambda t: t.put(_NOTE_PREFIX + name, text))

    def noted(self, name: bytes) -> bytes:
        return self._table.get(_NOTE_PREFIX + name) or b""


def _name(key: bytes) -> bytes:
    return _RECORD_PREFIX + hashlib.blake2b(key, digest_size=16).digest()


def _place(name: bytes, when: int) -> bytes:
    return _QUEUE_PREFIX + _WHEN.pack(when) + name[1:]


def _pack(key: bytes, value: bytes, expires: float) -> bytes:
    return _START.pack(_milliseconds(expires), len(key)) + key + value


def _put(t: Transaction, name: bytes, old: bytes | None, record: bytes) -> None:
    """Puts a record in the place of the old one."""
    if old is not None:
        _leave_queue(t, name, old)
    t.put(name, record)
    when, _ = _START.unpack_from(record)
    if when:
        t.put(_place(name, when), b"")


def _leave_queue(t: Transaction, name: bytes, raw: bytes) -> None:
    when, _ = _START.unpack_from(raw)
    if when:
        t.delete(_place(name, when))


def _unpack(raw: bytes) -> _Record:
    when, length = _START.unpack_from(raw)
    end = _START.size + length
    return _Record(when, raw[_START.size : end], raw[end:])


def _milliseconds(seconds: float) -> int:
    return min(int(seconds * 1000), _LATEST)
