"""What levels have from the ones around them, and whether what is in them can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ..conf.block import ConfBlock
from ..conf.context import Context
from ..conf.directive import Conf
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.contexts import LOCATION
from ..http.level import Level
from ..http.session_module import SessionModule
from ..modules.core import CoreConf

B = TypeVar("B", bound=ConfBlock)
L = TypeVar("L", bound=SessionBlock)
Kinds = tuple[type[Conf], ...]
Looks = list[tuple[type[Conf], Callable[[Any, Any], None], bool]]


def prepare(outermost: SessionBlock, modules: Iterable[SessionModule[Any, Any]]) -> None:
    """Has modules report what nginx reports before it merges; who wants all errors gets these with
    the blocks they are in."""
    if outermost.scope.watch.wants_all:
        return
    for module in modules:
        for look in module.before_merge:
            look(outermost)


def merge(outermost: SessionBlock, kinds: Iterable[type[Conf]]) -> None:
    """Hands down what is not set, from the outside in."""
    kinds = tuple(dict.fromkeys(kinds))
    for kind in kinds:
        outermost[kind]  # it is made
    _merge_inner(outermost, kinds, {})


def _merge_inner(
    level: SessionBlock, kinds: Kinds, known: dict[tuple[Kinds, Kinds], Kinds]
) -> None:
    """Most blocks set values of few modules: of the others they have the conf around them.

    `kinds` are in the order in which they are merged; `known` says which of them blocks have that
    set values of some, where others are not inherited whole."""
    mine = kinds if level.own is None else level.own
    loose = tuple([kind for kind in mine if not level[kind].is_inherited_whole])
    for block in level.levels:
        if block.context.apart:
            continue
        key = tuple(block.confs), loose
        own = known.get(key)
        if own is None:
            wanted = {*block.confs, *loose}
            own = known[key] = tuple([kind for kind in kinds if kind in wanted])
        for kind in own:
            block[kind]  # it is made
        block.own = own
        for kind in own:
            _merge_conf(kind, block, level)
        if block.levels:
            _merge_inner(block, kinds, known)


def _merge_conf(kind: type[Conf], level: SessionBlock, outer: SessionBlock) -> None:
    try:
        level.confs[kind].merge(outer[kind])
    except ConfError as error:
        level.scope.watch.failed(error, level)


def walk(level: B) -> Iterator[B]:
    """A level and all inside it, from the outside in."""
    yield level
    for inner in level.levels:
        if inner.levels and not inner.context.apart:
            yield from walk(inner)
        elif not inner.context.apart:
            yield inner


def check(outermost: L, modules: Iterable[SessionModule[Any, Any]]) -> None:
    """Has every module look at its merged confs.  An inherited conf is looked at again only on the
    first level of each kind that sets the same modules."""
    looks: Looks = [
        (module.conf, look, look in module.looking_around)
        for module in modules
        for look in module.after_merge
    ]
    known: dict[tuple[Kinds | None, Context], Looks] = {}
    for level in walk(outermost):
        key = level.own, level.context
        chosen = known.get(key)
        if chosen is None:
            own = frozenset(level.own or ())
            known[key] = [entry for entry in looks if entry[0] in own or entry[2]]
            chosen = looks
        for kind, look, _ in chosen:
            try:
                look(level[kind], level)
            except ConfError as error:
                level.scope.watch.failed(error, level)


def check_locations(level: Level) -> None:
    names: set[tuple[bool, str]] = set()
    for inner in level.inner(LOCATION):
        conf = inner[CoreConf]
        check_locations(inner)
        if conf.regex or conf.is_named:
            continue
        key = (conf.modifier == "=", conf.name)
        if key in names:
            error = ConfError(f'duplicate location "{conf.name}"')
            level.scope.watch.failed(error.at(*place_of(inner)), inner)
        names.add(key)


def place_of(level: ConfBlock) -> tuple[str, int]:
    """The file and the line of the statement that opened a level."""
    assert level.statement is not None
    return level.statement.file, level.statement.line
