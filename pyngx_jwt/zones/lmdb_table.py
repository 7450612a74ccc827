"""Bytes by key in an LMDB environment: what the stores of this engine are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

import lmdb

from .lmdb_environment import NO_ROOM, Begin, LmdbEnvironment
from .store import ZoneFull

T = TypeVar("T")
Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Change = Callable[[bytes | None], bytes | None]  # None is "no such key"
# Deletes something that can be missed; False when there is nothing of the kind.
Evict = Callable[[Transaction], bool]

SAMPLE = 16
BATCH = 256


class LmdbTable:
    """One zone: bytes by key (1 to 511 bytes).

    ``size`` is in bytes, as configured; a table is full when the pages of its tree take more.
    """

    __slots__ = ("environment", "name", "size")

    def __init__(self, name: str) -> None:
        self.name, self.size = name, 0
        self.environment: LmdbEnvironment | None = None  # until the zone is placed

    # -- one key ---------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        transaction = self._reading()
        try:
            return transaction.get(key)
        finally:
            transaction.abort()

    def put(self, key: bytes, value: bytes) -> bool:
        """False when the zone is full, and the zone is as it was."""
        return self.update(key, lambda _: value)

    def delete(self, key: bytes) -> bool:
        """Whether the key was there."""
        return self.write(lambda t: t.delete(key))

    def update(self, key: bytes, change: Change, evict: Evict | None = None) -> bool:
        """Replaces the value by what ``change`` makes of it, with all processes kept out.

        None is "no such key" in both directions.  ``change`` must not use the zone itself and
        may run twice.  ``evict`` makes room before a new key is put in a full zone.
        False when a new key does not fit; the zone is as it was.
        """
        try:
            return self._update(key, change, evict)
        except NO_ROOM:
            self.placed().reader_check()
        try:
            return self._update(key, change, evict)
        except NO_ROOM:
            return False

    def _update(self, key: bytes, change: Change, evict: Evict | None) -> bool:
        transaction = self._begin()(None, None, True)
        try:
            old = transaction.get(key)
            new = change(old)
            if new is None:
                transaction.delete(key)
            elif old is not None or self.has_room(transaction, evict):
                transaction.put(key, new)
            else:
                transaction.abort()
                return False
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return True

    # -- several keys ----------------------------------------------------------------------

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Runs ``look`` on one state of the zone; it must not wait for anything."""
        transaction = self._reading()
        try:
            return look(transaction)
        finally:
            transaction.abort()

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Runs ``change`` with all processes kept out; all it does is kept, or nothing.

        It must not use the zone itself and may run twice.  Whether there
        is room for more, it asks ``has_room``.  What it raises ends it, and ZoneFull is
        raised when the memory is exhausted.
        """
        try:
            return self._write(change)
        except NO_ROOM:
            self.placed().reader_check()
        try:
            return self._write(change)
        except NO_ROOM:
            raise ZoneFull(self.name) from None

    def _write(self, change: Callable[[Transaction], T]) -> T:
        transaction = self._begin()(None, None, True)
        try:
            value = change(transaction)
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return value

    def iterate(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The keys with the prefix in their order, in batches, each of one moment.

        What is put or deleted meanwhile is seen or not, but nothing is seen twice.
        """
        start = prefix
        while True:
            batch = self.read(lambda t, start=start: _batch(t, prefix, start))  # type: ignore[misc]
            yield from batch
            if len(batch) < BATCH:
                return
            start = batch[-1][0] + b"\0"

    def count(self) -> int:
        """How many keys there are."""
        transaction = self._reading()
        try:
            return transaction.stat()["entries"]
        finally:
            transaction.abort()

    def used(self) -> int:
        """Bytes of the pages that are in use."""
        return self.read(lambda t: _used(t)[0])

    # -- transactions ----------------------------------------------------------------------

    def has_room(self, t: Transaction, evict: Evict | None = None, length: int = 0) -> bool:
        """Whether there is room for another page, or for so many bytes.

        One out, one in: a deleted key does not give back a page, but room on one."""
        used, page = _used(t)
        if used + max(page, length) <= max(self.size, 4 * page):
            return True
        return evict is not None and evict(t)

    def is_exhausted(self, t: Transaction) -> bool:
        """Whether the memory, which is larger than the zone, has no more than what later changes
        need, for pages are copied even to delete."""
        whole = self.placed().map_size
        return _used(t)[0] > whole - whole // 8

    def placed(self) -> LmdbEnvironment:
        """The environment; raises RuntimeError before there is one."""
        if self.environment is None:
            raise RuntimeError(f'zone "{self.name}" is used before Zones.start()')
        return self.environment

    def _reading(self) -> Transaction:
        begin = self._begin()
        try:
            return begin()
        except lmdb.ReadersFullError:
            self.placed().reader_check()
            return begin()

    def _begin(self) -> Begin:
        environment = self.environment or self.placed()
        return environment.begin or environment.open()


def _used(t: Transaction) -> tuple[int, int]:
    """Bytes of the tree, and of one of its pages."""
    stat = t.stat()
    pages = stat["leaf_pages"] + stat["branch_pages"] + stat["overflow_pages"]
    return pages * stat["psize"], stat["psize"]


def _batch(t: Transaction, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
    cursor, items = t.cursor(), list[tuple[bytes, bytes]]()
    more = cursor.set_range(start) if start else cursor.first()
    while more and len(items) < BATCH and (key := cursor.key()).startswith(prefix):
        items.append((key, cursor.value()))
        more = cursor.next()
    return items


def first(t: Transaction, prefix: bytes) -> tuple[bytes, bytes] | None:
    """The first key with the prefix, and its value."""
    cursor = t.cursor()
    if not cursor.set_range(prefix) or not (key := cursor.key()).startswith(prefix):
        return None
    return key, cursor.value()


def evict_oldest(age: Callable[[bytes], float]) -> Evict:
    """Evicts the value of the lowest ``age`` among some neighbours at a random place.

    Near enough to the least recently used, without a list of them that every use would
    have to change.  Keys should be digests: the place is random among those.
    """

    def evict(t: Transaction) -> bool:
        cursor, sample = t.cursor(), list[tuple[float, bytes]]()
        more = cursor.set_range(random.randbytes(8)) or cursor.first()
        while more and len(sample) < SAMPLE:
            sample.append((age(cursor.value()), cursor.key()))
            more = cursor.next()
        return bool(sample) and t.delete(min(sample)[1])

    return evict
