"""What is said in a block, and in those around it: of the http server, or of "stream"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from ...conf.block import ConfBlock
from ...conf.directive import Conf
from ...conf.parse import Statement
from ..read.analysis import Analysis

C = TypeVar("C", bound=Conf)


class Said:
    """One level: its merged configuration, and the statements that it comes from."""

    def __init__(self, level: ConfBlock, analysis: Analysis) -> None:
        self.level, self.analysis = level, analysis

    def __getitem__(self, kind: type[C]) -> C:
        """The merged conf of a module."""
        return self.level[kind]

    def outward(self) -> Sequence[Said]:
        """It and the blocks around it, up to the outermost."""
        raise NotImplementedError

    @property
    def statement(self) -> Statement:
        """What opens the block."""
        assert self.level.statement is not None
        return self.level.statement

    @cached_property
    def is_partial(self) -> bool:
        """Whether a file that could not be read may hold more directives that apply here."""
        return self.analysis.is_unsure and self.analysis.is_partial_at(self.level)

    @property
    def own(self) -> list[Statement]:
        """The statements of this block itself."""
        return self.analysis.collector.statements.get(self.level, [])

    def given(self, *names: str) -> list[Statement]:
        """Those of this block that have one of the names, in their order."""
        by_name = self._by_name
        if len(names) == 1:
            return by_name.get(names[0], [])
        if by_name.keys().isdisjoint(names):
            return []
        return [statement for statement in self.own if statement.name in names]

    @cached_property
    def _by_name(self) -> dict[str, list[Statement]]:
        by_name: dict[str, list[Statement]] = {}
        for statement in self.own:
            by_name.setdefault(statement.name, []).append(statement)
        return by_name

    def set_by(self, *names: str) -> Statement:
        """The statement that counts here: of this block, or of the nearest around it that has
        one; what opens the block if there is none."""
        return self.find(*names) or self.statement

    def find(self, *names: str) -> Statement | None:
        """As set_by(); None if there is none."""
        for block in self.outward():
            statements = block.given(*names)
            if statements:
                return statements[-1]
        return None
