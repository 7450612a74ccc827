"""The earlier definition that a later one conflicts with."""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ..read.analysis import Analysis
from ..read.statements import CONFLICT, named_by, quoted_in


def earlier(
    message: str, statement: Statement | None, analysis: Analysis
) -> Iterator[tuple[Statement, str]]:
    """The statement that came first, and what to say of it."""
    if statement is None or not CONFLICT.search(message):
        return
    quoted = quoted_in(message)
    for level, other in analysis.named(statement.name):
        if other is statement:
            return
        same_level = statement in analysis.collector.statements[level]
        if statement.name in quoted and same_level:
            yield other, "it is set here first"
            return
        if statement.name not in quoted and named_by(message, other):
            yield other, "it is defined here first"
            return
