"""A block of an HTTP server's configuration."""

from __future__ import annotations

from typing import Any

from ..conf.block import ConfBlock
from ..conf.context import Context
from ..conf.scope import Scope
from .block import SessionBlock
from .request import Handler, Location
from .variables import Variables


class Level(SessionBlock):
    """Builders see it as the level they build for; `location` is there once it is compiled.

    `handlers` are the modules' handlers that requests go through here, by phase, and `filters`
    the modules that responses go through.  `passes` is the conf of the protocol whose directive
    came last of those that pass requests on.
    """

    __slots__ = ("filters", "handlers", "location", "passes")

    def __init__(self, context: Context, scope: Scope, outer: ConfBlock | None = None) -> None:
        super().__init__(context, scope, outer)
        self.location: Location | None = None
        self.passes: type[Any] | None = None
        self.handlers: dict[int, list[tuple[str, Handler]]] = {}
        self.filters: tuple[str, ...] = ()

    def let_go(self) -> None:
        super().let_go()
        self.location, self.handlers = None, {}

    @property
    def variables(self) -> Variables:
        return self.scope.shared(Variables)
