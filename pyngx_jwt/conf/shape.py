"""What a statement must look like: with a block or without, and how many arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..errors import ConfError
from .parse import Statement


class Shape(Protocol):
    """The shape of a declared directive."""

    @property
    def fewest(self) -> int: ...
    @property
    def most(self) -> float: ...
    @property
    def is_block(self) -> bool: ...


def check_shape(statement: Statement, shapes: Sequence[Shape]) -> None:
    """Raises ConfError if it is none of the shapes: the checks of ngx_conf_handler(), in its order
    and its words."""
    name, given = statement.name, len(statement.args)
    for shape in shapes:
        if shape.is_block == statement.opens and shape.fewest <= given <= shape.most:
            return
    if statement.opens and not any(shape.is_block for shape in shapes):
        raise ConfError(f'directive "{name}" is not terminated by ";"')
    if not statement.opens and all(shape.is_block for shape in shapes):
        raise ConfError(f'directive "{name}" has no opening "{{"')
    if not any(shape.fewest <= given <= shape.most for shape in shapes):
        raise ConfError(f'invalid number of arguments in "{name}" directive')
