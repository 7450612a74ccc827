"""The counts of the workers in LMDB: a record for each process, and one for those that ended."""

from __future__ import annotations

import os
import struct

from .lmdb_table import LmdbTable, Transaction
from .processes import is_alive
from .store import Counts

_RECORD = struct.Struct("<6q")
_KEY = struct.Struct("<q")  # the process
_ENDED = _KEY.pack(0)


class LmdbCounters:
    __slots__ = ("_table",)

    def __init__(self, table: LmdbTable) -> None:
        self._table = table

    def report(self, own: Counts) -> None:
        self._table.put(_KEY.pack(os.getpid()), _RECORD.pack(*own))

    def total(self, own: Counts) -> Counts:
        return self._table.write(lambda t: _add_up(t, own))


def _add_up(t: Transaction, own: Counts) -> Counts:
    """All records with this process's new one; those of processes that have ended become one."""
    me, total, ended = os.getpid(), own, Counts()
    for process, counts in _records(t):
        if process == me:
            continue
        if process and not is_alive(process):
            t.delete(_KEY.pack(process))
            counts = Counts(accepted=counts.accepted, requests=counts.requests)
        elif process:
            total = total.plus(counts)
            continue
        ended = ended.plus(counts)
    t.put(_KEY.pack(me), _RECORD.pack(*own))
    t.put(_ENDED, _RECORD.pack(*ended))
    return total.plus(ended)


def _records(t: Transaction) -> list[tuple[int, Counts]]:
    cursor, counts = t.cursor(), []
    more = cursor.first()
    while more:
        (process,) = _KEY.unpack(cursor.key())
        counts.append((process, Counts(*_RECORD.unpack(cursor.value()))))
        more = cursor.next()
    return counts
