"""Takes down everything that is wrong with a configuration, where a server stops at the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ...conf.block import ConfBlock
from ...conf.parse import Source, Statement
from ...conf.scope import Scope
from ...conf.watch import ConfFiles, LoadWatch
from ...errors import ConfError
from .foreign import Foreign
from .machine import is_absent, is_settled
from .target import TargetServer

_PLACE = re.compile(r" in ((?:(?! in ).)+):(\d+)\Z")


class Trouble(NamedTuple):
    """An error, or a warning, with what was being done."""

    error: ConfError
    level: ConfBlock | None
    statement: Statement | None
    is_warning: bool = False


class Note(NamedTuple):
    """A directive that nginx has and pyngx does not run, and whose it is."""

    statement: Statement
    module: str


class Collector(LoadWatch):
    """Remembers errors, and which statements stand on which level."""

    caught = (Exception,)
    sees_entries = wants_all = True

    def __init__(self, target: TargetServer) -> None:
        self.target = target
        self.troubles: list[Trouble] = []
        self.notes: list[Note] = []
        self.statements: dict[ConfBlock, list[Statement]] = {}
        self.entries: dict[Statement, list[Statement]] = {}
        self.foreign_statements: list[Statement] = []
        self.foreign_by_level: dict[ConfBlock, list[Statement]] = {}
        self.includes: list[tuple[Statement, str]] = []
        self.unread: dict[ConfBlock | None, list[Statement]] = {}
        self.unread_entries: set[Statement] = set()
        self.wrong: dict[ConfBlock, list[Statement]] = {}
        self._foreign: Foreign | None = None

    def begin(self, scope: Scope, files: ConfFiles) -> None:
        """Before anything is read."""
        scope.watch, scope.files = self, files
        self._foreign = Foreign(self.target, scope, files, self._note, self._error)

    def seen(self, statement: Statement, level: ConfBlock) -> None:
        if self.target.name and not self.target.has(statement.name):
            raise ConfError(f'unknown directive "{statement.name}"')
        if parameter := self.target.lacks(statement):
            raise ConfError(f'invalid parameter "{parameter}"')
        statements = self.statements.get(level)
        if statements is None:
            self.statements[level] = [statement]
        else:
            statements.append(statement)

    def seen_entry(self, entry: Statement, block: Statement) -> None:
        self.entries.setdefault(block, []).append(entry)

    def included(self, statement: Statement, path: str) -> None:
        self.includes.append((statement, path))

    def failed(
        self, error: Exception, level: ConfBlock | None, statement: Statement | None = None
    ) -> None:
        if isinstance(error, ConfError):
            self.troubles.append(Trouble(error, level, statement))
            if statement is not None and level is not None:
                self.wrong.setdefault(level, []).append(statement)
            if statement is not None and is_absent(str(error.args[0])):
                self._missed(statement, level)
        elif not self.troubles:
            raise error

    def _missed(self, statement: Statement, level: ConfBlock | None) -> None:
        """A part of the configuration is missing: a file that an "include" names, or an
        "include" in a block of entries."""
        if statement.opens:
            self.unread_entries.add(statement)
        elif statement.name == "include" and not is_settled(statement.args[0]):
            self.unread.setdefault(level, []).append(statement)

    def warn(self, text: str, scope: Callable[[], Scope | None]) -> None:
        """A [warn] of the configuration, with nginx's place at its end."""
        current = scope()
        statement = current.statement if current is not None else None
        match = _PLACE.search(text)
        error, level = ConfError(text[: match.start()] if match else text), None
        if match is not None:
            error.at(match[1], int(match[2]))
            if statement is None or f'"{statement.name}"' not in text:
                level = self._opened_at(match[1], int(match[2]), text)
                statement = None if level is not None else statement
        self.troubles.append(Trouble(error, level, statement, is_warning=True))

    def _opened_at(self, file: str, line: int, text: str) -> ConfBlock | None:
        """The block that begins in a line, and has a directive that a text names; the innermost
        if there are several."""
        for level in reversed(self.statements):
            opening = level.statement
            is_there = opening is not None and (opening.file, opening.line) == (file, line)
            if is_there and any(f'"{s.name}"' in text for s in self.statements[level]):
                return level
        return None

    def foreign(self, statement: Statement, source: Source, level: ConfBlock) -> bool:
        assert self._foreign is not None
        if not self._foreign.take(statement, source, level):
            return False
        self.foreign_by_level.setdefault(level, []).append(statement)
        return True

    def notes_of(self, level: ConfBlock) -> list[Statement]:
        """The directives of a level that are known and not run."""
        return self.foreign_by_level.get(level, [])

    def _note(self, statement: Statement, module: str) -> None:
        self.foreign_statements.append(statement)
        if module:
            self.notes.append(Note(statement, module))

    def _error(self, error: ConfError, statement: Statement | None) -> None:
        self.failed(error, None, statement)
