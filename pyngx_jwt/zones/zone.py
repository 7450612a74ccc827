"""A zone: named memory that the worker processes share, and the stores that are made of it."""

from __future__ import annotations

from .lmdb_cache import LmdbCacheIndex
from .lmdb_connections import LmdbConnections
from .lmdb_counters import LmdbCounters
from .lmdb_dict import LmdbDict
from .lmdb_environment import LmdbEnvironment
from .lmdb_keyval import LmdbKeyVal
from .lmdb_peers import LmdbPeers
from .lmdb_rates import LmdbRates
from .lmdb_records import LmdbRecords
from .lmdb_sessions import LmdbSessions
from .lmdb_sums import LmdbSums
from .lmdb_table import LmdbTable
from .store import (
    CacheIndex,
    Connections,
    Counters,
    KeyVal,
    Rates,
    Records,
    Sessions,
    SharedDict,
    SharedPeers,
    Sums,
)


class Zone:
    """One zone, for one use; its store may be made early and is used once the zone is placed.

    ``size`` is in bytes, as configured.
    """

    __slots__ = ("_table", "name", "noreuse", "size", "tag")

    def __init__(self, name: str, size: int, tag: str) -> None:
        self.name, self.size, self.tag = name, size, tag
        self.noreuse = False  # a reload starts this zone afresh
        self._table = LmdbTable(name)

    # -- stores ----------------------------------------------------------------------------

    def rates(self) -> Rates:
        return LmdbRates(self._table)

    def connections(self) -> Connections:
        return LmdbConnections(self._table)

    def peers(self, group: str, values: int = 6) -> SharedPeers:
        """Of one upstream, with so many values for each peer; several may share a zone."""
        return LmdbPeers(self._table, group, values)

    def sessions(self) -> Sessions:
        return LmdbSessions(self._table)

    def cache_index(self) -> CacheIndex:
        """Of a zone whose size is known."""
        return LmdbCacheIndex(self._table, self.size)

    def counters(self) -> Counters:
        return LmdbCounters(self._table)

    def keyval(self) -> KeyVal:
        return LmdbKeyVal(self._table)

    def dictionary(self) -> SharedDict:
        """Of a zone whose size is known."""
        return LmdbDict(self._table, self.size)

    def records(self) -> Records:
        return LmdbRecords(self._table)

    def sums(self) -> Sums:
        return LmdbSums(self._table)

    @property
    def used(self) -> int:
        """Bytes of the zone that are in use."""
        return self._table.used()

    @property
    def records_held(self) -> int:
        """How many records are in the zone."""
        return self._table.count()

    # -- life ------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens now what would be opened on first use."""
        environment = self._table.placed()
        if environment.begin is None:
            environment.open()

    @property
    def is_there(self) -> bool:
        """Whether other processes can open it."""
        return self._table.placed().is_there

    def close(self) -> None:
        if self._table.environment is not None:
            self._table.environment.close()

    def place(self, path: str, old: Zone | None = None) -> None:
        """Gives the zone its memory: that of ``old`` if it can be kept, else the path.

        Raises OSError."""
        memory = old._table.environment if old is not None and self._continues(old) else None
        if memory is None or not memory.is_there:
            memory = LmdbEnvironment(path, self.size)
            memory.create()
        self._table.environment, self._table.size = memory, self.size

    def _continues(self, old: Zone) -> bool:
        return (self.name, self.size, self.tag) == (old.name, old.size, old.tag) and (
            not self.noreuse
        )

    def retire(self, successor: Zone | None) -> None:
        """Removes the zone's memory unless the successor goes on with it."""
        memory = self._table.environment
        if memory is not None and (successor is None or successor._table.environment is not memory):
            memory.remove()

    def check_readers(self) -> None:
        """Frees what processes that were killed have left; the zone may be closed."""
        memory = self._table.placed()
        if memory.environment is not None:
            memory.reader_check()
        else:
            memory.open()
            memory.reader_check()
            memory.close()
