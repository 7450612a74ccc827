"""The state of an upstream's servers in LMDB: one value for a group.

It begins with the version of the group's roster, which has a key of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import starmap
from struct import Struct
from typing import TypeVar, cast

from .lmdb_table import LmdbTable, Transaction
from .store import PeersChanged, PeerStates, ZoneFull

T = TypeVar("T")

_VERSION = Struct("=q")
_LONGEST_KEY = 511


class LmdbPeers:
    __slots__ = ("_key", "_roster_key", "_state", "_table")

    def __init__(self, table: LmdbTable, group: str, values: int) -> None:
        self._table = table
        self._state = Struct(f"={values}q")
        self._key = group.encode("latin-1")[:_LONGEST_KEY]
        self._roster_key = b"\0" + self._key[: _LONGEST_KEY - 1]

    def transact(
        self, decide: Callable[[PeerStates | None], tuple[T, PeerStates]], version: int = 0
    ) -> T:
        decided: list[tuple[T, bytes]] = []

        def change(old: bytes | None) -> bytes:
            if not decided:  # else this is another try to write
                answer, states = decide(self._states(old, version))
                decided.append((answer, self._value(version, states)))
            return decided[0][1]

        self._table.update(self._key, change)
        return decided[0][0]

    def states(self, version: int = 0) -> PeerStates | None:
        return self._states(self._table.get(self._key), version)

    def version(self) -> int:
        if self._table.environment is None:  # of a configuration that is looked at only
            return 0
        return _version(self._table.get(self._key))

    def roster(self) -> tuple[int, bytes]:
        def look(t: Transaction) -> tuple[int, bytes]:
            return _version(t.get(self._key)), t.get(self._roster_key) or b""

        return self._table.read(look)

    def change(
        self, decide: Callable[[PeerStates | None], PeerStates], version: int, roster: bytes
    ) -> int:
        def change(t: Transaction) -> int:
            value = self._value(version + 1, decide(self._states(t.get(self._key), version)))
            if not self._table.has_room(t) or len(value) + len(roster) > self._table.size:
                raise ZoneFull(self._table.name)
            t.put(self._key, value)
            t.put(self._roster_key, roster)
            return version + 1

        return self._table.write(change)

    def note(self, roster: bytes, version: int) -> None:
        def change(t: Transaction) -> None:
            if _version(t.get(self._key)) != version:
                raise PeersChanged
            if t.get(self._roster_key) is not None or self._table.has_room(t):
                t.put(self._roster_key, roster)

        with suppress(ZoneFull):
            self._table.write(change)

    def _states(self, value: bytes | None, version: int) -> PeerStates | None:
        """What is known of the peers of that version; raises PeersChanged."""
        if value is None:
            return None
        if _version(value) != version:
            raise PeersChanged
        return cast("PeerStates", self._state.iter_unpack(memoryview(value)[_VERSION.size :]))

    def _value(self, version: int, states: PeerStates) -> bytes:
        return _VERSION.pack(version) + b"".join(starmap(self._state.pack, states))


def _version(value: bytes | None) -> int:
    return 0 if value is None else cast("int", _VERSION.unpack_from(value)[0])
