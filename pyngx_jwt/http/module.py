"""What a module of the HTTP server is made of."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from ..conf.directive import Conf
from ..conf.scope import Scope
from ..core.module import Hook
from .ports import ListenAddress
from .request import Handler, HeaderFilter, Request, Settle
from .session_module import SessionModule

if TYPE_CHECKING:
    from .level import Level

C = TypeVar("C", bound=Conf)


class Phase(IntEnum):
    """nginx's phases that handlers can stand in, in their order."""

    POST_READ = 0
    SERVER_REWRITE = 1
    REWRITE = 2
    PREACCESS = 3
    ACCESS = 4
    PRECONTENT = 5
    CONTENT = 6


BuildHandler = Callable[[C, "Level"], Handler | None]
BuildFilter = Callable[[C, "Level"], HeaderFilter | None]
BuildLog = Callable[[C, "Level"], "Callable[[Request], None] | None"]
BuildSettle = Callable[[C, "Level"], Settle | None]


class Module(SessionModule[C, Request]):
    """Its handlers, filters and variables; what is built from them is all that requests meet."""

    def __init__(self, name: str, conf: type[C]) -> None:
        super().__init__(name, conf)
        self.handlers: dict[Phase, tuple[BuildHandler[C], ...]] = {}
        self.exclusive_content: BuildHandler[C] | None = None
        # Whether "limit_except" changes who may ask, but not what answers. nginx's own are not.
        self.answers_in_limit_except = True
        self.adds_slash = False  # "/x" is redirected to a location "/x/" with such content
        self.header_filter_builder: BuildFilter[C] | None = None
        self.validation_builder: BuildFilter[C] | None = None
        self.opening_builder: BuildFilter[C] | None = None
        self.ranges_builder: BuildFilter[C] | None = None
        self.log_builder: BuildLog[C] | None = None
        self.count_builder: BuildLog[C] | None = None
        self.settle_builder: BuildSettle[C] | None = None

        # Whether the module's rewrite handler can end requests of this level.
        self.may_answer: Hook[Callable[[C, Level], bool]] = Hook()
        # An address is listened on, whose servers are known; may raise ConfError.
        self.listens: Hook[Callable[[ListenAddress], None]] = Hook()

    def handler(self, phase: Phase) -> Callable[[BuildHandler[C]], BuildHandler[C]]:
        """The builder of a handler in a phase; several of a module run in their order here."""

        def register(build: BuildHandler[C]) -> BuildHandler[C]:
            self.handlers[phase] = (*self.handlers.get(phase, ()), build)
            return build

        return register

    def content(self, build: BuildHandler[C]) -> BuildHandler[C]:
        """The builder of a content handler that leaves no room for others ("empty_gif")."""
        self._first(self.exclusive_content)
        self.exclusive_content = build
        return build

    def upstream_content(self, build: BuildHandler[C]) -> BuildHandler[C]:
        """The same of one that passes requests on ("proxy_pass")."""
        self.adds_slash = True
        return self.content(build)

    def header_filter(self, build: BuildFilter[C]) -> BuildFilter[C]:
        """The builder of the header filter; it may hang a body filter into the request."""
        self._first(self.header_filter_builder)
        self.header_filter_builder = build
        return build

    def validates(self, build: BuildFilter[C]) -> BuildFilter[C]:
        """The builder of a header filter that compares the response with what the client has.
        It runs before all others, unless the response says `disable_not_modified`."""
        self._first(self.validation_builder)
        self.validation_builder = build
        return build

    def opens(self, build: BuildFilter[C]) -> BuildFilter[C]:
        """The builder of a header filter that makes another response of it than the one that
        the others see.  It runs before all of them, those that validate included."""
        self._first(self.opening_builder)
        self.opening_builder = build
        return build

    def cuts(self, build: BuildFilter[C]) -> BuildFilter[C]:
        """The builder of a header filter that sends parts of responses.  It runs after all
        others, for responses that say `allow_ranges`."""
        self._first(self.ranges_builder)
        self.ranges_builder = build
        return build

    def log(self, build: BuildLog[C]) -> BuildLog[C]:
        """The builder of what runs once a request is over."""
        self._first(self.log_builder)
        self.log_builder = build
        return build

    def counts(self, build: BuildLog[C]) -> BuildLog[C]:
        """The builder of what counts finished requests for statistics: those of clients after
        they have been logged, and subrequests."""
        self._first(self.count_builder)
        self.count_builder = build
        return build

    def settles(self, build: BuildSettle[C]) -> BuildSettle[C]:
        """The builder of what finds out before the access phase what the module's unsettled
        variables hold, if that can take a wait; it runs after the builders of handlers."""
        self._first(self.settle_builder)
        self.settle_builder = build
        return build


AnyModule = Module[Any]


def http_modules(scope: Scope) -> tuple[AnyModule, ...]:
    """Those of the modules that count which are HTTP's, in nginx's order."""
    return tuple(module for module in scope.modules if isinstance(module, Module))
