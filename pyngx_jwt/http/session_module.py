"""What a module has for sessions of any kind: variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..conf.directive import Conf
from ..core.module import CoreModule, Hook
from .variables import Get, R, Set, documentation_of

C = TypeVar("C", bound=Conf)
F = TypeVar("F", bound=Callable[..., Any])
FactoryOf = Callable[[str], Get[R]]


class SessionModule(CoreModule[C], Generic[C, R]):
    """`R` are the sessions that its variables are those of."""

    def __init__(self, name: str, conf: type[C]) -> None:
        super().__init__(name, conf)
        self.variables: dict[str, Get[R]] = {}
        self.changeable: set[str] = set()
        self.setters: dict[str, Set[R]] = {}
        self.prefixes: dict[str, FactoryOf[R]] = {}
        self.looking_around: set[Callable[..., Any]] = set()

        # When the outermost block has been read, and nothing is merged; may raise ConfError.
        self.before_merge: Hook[Callable[[Any], None]] = Hook()

        # Looks at every merged conf before anything is built; may raise ConfError.
        self.after_merge: Hook[Callable[[C, Any], None]] = Hook()

    def looks_around(self, function: F) -> F:
        """Marks a builder or check that is called for every block: what it does depends on more
        than its conf and the kind of the block, or it does something and returns None.  Others are
        not called again for a conf of the outermost block that they have built nothing of."""
        self.looking_around.add(function)
        return function

    def _first(self, registered: object) -> None:
        """Of the others a module has one: a second must not silently take its place."""
        if registered is not None:
            raise TypeError(f'the module "{self.name}" has one already: {registered!r}')

    def variable(
        self, name: str, *, set: Set[R] | None = None, changeable: bool = False
    ) -> Callable[[Get[R]], Get[R]]:
        """A variable; its getter's docstring is its documentation.

        If it is `changeable` (NGX_HTTP_VAR_CHANGEABLE), a directive may define it again."""

        def register(get: Get[R]) -> Get[R]:
            self.variables[name] = get
            self.variable_docs[name] = documentation_of(get)
            if set:
                self.setters[name] = set
            if changeable:
                self.changeable.add(name)
            return get

        return register

    def take_variables(self, other: SessionModule[Any, Any], *names: str) -> None:
        """Has these variables of another module, or all of them, too, whose getters take sessions
        of any kind."""
        for name in names or other.variables:
            self.variable(name, changeable=name in other.changeable)(other.variables[name])

    def prefix(self, name: str) -> Callable[[FactoryOf[R]], FactoryOf[R]]:
        """A family of variables such as $arg_NAME."""

        def register(factory: FactoryOf[R]) -> FactoryOf[R]:
            self.prefixes[name] = factory
            self.variable_docs[name + "*"] = factory.__doc__ or ""
            return factory

        return register
