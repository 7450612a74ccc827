"""Going through files and blocks, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ConfError
from .parse import Source, Statement

MAX_INCLUDES = 64  # deeper ones can only be a circle


class IncludeNesting:
    """How deep a reader is in files that include others."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def include(self, statement: Statement) -> Iterator[None]:
        """While the files of an ``include`` are read; raises ConfError if they are too deep."""
        if self._depth == MAX_INCLUDES:
            name = "".join(statement.args[:1])
            raise ConfError(f'too many nested includes, "{name}" includes itself')
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


def run_block(
    source: Source,
    take: Callable[[Statement], None],
    fail: Callable[[ConfError, Statement | None], None],
) -> None:
    """Hands the statements of a file, or of a block of it, to `take`, up to its end.

    An error goes to `fail` with its place; if that returns, reading goes on behind the statement
    and the blocks that it opened."""
    while True:
        depth, statement = source.depth, None
        try:
            token = source.next()
            if not isinstance(token, Statement):
                return
            statement = token
            take(statement)
        except ConfError as error:
            fail(source.locate(error), statement)
            if source.recover(depth, statement):
                return
