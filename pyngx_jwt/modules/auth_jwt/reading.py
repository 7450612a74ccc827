"""Before a configuration is read: in which dialect its JWT directives are, and whose modules
read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ...conf.block import ConfBlock
from ...conf.parse import Statement
from ...conf.scope import Scope
from ...core.module import AnyModule
from ...errors import ConfError
from .dialect import Dialect, DialectChoice
from .dialects import DIALECTS, choose_dialect, foreign_directive
from .settings import JwtConf, jwt_settings
from .sources import Sources


class KnownDialects(NamedTuple):
    """Among the things of a scope: the dialects to choose from, if not those of this package."""

    dialects: tuple[Dialect, ...]


@jwt_settings.before_read
def choose(scope: Scope) -> None:
    """Finds out the dialect, unless that has been done; the other dialects' modules go."""
    if DialectChoice not in scope.things:
        known: KnownDialects | None = scope.things.get(KnownDialects)
        dialects = known.dialects if known is not None else DIALECTS
        scope.things[DialectChoice] = choose_dialect(scope.options, scope.files, dialects)
    choice: DialectChoice = scope.things[DialectChoice]
    scope.modules = tuple(_modules_with(choice.dialect, scope.modules))
    _prepare_key_sets(scope, choice)


def _prepare_key_sets(scope: Scope, choice: DialectChoice) -> None:
    """Applies limits that are yet to be read: key files are read as soon as they are named.
    Errors are reported when the directives are run."""
    conf = JwtConf(scope)
    for statement in choice.limits:
        directive = JwtConf.directives.get(statement.name)
        if directive is not None and len(statement.args) == 1:
            with suppress(ConfError):
                directive.set(conf, *statement.args)
    scope.shared(Sources).sets.limits = conf.limits


def _modules_with(dialect: Dialect, modules: tuple[AnyModule, ...]) -> Iterator[AnyModule]:
    """One dialect's module stands in the place of all of them, before that of the settings."""
    all_dialects = {one.module for one in DIALECTS}
    for module in modules:
        if module is jwt_settings:
            yield dialect.module
        if module not in all_dialects:
            yield module


@jwt_settings.understanding
def describe_dialect(scope: Scope) -> str:
    choice: DialectChoice = scope.things[DialectChoice]
    return choice.text


@jwt_settings.unknown
def advise(statement: Statement, level: ConfBlock) -> bool:
    """A directive of another dialect, or of no module, is an error that names its like."""
    if advice := foreign_directive(statement.name, level.scope.things[DialectChoice]):
        raise ConfError(advice)
    return False
