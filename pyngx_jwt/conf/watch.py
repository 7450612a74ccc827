"""What stands between a configuration and its reader: files and errors.

A server reads the disk and stops at the first error.  Tools read what is not on the disk, and
go on: they extend these classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfError
from .parse import Source, Statement, expand, read_source
from .scanned import ScannedFile, ScannedSource

H = TypeVar("H", bound=Callable[..., Any])


class ConfFiles:
    """The files of a configuration: those on the disk."""

    def __init__(self) -> None:
        self._scanned: dict[str, ScannedFile] = {}
        self.patterns: list[tuple[str, str]] = []  # of "include", with the directories they are in

    def path(self, name: str) -> str:
        """Where a file is that the configuration calls by a full name."""
        return name

    def read(self, path: str) -> Source:
        """Opens a file; raises ConfError."""
        return read_source(path)

    def keep(self, path: str, scanned: ScannedFile) -> None:
        """Keeps what a look at a file has found for open()."""
        self._scanned[path] = scanned

    def forget(self) -> None:
        """The configuration has been read."""
        self._scanned.clear()

    def open(self, path: str) -> Source:
        """As read(); a file that has been looked at, and is the same, is not parsed again."""
        source, scanned = self.read(path), self._scanned.get(path)
        is_same = scanned is not None and scanned.text == source.text
        return ScannedSource(path, scanned) if scanned and is_same else source

    def expand(self, pattern: str, base: str) -> list[str]:
        """The files that an ``include`` names, in nginx's order."""
        self.patterns.append((pattern, base))
        return expand(pattern, base)

    def expand_again(self, pattern: str, base: str) -> list[str]:
        """As expand(), when the configuration has been read."""
        return expand(pattern, base)


class LoadWatch:
    """Looks on while a configuration is read and compiled; `level` is the conf.block.ConfBlock
    that is being read or compiled."""

    sees_entries = False  # whether entries of blocks have to be read one by one for it
    wants_all = False  # whether it goes on after errors
    # What builders may raise.  After an error that was passed over they can meet anything.
    caught: tuple[type[Exception], ...] = (ConfError,)

    def seen(self, statement: Statement, level: Any) -> None:
        """A directive that is known and in its place is about to be run."""

    def seen_entry(self, entry: Statement, block: Statement) -> None:
        """An entry of a block such as ``map`` is about to be read."""

    def opened(self, level: Any) -> None:
        """A block has been opened, and is about to be read."""

    def included(self, statement: Statement, path: str) -> None:
        """A file is about to be read for an ``include``."""

    def failed(self, error: Exception, level: Any, statement: Statement | None = None) -> None:
        """Something is wrong; if this returns, the rest of the configuration is read."""
        raise error

    def built(self, handler: H, level: Any, module: str, phase: int) -> H:
        """A handler of a module has been built for a level; what stands in its place."""
        return handler

    def operation(self, operation: H, level: Any, statement: Statement | None) -> H:
        """The same of what a directive of the rewrite module does."""
        return operation

    def foreign(self, statement: Statement, source: Source, level: Any) -> bool:
        """A directive has no meaning here; whether that is all right, and its block was read."""
        return False
