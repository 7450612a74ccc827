"""Which builders of modules have something to build for a location.

A configuration can have many thousands of locations, and each of them uses few modules.  Locations
whose blocks set something of the same modules, as those around them do, have a plan in common:
it leaves out the builders of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..conf.block import ConfBlock
from ..conf.context import Context
from ..http.contexts import LOCATION
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
# A block: its kind, and the confs that it, or an "if" or the like in it, has not got whole from
# the one around.
Step = tuple[Context, Kinds]
Path = tuple[Step, ...]  # a block and each around it, but for the outermost
Wanted = Callable[[Builder[Any]], bool]
Build = Callable[[Builder[Any], Any, Level], Any]


def step_of(level: Level) -> Step:
    """A block as others see it that can have the same plan."""
    own = level.own or ()
    parts = [kind for inner in _parts(level) for kind in inner.own or ()] if level.levels else ()
    return level.context, tuple(dict.fromkeys((*own, *parts))) if parts else own


def _parts(level: Level) -> list[Level]:
    """The blocks in a block that are no places of their own: "if", "limit_except"."""
    return [inner for inner in level.levels if not inner.context & LOCATION]


class Builders:
    """What modules build for locations, in the order in which it runs; those that are wanted."""

    def __init__(self, modules: Sequence[AnyModule], wanted: Wanted, build: Build) -> None:
        modules, self.build = tuple(reversed(modules)), build

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
        self._all = Builders(modules, lambda builder: True, self._learn)
        self._known: dict[Path, Builders | None] = {}
        # Builders, the kinds of blocks that they have built nothing for, and of which confs.
        self._idle: dict[tuple[Callable[..., Any], Context], frozenset[type[Any]]] = {}

    def of(self, path: Path) -> Builders:
        """The builders for a block: all for the first that has this path from it outwards, for
        the others those that are needed."""
        if path not in self._known:
            self._known[path] = None
            return self._all
        plan = self._known[path]
        if plan is None:
            plan = self._known[path] = Builders(self._modules, self._needed(path), _build)
        return plan

    def _learn(self, builder: Builder[B], conf: Any, level: Level) -> B | None:
        """Builds, and keeps in mind what builds nothing of confs of the outermost block: it does
        not for other blocks of this kind that have the same ones."""
        lookups: list[tuple[Any, type[Any]]] = []
        level.scope.lookups = lookups
        try:
            built = builder.build(conf, level)
        finally:
            level.scope.lookups = None
        if built is None and conf.level is self._outermost and not builder.looks_around:
            around = _around(level)
            if all(
                at in around and at.confs[kind].level is self._outermost for at, kind in lookups
            ):
                kinds = frozenset((builder.kind, *(kind for _, kind in lookups)))
                self._idle.setdefault((builder.build, level.context), kinds)
        return built

    def _needed(self, path: Path) -> Wanted:
        idle, (context, _) = self._idle, path[0]
        inside = frozenset(kind for _, own in path for kind in own)

        def is_needed(builder: Builder[Any]) -> bool:
            kinds = idle.get((builder.build, context))
            return kinds is None or not kinds.isdisjoint(inside)

        return is_needed


def _build(builder: Builder[B], conf: Any, level: Level) -> B | None:
    return builder.build(conf, level)


def _around(level: Level) -> list[Level]:
    """The blocks whose confs its path tells of."""
    blocks: list[Level] = []
    at: ConfBlock | None = level
    while at is not None:
        if isinstance(at, Level):  # around the outermost is a block of another class
            blocks.append(at)
        at = at.outer
    return [*blocks, *_parts(level)]
