"""The state of an upstream's servers in LMDB: one value for a group."""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from struct import Struct
from typing import TypeVar, cast

from .lmdb_table import LmdbTable
from .store import PeerStates

T = TypeVar("T")

_STATE = Struct("=6q")
_LONGEST_KEY = 511


class LmdbPeers:
    __slots__ = ("_key", "_table")

    def __init__(self, table: LmdbTable, group: str) -> None:
        self._table = table
        self._key = group.encode("latin-1")[:_LONGEST_KEY]

    def transact(self, decide: Callable[[PeerStates | None], tuple[T, PeerStates]]) -> T:
        decided: list[tuple[T, bytes]] = []

        def change(old: bytes | None) -> bytes:
            if not decided:  # else this is another try to write
                known = None if old is None else _STATE.iter_unpack(old)
                answer, states = decide(cast("PeerStates | None", known))
                decided.append((answer, b"".join(starmap(_STATE.pack, states))))
            return decided[0][1]

        self._table.update(self._key, change)
        return decided[0][0]
