"""Kinds of blocks: what a directive can stand in, and what opens when it opens a block.

A package that brings blocks of its own declares their kinds beside its directives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[[Any], None])
_numbers = count()


class Contexts:
    """Several kinds, as a directive has them."""

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: Context) -> None:
        self._kinds = frozenset(kinds)

    def __or__(self, other: Contexts) -> Contexts:
        return Contexts(*self._kinds, *other._kinds)

    def __and__(self, other: Contexts) -> bool:
        """Whether they have a kind in common."""
        return not self._kinds.isdisjoint(other._kinds)

    def __contains__(self, kind: Context) -> bool:
        return kind in self._kinds

    def __iter__(self) -> Iterator[Context]:
        """In the order of their declarations."""
        return iter(sorted(self._kinds, key=lambda kind: kind.number))

    def include(self, others: Contexts) -> None:
        """Adds the kinds of a package that knows these, but is not known here."""
        self._kinds |= others._kinds

    def within(self, outer: Context) -> Context:
        """The kind of block that opens in an outer one."""
        return next(kind for kind in self if outer in kind.inside)


class Context(Contexts):
    """One kind of block.

    `name` is its name in messages, `path` that in conf/known.json.  It opens `inside` blocks of
    other kinds; if it `nests`, in its own, too.  A block that `shares` has the confs of the block
    around it; one that stands `apart` neither inherits anything nor is compiled with it.
    `block` is the class of its blocks (conf.block.ConfBlock) and of those inside, where that is not
    the class of the block around it."""

    __slots__ = ("_closing", "apart", "block", "inside", "name", "number", "path", "shares")

    def __init__(
        self,
        name: str,
        path: str,
        inside: Contexts | None = None,
        *,
        nests: bool = False,
        shares: bool = False,
        apart: bool = False,
        block: type[Any] | None = None,
    ) -> None:
        super().__init__(self)
        self.name, self.path, self.number = name, path, next(_numbers)
        self.inside = Contexts(*(inside or ()), *((self,) if nests else ()))
        self.shares, self.apart, self.block = shares, apart, block
        self._closing: tuple[Callable[[Any], None], ...] = ()

    def closes(self, act: C) -> C:
        """Registers what is done with a level of this kind once its block has been read; may
        raise ConfError."""
        self._closing = (*self._closing, act)
        return act

    def close(self, level: Any) -> None:
        """Called at the end of a block."""
        for act in self._closing:
            act(level)
