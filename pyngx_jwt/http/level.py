"""One block of the configuration: a conf of each module, and the blocks inside."""

from __future__ import annotations

from typing import Any, TypeVar

from ..conf.context import Context, Contexts
from ..conf.directive import Conf
from ..conf.parse import Statement
from ..conf.scope import Scope
from .request import Handler, Location
from .variables import Variables

C = TypeVar("C", bound=Conf)


class Level:
    """Builders see it as the place they build for; `location` is there once it is compiled.

    Who has to say why a request fared as it did finds here which statements of the block set
    what (`statements`, by name), and by which module's handlers it goes (`handlers`, by phase).
    `passes` is the conf of the protocol whose directive came last of those that pass requests on.
    """

    __slots__ = (
        *("confs", "context", "handlers", "levels", "location", "outer", "scope", "statement"),
        *("passes", "statements"),
    )

    def __init__(self, context: Context, scope: Scope, outer: Level | None = None) -> None:
        self.context, self.scope, self.outer = context, scope, outer
        self.confs: dict[type[Any], Any] = {}
        self.levels: list[Level] = []
        self.location: Location | None = None
        self.passes: type[Any] | None = None
        self.statement = scope.statement  # what opened the block
        self.statements: dict[str, list[Statement]] = {}
        self.handlers: dict[int, list[tuple[str, Handler]]] = {}

    def __getitem__(self, kind: type[C]) -> C:
        """The conf of a module here, made on first use."""
        known = self.confs.get(kind)
        if known is None:
            known = self.confs[kind] = kind(self.scope, self)
        conf: C = known
        return conf

    @property
    def variables(self) -> Variables:
        return self.scope.shared(Variables)

    def inner(self, contexts: Contexts) -> list[Level]:
        return [level for level in self.levels if level.context & contexts]

    def set_by(self, name: str) -> list[Statement]:
        """The statements of this name that count here: this block's own, or else those of the
        nearest block around it that has any."""
        level: Level | None = self
        while level is not None:
            if name in level.statements:
                return level.statements[name]
            level = level.outer
        return []
