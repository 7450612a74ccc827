"""How much of a shared map this machine has: kept with the copy itself, so that all workers know,
and a reload that keeps the copy keeps the knowledge as well."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

# Makes a change in the copy: key, value (None: removed), and when it expires, in seconds since the
# epoch (0: never).  False if there is no room for it.
Apply = Callable[[bytes, bytes | None, float], bool]
Items = Callable[[], Iterable[tuple[bytes, bytes, float]]]  # all that the copy has
NAME = b"copy"


class CopyState(Enum):
    """UNKNOWN: the map was never copied to its end, so that "not here" does not mean "not there".
    PARTIAL: it was, but there was no room for all of it."""

    UNKNOWN = b""
    PARTIAL = b"-"
    WHOLE = b"+"


class Notes(Protocol):
    """Where the state is kept."""

    def note(self, name: bytes, text: bytes) -> None: ...
    def noted(self, name: bytes) -> bytes: ...


class Copy:
    """The copy of one map.  Without notes nothing depends on whether it is whole."""

    def __init__(self, apply: Apply, items: Items, notes: Notes | None = None) -> None:
        self.apply, self.items = apply, items
        self._notes, self._source = notes, b""

    def copies(self, source: str) -> None:
        """Which map it is a copy of; what is known of another one says nothing."""
        self._source = hashlib.blake2b(source.encode("latin-1"), digest_size=16).digest()

    @property
    def state(self) -> CopyState:
        if self._notes is None:
            return CopyState.WHOLE
        text = self._notes.noted(NAME)
        if text[1:] != self._source or not text:
            return CopyState.UNKNOWN
        return CopyState(text[:1])

    def note(self, state: CopyState) -> None:
        """Raises ZoneFull where even the memory for that is exhausted."""
        if self._notes is not None and self.state is not state:
            self._notes.note(NAME, state.value + self._source)
