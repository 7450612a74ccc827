"""What levels have from the ones around them, and whether what is in them can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ..conf.block import ConfBlock
from ..conf.directive import Conf
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.contexts import LOCATION
from ..http.level import Level
from ..modules.core import CoreConf

B = TypeVar("B", bound=ConfBlock)
L = TypeVar("L", bound=SessionBlock)
Look = Callable[[Any, L], None]


def merge(outermost: SessionBlock, kinds: tuple[type[Conf], ...]) -> None:
    """Hands down what is not set, from the outside in."""
    _merge_inner(outermost, tuple(dict.fromkeys(kinds)))


def _merge_inner(level: SessionBlock, kinds: tuple[type[Conf], ...]) -> None:
    """Most blocks set values of few modules: of the others they have the conf around them."""
    inner = [inner for inner in level.levels if not inner.context.apart]
    if not inner:
        return
    whole = {kind: conf for kind in kinds if (conf := level[kind]).is_inherited_whole}
    for block in inner:
        given = block.confs
        block.confs = {**whole, **given}
        for kind in kinds:
            if kind in given or kind not in whole:
                _merge_conf(kind, block, level)
                block.own.append(block.confs[kind])
        _merge_inner(block, kinds)


def _merge_conf(kind: type[Conf], level: SessionBlock, outer: SessionBlock) -> None:
    try:
        level[kind].merge(outer[kind])
    except ConfError as error:
        level.scope.watch.failed(error, level)


def walk(level: B) -> Iterator[B]:
    """A level and all inside it, from the outside in."""
    yield level
    for inner in level.levels:
        if not inner.context.apart:
            yield from walk(inner)


def check(outermost: L, modules: Iterable[tuple[type[Conf], Iterable[Look[L]]]]) -> None:
    """Has every module look at every merged level."""
    looks = [(conf, look) for conf, hook in modules for look in hook]
    for level in walk(outermost):
        for conf, look in looks:
            try:
                look(level[conf], level)
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
