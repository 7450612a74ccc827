"""Directives that nginx has and pyngx does not run: checked as far as their place and the number
of their arguments go, in nginx's order and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...conf.block import ConfBlock
from ...conf.known import contexts, declarations, declared_in
from ...conf.parse import Source, Statement
from ...conf.running import IncludeNesting, run_block
from ...conf.scope import Scope
from ...conf.watch import ConfFiles
from ...errors import ConfError
from ...modules.missing import MissingConf
from .target import TargetServer

_OWN = {"oidc_provider", "acme_issuer"}  # blocks whose context is called like themselves

NoteDown = Callable[[Statement, str], None]
TakeDown = Callable[[ConfError, Statement | None], None]


class Foreign:
    """Reads what the compiler has no meaning for."""

    def __init__(
        self, target: TargetServer, scope: Scope, files: ConfFiles, note: NoteDown, fail: TakeDown
    ) -> None:
        self._target, self._scope, self._files = target, scope, files
        self._note, self._fail = note, fail
        self._nesting, self._inner = IncludeNesting(), 0

    def take(self, statement: Statement, source: Source, level: ConfBlock) -> bool:
        """Reads a directive and its block; False if nginx does not have it, or not here, as far
        as is known."""
        known = bool(declarations(statement.name)) and not _is_dialect(statement.name)
        if not self._target.has(statement.name):
            raise ConfError(f'unknown directive "{statement.name}"')
        if not known or not self._target.runs_all:
            return False
        self._apply(statement, source, level.context.path)
        level[MissingConf].note(statement)
        return True

    def _apply(self, statement: Statement, source: Source, context: str) -> None:
        module = declared_in(statement, context).module
        self._note(statement, "" if self._inner else module)
        if statement.opens:
            self._inner += 1
            self._read(source, _inside(statement.name, context))
            self._inner -= 1

    def _read(self, source: Source, context: str) -> None:
        """Goes through a block to its end."""
        if context not in contexts():
            for entry in _entries(source):
                self._note(entry, "")
            return

        def take(statement: Statement) -> None:
            self._take_inner(statement, source, context)

        run_block(source, take, self._fail)

    def _take_inner(self, statement: Statement, source: Source, context: str) -> None:
        name = statement.name
        if name == "include" and not statement.opens and len(statement.args) == 1:
            self._include(statement, context)
            return
        if not declarations(name) or not self._target.has(name):
            raise ConfError(f'unknown directive "{name}"')
        self._apply(statement, source, context)

    def _include(self, statement: Statement, context: str) -> None:
        with self._nesting.include(statement):
            for path in self._files.expand(statement.args[0], self._scope.options.conf_prefix):
                self._scope.watch.included(statement, path)
                self._read(self._files.read(path), context)


def _is_dialect(name: str) -> bool:
    """JWT directives belong to the dialects, which say more of them."""
    return name.startswith("auth_jwt")


def _inside(name: str, context: str) -> str:
    if name in _OWN or context == "main":
        return name
    return f"{context}.{name}"


def _entries(source: Source) -> Iterator[Statement]:
    """Goes through a block of entries."""
    depth = source.depth
    while source.depth >= depth and (entry := source.next()) is not None:
        if isinstance(entry, Statement):
            yield entry
