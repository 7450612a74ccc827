"""Runs statements as they are read: finds their directives, and opens and closes blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..conf.block import ConfBlock
from ..conf.directive import Conf, Directive
from ..conf.entries import Entries
from ..conf.known import declarations
from ..conf.parse import END_BLOCK, Source, Statement
from ..conf.running import IncludeNesting, run_block
from ..conf.scope import Scope
from ..conf.shape import check_shape
from ..core.module import AnyModule
from ..errors import ConfError

Table = dict[str, list[tuple[type[Conf], Directive]]]


def directives_of(modules: tuple[AnyModule, ...]) -> Table:
    """What each name means to these modules, in different contexts perhaps."""
    table: Table = {}
    for conf in dict.fromkeys(module.conf for module in modules):  # some share theirs
        for name, directive in conf.directives.items():
            table.setdefault(name, []).append((conf, directive))
    return table


class StatementReader:
    """Runs statements as they are read, file by file, level by level."""

    __slots__ = ("files", "nesting", "scope", "table")

    def __init__(self, scope: Scope, table: Table) -> None:
        self.scope = scope
        self.table = table
        self.files: dict[str, str] = {}
        self.nesting = IncludeNesting()

    def run(self, source: Source, level: ConfBlock) -> None:
        """Runs a file, or a block of it, to its end."""

        def take(statement: Statement) -> None:
            self._apply(statement, source, level)

        def fail(error: ConfError, statement: Statement | None) -> None:
            self.scope.watch.failed(error, level, statement)

        run_block(source, take, fail)

    def open(self, path: str) -> Source:
        source = self.scope.files.open(path)
        self.files.setdefault(path, source.text)
        return source

    def _included(self, statement: Statement) -> Iterator[Source]:
        if len(statement.args) != 1:
            raise ConfError('invalid number of arguments in "include" directive')
        for path in self.scope.files.expand(statement.args[0], self.scope.options.conf_prefix):
            self.scope.watch.included(statement, path)
            yield self.open(path)

    def _apply(self, statement: Statement, source: Source, level: ConfBlock) -> None:
        if statement.name == "include" and not statement.opens:
            self._include(statement, level)
            return
        declared = self._find(statement, source, level)
        if declared is None:
            return
        kind, directive = declared
        self.scope.statement = statement
        self.scope.watch.seen(statement, level)
        if directive.raw:
            entries = Entries(statement, source, self.scope, self._included)
            directive.set(level[kind], *statement.args, entries=entries)
        elif directive.opens:
            self._open(statement, directive, kind, source, level)
            return
        else:
            directive.set(level[kind], *statement.args)
        level.statements.setdefault(statement.name, []).append(statement)

    def _include(self, statement: Statement, level: ConfBlock) -> None:
        with self.nesting.include(statement):
            for included in self._included(statement):
                self.run(included, level)

    def _open(
        self,
        statement: Statement,
        directive: Directive,
        kind: type[Any],
        source: Source,
        level: ConfBlock,
    ) -> None:
        assert directive.opens is not None
        opens = directive.opens.within(level.context)
        inner = level.open(opens)
        if opens.shares:
            inner.confs = level.confs
        try:
            directive.set(inner[kind], *statement.args)
        except ConfError as error:
            self.scope.watch.failed(source.locate(error), level, statement)
        else:
            if not opens.shares:
                level.levels.append(inner)
        self.scope.watch.opened(inner)
        self.run(source, inner)
        opens.close(inner)

    def _find(
        self, statement: Statement, source: Source, level: ConfBlock
    ) -> tuple[type[Conf], Directive] | None:
        """The checks of ngx_conf_handler(), in its order and its words."""
        name = statement.name
        declared = self.table.get(name)
        for kind, directive in declared or ():
            if directive.contexts & level.context:
                check_shape(statement, (directive,))
                return kind, directive
        if self.scope.watch.foreign(statement, source, level):
            return None
        if declared and not _is_of_stream(name, level):
            raise ConfError(f'"{name}" directive is not allowed here')
        self._unknown(statement, source, level)
        return None

    def _unknown(self, statement: Statement, source: Source, level: ConfBlock) -> None:
        """Raises, unless a module leaves the directive out."""
        for module in self.scope.modules:
            for leaves_out in module.unknown:
                if leaves_out(statement, level):
                    if statement.opens:
                        _skip_block(source)
                    return
        raise ConfError(f'unknown directive "{statement.name}"')


def _is_of_stream(name: str, level: ConfBlock) -> bool:
    """Whether nginx has a directive of "stream" with the name of one that only "http" has here."""
    path = level.context.path
    return path.startswith("stream") and any(known.allows(path) for known in declarations(name))


def _skip_block(source: Source) -> None:
    depth = 1
    while depth:
        statement = source.next()
        if statement is END_BLOCK:
            depth -= 1
        elif isinstance(statement, Statement) and statement.opens:
            depth += 1
