"""Rows that a worker counts in, and the sums of all workers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence

from ..zones import ZoneFull
from ..zones.store import Numbers, Sums
from .kinds import CODES, Kind

INTERVAL = 1.0  # seconds between two reports of a worker
LONGEST_KEY = 400
# No directive can refer to a zone of this name.
ZONE, ZONE_SIZE, ZONE_TAG = "metrics:", 4 << 20, "metrics"

Names = tuple[str, ...]
Reported = tuple[Kind, Names, Numbers]


class Row:
    """Numbers of one thing, counted in this process since they were last added to the sums."""

    __slots__ = ("_pending", "is_pending", "key", "numbers")

    def __init__(self, key: bytes, length: int, pending: list[Row]) -> None:
        self.key, self.numbers = key, [0] * length
        self.is_pending, self._pending = False, pending

    def add(self, place: int, number: int = 1) -> None:
        """Counts at one place."""
        self.numbers[place] += number
        self.changed()

    def changed(self) -> None:
        """To be called after a change of `numbers`."""
        if not self.is_pending:
            self.is_pending = True
            self._pending.append(self)


class Tallies:
    """The statistics of a configuration.  Rows may be made early, and are used by workers."""

    def __init__(self) -> None:
        self.wanted = False  # something reports them
        self.sums: Sums | None = None
        self.notes: list[Callable[[], None]] = []  # to be run before rows are added
        self.chores: list[Callable[[], None]] = []  # to be run once per INTERVAL
        self.reporters: list[Callable[[], Iterable[Reported]]] = []  # of what a process does now
        self._rows: dict[bytes, Row] = {}
        self._pending: list[Row] = []
        self._is_full = False
        self.complain: Callable[[str], None] = lambda text: None

    def row(self, kind: Kind, *names: str) -> Row:
        """The row of a thing; the same one for the same names."""
        key = key_of(kind, names)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(key, kind.length, self._pending)
        return row

    def code(self, kind: Kind, names: Names, status: int) -> Row:
        """The row that counts the responses with a status."""
        return self.row(CODES, kind.mark.decode(), *names, str(status))

    def follow(self, row: Row, numbers: Callable[[], Sequence[int]]) -> None:
        """Counts in the row by how much numbers have grown, which something keeps anyway."""
        before = list(numbers())

        def note() -> None:
            now = list(numbers())
            if now != before:
                for place, number in enumerate(now):
                    row.numbers[place] += number - before[place]
                before[:] = now
                row.changed()

        self.notes.append(note)

    # -- what all have counted -------------------------------------------------------------

    # What this worker has counted since its last flush() is not among it.

    def totals(self, kind: Kind) -> dict[Names, Numbers]:
        """All rows of a kind by their names."""
        if self.sums is None:
            return {}
        rows = self.sums.totals(kind.mark)
        return {names_of(key): numbers for key, numbers in rows.items()}

    def reports(self, kind: Kind) -> list[tuple[int, Names, Numbers]]:
        """What all workers have reported: process, names, numbers."""
        if self.sums is None:
            return []
        found = self.sums.reports(kind.mark)
        return [(process, names_of(key), numbers) for process, key, numbers in found]

    def put(self, kind: Kind, names: Names, numbers: Numbers) -> None:
        """Replaces a row that only one process writes."""
        sums = self.sums
        if sums is not None:
            self._write(lambda: sums.put(key_of(kind, names), numbers))

    def reset(self, kind: Kind, *names: str) -> None:
        """Begins again with zeros, for a thing or for all of a kind."""
        if self.sums is None:
            return
        self.flush()
        self._forget(key_of(CODES, (kind.mark.decode(), *names, "")))
        if not names:
            self._forget(kind.mark)
            return
        self._forget(key_of(kind, (*names, "")))
        if names in self.totals(kind):
            self.put(kind, names, (0,) * kind.length)

    # -- what is gone ----------------------------------------------------------------------

    def held(self) -> Collection[bytes]:
        """The keys of the rows of this process."""
        return self._rows.keys()

    def let_go(self, keys: Iterable[bytes]) -> None:
        """Rows that are not needed.  One that is still used counts all the same, beside another one
        that is made for its names."""
        for key in keys:
            self._rows.pop(key, None)

    def keys(self, kind: Kind) -> Collection[bytes]:
        """Those of all rows of a kind."""
        return self.sums.totals(kind.mark).keys() if self.sums is not None else ()

    def remove(self, keys: Collection[bytes]) -> None:
        """Forgets what all have counted; rows that are used again begin with zeros."""
        if self.sums is not None and keys:
            sums = self.sums
            self._write(lambda: sums.remove(keys))

    # -- writing ---------------------------------------------------------------------------

    def _forget(self, prefix: bytes) -> None:
        sums = self.sums
        assert sums is not None
        self._write(lambda: sums.forget(prefix))

    def _write(self, act: Callable[[], bool | None]) -> None:
        """Changes the sums; without room for what is new, that is left out."""
        try:
            has_room = act() is not False
        except ZoneFull:
            has_room = False
        if not has_room and not self._is_full:
            self._is_full = True
            self.complain("the zone of the statistics is full, some are not counted")

    # -- the worker ------------------------------------------------------------------------

    def flush(self) -> None:
        """Adds what was counted here, and reports what is done now."""
        sums = self.sums
        if sums is None:
            return
        for note in self.notes:
            note()
        rows = list(self._pending)
        if rows:
            self._write(lambda: sums.add([(row.key, tuple(row.numbers)) for row in rows]))
        reported = [
            (key_of(kind, names), numbers)
            for report in self.reporters
            for kind, names, numbers in report()
        ]
        self._write(lambda: sums.report(reported))
        self._pending.clear()
        for row in rows:
            row.is_pending = False
            row.numbers[:] = [0] * len(row.numbers)

    async def keep(self) -> None:
        """Reports regularly, until cancelled."""
        while True:
            for chore in self.chores:
                chore()
            self.flush()
            await asyncio.sleep(INTERVAL)


def key_of(kind: Kind, names: Names) -> bytes:
    """The key of a row; names that are too long end in a digest."""
    key = kind.mark + "\0".join(names).encode("latin-1", "replace")
    if len(key) > LONGEST_KEY:
        digest = hashlib.blake2b(key, digest_size=16).hexdigest().encode()
        key = key[: LONGEST_KEY - len(digest)] + digest
    return key


def names_of(key: bytes) -> Names:
    return tuple(key[1:].decode("latin-1").split("\0")) if len(key) > 1 else ()
