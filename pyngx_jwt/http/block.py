"""A block of a server that serves sessions: requests, or the connections of "stream"."""

from __future__ import annotations

from typing import Any

from ..conf.block import ConfBlock
from .variables import VariableTable


class SessionBlock(ConfBlock):
    """Such a block has variables."""

    __slots__ = ()

    @property
    def variables(self) -> VariableTable[Any]:
        raise NotImplementedError
