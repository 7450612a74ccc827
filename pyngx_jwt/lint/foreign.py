"""Directives that nginx has and pyngx does not run: checked as far as their place and the number
of their arguments go, in nginx's order and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..conf.directive import (
    EVENTS,
    HTTP,
    LIMIT_EXCEPT,
    LOCATION,
    LOCATION_IF,
    MAIN,
    SERVER,
    SERVER_IF,
    UPSTREAM,
)
from ..conf.known import Known, contexts, declarations
from ..conf.parse import Source, Statement
from ..conf.scope import Scope
from ..conf.shape import check_shape
from ..conf.watch import Files
from ..errors import ConfError
from ..http.level import Level
from .target import Target

# The contexts of the declarations, as the table of all of nginx calls them.
BLOCKS = {
    MAIN: "main",
    EVENTS: "events",
    HTTP: "http",
    UPSTREAM: "http.upstream",
    SERVER: "http.server",
    LOCATION: "http.location",
    LIMIT_EXCEPT: "http.limit_except",
    SERVER_IF: "http.server.if",
    LOCATION_IF: "http.location.if",
}
MAX_INCLUDES = 64
_OWN = {"oidc_provider", "acme_issuer"}  # blocks whose context is called like themselves

NoteDown = Callable[[Statement, str], None]
TakeDown = Callable[[ConfError, Statement | None], None]


class Foreign:
    """Reads what the compiler has no meaning for."""

    def __init__(
        self, target: Target, scope: Scope, files: Files, note: NoteDown, fail: TakeDown
    ) -> None:
        self._target, self._scope, self._files = target, scope, files
        self._note, self._fail = note, fail
        self._depth = self._inner = 0

    def take(self, statement: Statement, source: Source, level: Level) -> bool:
        """Reads a directive and its block; False if nginx does not have it, or not here, as far
        as is known."""
        declared = declarations(statement.name)
        if not self._target.has(statement.name):
            raise ConfError(f'unknown directive "{statement.name}"')
        if not declared or not self._target.runs_all or _is_dialect(statement.name):
            return False
        context = BLOCKS[level.context]
        self._apply(statement, source, context, declared)
        return True

    def _apply(
        self, statement: Statement, source: Source, context: str, declared: tuple[Known, ...]
    ) -> None:
        known = [found for found in declared if found.allows(context)]
        if not known:
            raise ConfError(f'"{statement.name}" directive is not allowed here')
        check_shape(statement, known)
        self._note(statement, "" if self._inner else known[0].module)
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
        while True:
            depth, statement = source.depth, None
            try:
                found = source.next()
                if not isinstance(found, Statement):
                    return
                statement = found
                self._take_inner(statement, source, context)
            except ConfError as error:
                self._fail(source.locate(error), statement)
                if source.recover(depth, statement):
                    return

    def _take_inner(self, statement: Statement, source: Source, context: str) -> None:
        name = statement.name
        if name == "include" and not statement.opens and len(statement.args) == 1:
            self._include(statement, context)
            return
        declared = declarations(name)
        if not declared or not self._target.has(name):
            raise ConfError(f'unknown directive "{name}"')
        self._apply(statement, source, context, declared)

    def _include(self, statement: Statement, context: str) -> None:
        if self._depth == MAX_INCLUDES:
            raise ConfError(f'too many nested includes, "{statement.args[0]}" includes itself')
        self._depth += 1
        try:
            for path in self._files.expand(statement.args[0], self._scope.options.conf_prefix):
                self._scope.watch.included(statement, path)
                self._read(self._files.read(path), context)
        finally:
            self._depth -= 1


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
    while source.depth >= depth and (found := source.next()) is not None:
        if isinstance(found, Statement):
            yield found
