"""What a module of "stream" is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..conf.directive import Conf
from ..conf.scope import Scope
from ..core.module import Hook
from ..http.ports import AddressOf
from ..http.session_module import SessionModule
from .session import StreamHandler, StreamPhase, StreamServer, StreamSession

if TYPE_CHECKING:
    from .level import StreamLevel

C = TypeVar("C", bound=Conf)
BuildHandler = Callable[[C, "StreamLevel"], StreamHandler | None]
BuildLog = Callable[[C, "StreamLevel"], "Callable[[StreamSession], None] | None"]


class StreamModule(SessionModule[C, StreamSession]):
    """Its handlers and variables; a module of HTTP that has the same directives shares the conf."""

    def __init__(self, name: str, conf: type[C]) -> None:
        super().__init__(name, conf)
        self.handlers: dict[StreamPhase, BuildHandler[C]] = {}
        self.content_builder: BuildHandler[C] | None = None
        self.log_builder: BuildLog[C] | None = None

        # An address is listened on, whose servers are known; may raise ConfError.
        self.listens: Hook[Callable[[AddressOf[StreamServer]], None]] = Hook()

    def handler(self, phase: StreamPhase) -> Callable[[BuildHandler[C]], BuildHandler[C]]:
        """The builder of the handler in a phase."""

        def register(build: BuildHandler[C]) -> BuildHandler[C]:
            self._first(self.handlers.get(phase))
            self.handlers[phase] = build
            return build

        return register

    def content(self, build: BuildHandler[C]) -> BuildHandler[C]:
        """The builder of what serves connections; None where it is not configured."""
        self._first(self.content_builder)
        self.content_builder = build
        return build

    def log(self, build: BuildLog[C]) -> BuildLog[C]:
        """The builder of what runs once a session is over."""
        self._first(self.log_builder)
        self.log_builder = build
        return build


AnyStreamModule = StreamModule[Any]


def stream_modules(scope: Scope) -> tuple[AnyStreamModule, ...]:
    """Those of the modules that count which are of "stream", in nginx's order."""
    return tuple(module for module in scope.modules if isinstance(module, StreamModule))
