"""One block of the configuration: a conf of each module, and the blocks inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar

from .context import Context, Contexts
from .directive import Conf
from .parse import Statement
from .scope import Scope

C = TypeVar("C", bound=Conf)
S = TypeVar("S")


class ConfBlock:
    """A level of the configuration, whatever kind of block it is.

    `statements` are those of the block, by name: they say what set which value.  `own` are, once
    confs are merged, the kinds of those that it has not got whole from the block around it.
    """

    __slots__ = ("confs", "context", "levels", "outer", "own", "scope", "statement", "statements")

    def __init__(self, context: Context, scope: Scope, outer: Any = None) -> None:
        self.context, self.scope = context, scope
        self.outer: Self | None = outer
        self.confs: dict[type[Any], Any] = {}
        self.own: tuple[type[Any], ...] | None = None
        self.levels: list[Self] = []
        self.statement = scope.statement  # what opened the block
        self.statements: dict[str, list[Statement]] = {}

    def __getitem__(self, kind: type[C]) -> C:
        """The conf of a module here, made or taken from the block around it on first use."""
        lookups = self.scope.lookups
        if lookups is not None:
            lookups.append((self, kind))
        known = self.confs.get(kind)
        if known is None:
            if self.own is None or self.outer is None:
                known = kind(self.scope, self)
            else:
                known = self.outer[kind]
            self.confs[kind] = known
        conf: C = known
        return conf

    def shared(self, kind: type[S]) -> S:
        """The one object of this kind that all blocks of the same server share: of "http", say."""
        return self.scope.shared(kind)

    @property
    def things(self) -> Iterable[object]:
        """All such objects that there are."""
        return self.scope.things.values()

    def open(self, context: Context) -> ConfBlock:
        """Makes a block inside; it is added to `levels` once its directive has been run."""
        kind: type[ConfBlock] = context.block or type(self)
        return kind(context, self.scope, self)

    def inner(self, contexts: Contexts) -> list[Self]:
        return [level for level in self.levels if level.context & contexts]

    def let_go(self) -> None:
        """Lets go of what is in the block, which is not needed any more: most of it refers to the
        block in turn, and would else wait for the garbage collector."""
        for inner in self.levels:
            inner.let_go()
        self.outer, self.levels = None, []
        self.confs.clear()  # "events" has this very dictionary
        self.statements.clear()

    def warn_about(self, name: str, text: str) -> None:
        """Reports a [warn] about the directive of this name that counts here, without its place,
        as nginx does once all is read."""
        scope = self.scope
        before, scope.statement = scope.statement, next(reversed(self.set_by(name)), None)
        scope.warn_at(text)
        scope.statement = before

    def set_by(self, name: str) -> list[Statement]:
        """The statements of this name that count here: this block's own, or else those of the
        nearest block around it that has any."""
        level: ConfBlock | None = self
        while level is not None:
            if name in level.statements:
                return level.statements[name]
            level = level.outer
        return []
