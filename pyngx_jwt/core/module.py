"""What a module is made of, whichever server it belongs to: a conf and a life."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from ..conf.block import ConfBlock
from ..conf.directive import Conf
from ..conf.parse import Statement
from ..conf.scope import Scope
from .worker import WorkerLife

C = TypeVar("C", bound=Conf)
F = TypeVar("F", bound=Callable[..., Any])
User = tuple[int, int]  # uid and gid
Files = Sequence[tuple[str, str]]  # path and text of each


class MasterEvent(Enum):
    """What can happen to a configuration that is in force, or is about to be."""

    STARTED = auto()
    RELOADED = auto()
    REJECTED = auto()  # another was to take its place, and cannot
    RESPAWNED = auto()  # a worker has ended and is replaced


class Hook(Generic[F]):
    """Decorates the functions that a module has run at some point, in their order in its file."""

    __slots__ = ("_functions",)

    def __init__(self) -> None:
        self._functions: tuple[F, ...] = ()

    def __call__(self, function: F) -> F:
        self._functions = (*self._functions, function)
        return function

    def __iter__(self) -> Iterator[F]:
        return iter(self._functions)


class CoreModule(Generic[C]):
    """Gathers what one file declares."""

    def __init__(self, name: str, conf: type[C]) -> None:
        self.name, self.conf = name, conf
        self.variable_docs: dict[str, str] = {}

        # Before the first statement is read; may replace the modules that do (`scope.modules`).
        self.before_read: Hook[Callable[[Scope], None]] = Hook()
        # For a directive that no module has, on its level: whether it is left out, with its
        # block; may raise ConfError.
        self.unknown: Hook[Callable[[Statement, ConfBlock], bool]] = Hook()
        # Once all is read and compiled.
        self.after_read: Hook[Callable[[Scope], None]] = Hook()
        # Lines that say how the configuration was read.
        self.understanding: Hook[Callable[[Scope], str]] = Hook()
        # Raises ConfError if workers of this user cannot serve the configuration.
        self.check_user: Hook[Callable[[Scope, User], None]] = Hook()
        # Raises ConfError if a reload cannot put the first in the place of the second.
        self.check_continues: Hook[Callable[[Scope, Scope], None]] = Hook()
        # What a new binary that takes over should know, and its use there; as JSON has it.
        self.hands_over: Hook[Callable[[Scope], object]] = Hook()
        self.takes_over: Hook[Callable[[Scope, Any], None]] = Hook()
        # Once zones can be used, in the master and before its workers; may raise ConfError.
        self.starts: Hook[Callable[[Scope], None]] = Hook()
        # Something has happened to the configuration in the master, which knows its files.
        self.master_notes: Hook[Callable[[Scope, MasterEvent, Files], None]] = Hook()
        # In a worker, before it accepts connections and after the last of them.
        self.worker_starts: Hook[Callable[[Scope, WorkerLife], None]] = Hook()
        self.worker_ends: Hook[Callable[[Scope], None]] = Hook()
        # The process ends, or has nothing to do with the configuration any more.
        self.process_exits: Hook[Callable[[Scope], None]] = Hook()


AnyModule = CoreModule[Any]
