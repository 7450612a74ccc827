"""What is told of a request, line by line, each with its place in the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ...conf.parse import Statement
from ..texts import shown


class Line(NamedTuple):
    text: str
    statement: Statement | None
    depth: int

    @property
    def place(self) -> str:
        return f"{self.statement.file}:{self.statement.start_line}" if self.statement else ""


@dataclass(slots=True)
class Account:
    """Collects the lines."""

    lines: list[Line] = field(default_factory=list)

    def say(self, text: str, statement: Statement | None = None, depth: int = 1) -> None:
        self.lines.append(Line(text, statement, depth))

    def text(self, folder: str) -> str:
        """All of it; places are told from the folder of the configuration."""
        told = []
        for line in self.lines:
            place = line.place.removeprefix(folder)
            told.append(f"{'  ' * line.depth}{line.text}" + (f"    [{place}]" if place else ""))
        return shown("\n".join(told)) + "\n"
