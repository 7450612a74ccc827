"""Which builders of modules have something to build for a location.

A configuration can have many thousands of locations, and each of them uses few modules.  Locations
whose blocks set something of the same modules, as those around them do, have a plan in common:
it leaves out the builders of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..conf.context import Context
from ..http.level import Level
from ..http.module import AnyModule, Phase
from ..http.request import Handler, HeaderFilter, Request, Settle
from .merging import Kinds

B = TypeVar("B")


class Builder(NamedTuple, Generic[B]):
    """What a module builds for locations, of its conf."""

    module: AnyModule
    kind: type[Any]  # of the conf
    build: Callable[[Any, Level], B | None]
    looks_around: bool


Builds = tuple[Builder[B], ...]
# For a block and each around it, but for the outermost: its kind, and the confs that it has not
# got whole from the one around it.
Path = tuple[tuple[Context, Kinds], ...]


Wanted = Callable[[Builder[Any]], bool]


class Builders:
    """What modules build for locations, in the order in which it runs; those that are wanted."""

    def __init__(self, modules: Sequence[AnyModule], wanted: Wanted) -> None:
        modules = tuple(reversed(modules))

        def chosen(builders_of: Callable[[AnyModule], Sequence[Any]]) -> Builds[Any]:
            builders = [
                Builder(module, module.conf, build, build in module.looking_around)
                for module in modules
                for build in builders_of(module)
                if build is not None
            ]
            return tuple([builder for builder in builders if wanted(builder)])

        def of_phase(phase: Phase) -> Builds[Handler]:
            return chosen(lambda m: m.handlers.get(phase, ()))

        self.handlers = {phase: of_phase(phase) for phase in Phase}
        self.contents: Builds[Handler] = chosen(lambda m: [m.exclusive_content])
        self.header_filters: Builds[HeaderFilter] = chosen(lambda m: [m.header_filter_builder])
        self.validations: Builds[HeaderFilter] = chosen(lambda m: [m.validation_builder])
        self.openings: Builds[HeaderFilter] = chosen(lambda m: [m.opening_builder])
        self.ranges: Builds[HeaderFilter] = chosen(lambda m: [m.ranges_builder])
        self.logs: Builds[Callable[[Request], None]] = chosen(lambda m: [m.log_builder])
        self.counts: Builds[Callable[[Request], None]] = chosen(lambda m: [m.count_builder])
        self.settles: Builds[Settle] = chosen(lambda m: [m.settle_builder])


class Plans:
    """The plans of the locations below a block: "http"."""

    def __init__(self, outermost: Level, modules: Sequence[AnyModule]) -> None:
        self._outermost, self._modules = outermost, modules
        self._all = Builders(modules, lambda builder: True)
        self._known: dict[Path, Builders | None] = {}
        self._idle: set[tuple[Callable[..., Any], Context]] = set()

    def of(self, path: Path) -> Builders:
        """The builders for a block: all for the first that has this path from it outwards, for
        the others those that are needed."""
        if path not in self._known:
            self._known[path] = None
            return self._all
        plan = self._known[path]
        if plan is None:
            plan = self._known[path] = Builders(self._modules, self._needed(path))
        return plan

    def idles(self, builder: Builder[Any], conf: Any, level: Level) -> None:
        """A builder has built nothing, and has looked at no other conf.  If its own is that of
        the outermost block, it builds nothing for other blocks of this kind that have that conf."""
        if conf.level is self._outermost and not builder.looks_around:
            self._idle.add((builder.build, level.context))

    def _needed(self, path: Path) -> Wanted:
        idle, (context, _) = self._idle, path[0]
        inside = frozenset(kind for _, own in path for kind in own)
        return lambda builder: builder.kind in inside or (builder.build, context) not in idle
