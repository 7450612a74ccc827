"""A block of "stream"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ..conf.scope import Scope
from ..http.block import SessionBlock
from .session import StreamVariables

S = TypeVar("S")


class StreamThings:
    """What the blocks of "stream" share, of the same kinds as those of other servers."""

    __slots__ = ("things",)

    def __init__(self) -> None:
        self.things: dict[type[Any], Any] = {}


def stream_shared(scope: Scope, kind: type[S]) -> S:
    """The one object of this kind that all blocks of "stream" share, made on first use."""
    things = scope.shared(StreamThings).things
    if kind not in things:
        things[kind] = kind()
    thing: S = things[kind]
    return thing


class StreamLevel(SessionBlock):
    """Builders see it as the level they build for."""

    __slots__ = ()

    @property
    def variables(self) -> StreamVariables:
        return self.scope.shared(StreamVariables)

    def shared(self, kind: type[S]) -> S:
        return stream_shared(self.scope, kind)

    @property
    def things(self) -> Iterable[object]:
        return self.scope.shared(StreamThings).things.values()
