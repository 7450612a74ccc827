"""The texts of a configuration's files: where the words of a statement are.

Texts are latin-1, as everywhere; what is shown is UTF-8, and columns count its characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

from ...conf.parse import Statement
from ...conf.tokens import word_spans
from ..finding import Spot


class Texts:
    """The files that were read, by path."""

    def __init__(self) -> None:
        self.by_path: dict[str, str] = {}
        self._starts: dict[str, list[int]] = {}
        self._whole: dict[tuple[str, int, int], Spot] = {}  # many findings name the same place

    def add(self, path: str, text: str) -> None:
        self.by_path.setdefault(path, text)

    def line(self, path: str, number: int) -> str:
        """A line without its end, as it is shown."""
        starts = self._line_starts(path)
        if not 0 < number < len(starts):
            return ""
        text = self.by_path.get(path, "")[starts[number - 1] : starts[number]]
        return shown(text.rstrip("\r\n"))

    def spot(self, path: str, start: int, end: int) -> Spot:
        """The stretch between two offsets."""
        line, column = self._place(path, start)
        return Spot(path, line, column, *self._place(path, max(start + 1, end)))

    def word(self, statement: Statement, number: int = 0) -> Spot:
        """Where a word of a statement is; its name is word 0."""
        spans = self.spans(statement)
        if not spans:
            return Spot(statement.file, statement.line, statement.column)
        return self.spot(statement.file, *spans[min(number, len(spans) - 1)])

    def variable(self, statement: Statement, number: int, name: str) -> Spot:
        """Where a variable stands in a word of a statement; the word if it cannot be found."""
        spans = self.spans(statement)
        if number >= len(spans):
            return self.word(statement, number)
        start, end = spans[number]
        pattern = re.compile(rf"\$(?:{name}(?!\w)|\{{{name}\}})", re.IGNORECASE)
        match = pattern.search(self.by_path[statement.file], start, end)
        return self.spot(statement.file, *(match.span() if match else (start, end)))

    def whole(self, statement: Statement) -> Spot:
        """All words of a statement."""
        key = statement.file, statement.start_line, statement.start_column
        spot = self._whole.get(key)
        if spot is None:
            spot = self._whole[key] = self._find_whole(statement)
        return spot

    def _find_whole(self, statement: Statement) -> Spot:
        spans = self.spans(statement)
        if not spans:
            return Spot(statement.file, statement.line, statement.column)
        return self.spot(statement.file, spans[0][0], spans[-1][1])

    def at(self, path: str, line: int, column: int) -> Spot:
        """One character; the column in bytes."""
        if path not in self.by_path:
            return Spot(path, line, column)
        start = self._line_starts(path)[min(line, len(self._line_starts(path)) - 1) - 1]
        return self.spot(path, start + max(column, 1) - 1, start + max(column, 1))

    def line_spot(self, path: str, line: int) -> Spot:
        """A line from its first word to its end."""
        text = self.line(path, line)
        first = len(text) - len(text.lstrip()) + 1
        return Spot(path, line, first, line, max(len(text), first) + 1)

    def spans(self, statement: Statement) -> list[tuple[int, int]]:
        """The offsets of the words, quotes included; none for a file that was not read."""
        text = self.by_path.get(statement.file)
        if text is None:
            return []
        starts = self._line_starts(statement.file)
        start = starts[statement.start_line - 1] + statement.start_column - 1
        return word_spans(text, start, 1 + len(statement.args))

    def offset(self, path: str, line: int) -> int:
        """Where a line begins."""
        return self._line_starts(path)[line - 1]

    def offsets(self, spot: Spot) -> tuple[int, int]:
        """Where a stretch begins and ends; columns are taken for bytes."""
        starts = self._line_starts(spot.file)
        end_line, end_column = spot.end_line or spot.line, spot.end_column or spot.column + 1
        return starts[spot.line - 1] + spot.column - 1, starts[end_line - 1] + end_column - 1

    def _place(self, path: str, offset: int) -> tuple[int, int]:
        starts = self._line_starts(path)
        line = min(bisect_right(starts, offset), len(starts) - 1)
        return line, len(shown(self.by_path[path][starts[line - 1] : offset])) + 1

    def _line_starts(self, path: str) -> list[int]:
        """The offset of each line, and of the end."""
        starts = self._starts.get(path)
        if starts is None:
            lines = self.by_path.get(path, "").split("\n")
            starts = self._starts[path] = [0, *accumulate(len(line) + 1 for line in lines)]
        return starts


def shown(text: str) -> str:
    """latin-1 text as people see it: as UTF-8, where it is that."""
    if text.isascii():
        return text
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
