"""A configuration as the linter has it: compiled as for serving, with everything that is wrong
taken down, and every statement kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...compile import read, scope_of
from ...conf.block import ConfBlock
from ...conf.directive import MAIN
from ...conf.hosts import no_network
from ...conf.parse import Source, Statement, full_name
from ...conf.scope import Scope
from ...conf.watch import ConfFiles
from ...core.main import MainConf, workers_user
from ...errors import ConfError
from ...modules.auth_jwt import (
    DEFAULT,
    DIALECTS,
    DialectChoice,
    MixedDialects,
    choose_dialect,
    warn_of_unreadable,
)
from ...options import Options
from ...zones import Zones
from .collect import Collector, Trouble
from .files import InputFiles, directory_of
from .machine import Machine
from .target import TargetServer
from .templates import Templates
from .texts import Texts


class Recorded(ConfFiles):
    """Files whose texts are kept."""

    def __init__(self, files: InputFiles, texts: Texts) -> None:
        super().__init__()
        self._files, self._texts = files, texts

    def path(self, name: str) -> str:
        return self._files.path(name)

    def read(self, path: str) -> Source:
        return self._recorded(path, self._files.read(path))

    def open(self, path: str) -> Source:
        return self._recorded(path, self._files.open(path))

    def forget(self) -> None:
        self._files.forget()

    def _recorded(self, path: str, source: Source) -> Source:
        self._texts.add(path, self._files.templates.originals.get(path, source.text))
        return source

    def expand(self, pattern: str, base: str) -> list[str]:
        paths = self._files.expand(pattern, base)
        directory = directory_of(self.path(full_name(pattern, base)))
        if not paths and not self._files.has_directory(directory):
            raise ConfError(f'the directory "{directory}" is not on this machine')
        return paths


@dataclass(slots=True)
class Analysis:
    """What was read."""

    options: Options
    root: ConfBlock
    scope: Scope
    collector: Collector
    texts: Texts
    choice: DialectChoice
    machine: Machine
    templates: Templates
    by_name: dict[str, list[tuple[ConfBlock, Statement]]] = field(default_factory=dict)
    by_statement: dict[Statement, ConfBlock] = field(default_factory=dict)
    variable_uses: dict[str, list[tuple[Statement, int]]] = field(default_factory=dict)

    def names(self) -> Iterable[str]:
        """The names of all directives."""
        self.named()
        return self.by_name

    def named(self, *names: str) -> list[tuple[ConfBlock, Statement]]:
        """All statements of these names, with the levels they stand on."""
        if not self.by_name:
            for level, statements in self.collector.statements.items():
                for statement in statements:
                    self.by_name.setdefault(statement.name, []).append((level, statement))
        return [entry for name in names for entry in self.by_name.get(name, ())]

    def entries(self, block: Statement) -> list[Statement]:
        """The entries of a block such as ``map``."""
        return self.collector.entries.get(block, [])

    @property
    def is_partial(self) -> bool:
        """Whether a file that the configuration includes could not be read."""
        return bool(self.collector.unread)

    @property
    def is_unsure(self) -> bool:
        """Whether is_partial_at() is true of any level."""
        return self.is_partial or bool(self.collector.wrong)

    def failed_at(self, level: ConfBlock | None) -> Iterator[Statement]:
        """The statements with errors on a level and on those around it."""
        while level is not None:
            yield from self.collector.wrong.get(level, ())
            level = level.outer

    def is_partial_at(self, level: ConfBlock | None) -> bool:
        """Whether it is not known all that is said of a level: in a file that could not be read,
        or by a directive on access that has an error; on the level or on those around it."""
        if any(statement.name.startswith("auth_") for statement in self.failed_at(level)):
            return True
        while level is not None:
            if level in self.collector.unread:
                return True
            level = level.outer
        return False

    def level_of(self, statement: Statement) -> ConfBlock | None:
        """The level that a statement is on, or that it opens."""
        if not self.by_statement:
            for level, statements in self.collector.statements.items():
                self.by_statement.update(dict.fromkeys(statements, level))
            for level in self.collector.statements:
                if level.statement is not None:
                    self.by_statement[level.statement] = level
        return self.by_statement.get(statement)


def analyse(options: Options, files: InputFiles, target: TargetServer) -> Analysis:
    """Reads and compiles a configuration without touching anything; whatever is wrong with it is
    in the collector."""
    texts, collector = Texts(), Collector(target)
    recorded = Recorded(files, texts)
    choice = _choose(options, files, collector)
    scope = scope_of(options, lambda text: collector.warn(text, lambda: scope), (choice,))
    collector.begin(scope, recorded)
    root = ConfBlock(MAIN, scope)
    with no_network():
        try:
            root, _ = read(scope)
        except ConfError as error:
            collector.failed(error, None)
        else:
            _finish(root, scope, collector, files.machine)
    return Analysis(options, root, scope, collector, texts, choice, files.machine, files.templates)


def _choose(options: Options, files: ConfFiles, collector: Collector) -> DialectChoice:
    try:
        return choose_dialect(options, files)
    except ConfError as error:
        collector.failed(error, None)
        dialect = error.witnesses[0].dialect if isinstance(error, MixedDialects) else DEFAULT
        return DialectChoice(dialect, DIALECTS)


def _finish(root: ConfBlock, scope: Scope, collector: Collector, machine: Machine) -> None:
    """What nginx looks at once all is read."""
    if not root[MainConf].has_events:
        error = ConfError('no "events" section in configuration').nowhere()
        only_nginx = collector.target.name == "pyngx"  # which starts all the same
        collector.troubles.append(Trouble(error, root, None, is_warning=only_nginx))
    try:
        user = None if machine.offline else workers_user(root[MainConf].user_ids)
        if user is not None:
            warn_of_unreadable(scope, user)
    except ConfError as unknown:
        collector.failed(unknown, None)
    for zone in scope.shared(Zones).zones.values():
        if not zone.size:
            error = ConfError(f'zero size shared memory zone "{zone.name}"')
            collector.failed(error.nowhere(), None)
