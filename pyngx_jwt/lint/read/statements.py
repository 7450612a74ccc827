"""Finding the statement that an error or a rule is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...conf.block import ConfBlock
from ...conf.parse import Statement
from .analysis import Analysis

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_USE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
NEAR = 100  # uses that are looked at for one on the level itself
CONFLICT = re.compile(r"duplicate|conflict|already|specified earlier")
_CERTIFICATE = re.compile(r"cannot load (certificate(?: key)?) ")
_VARIABLE = re.compile(r'unknown "(\w+)" variable')


def quoted_in(message: str) -> list[str]:
    """What an error names."""
    return [word for word in _QUOTED.findall(message) if word]


def as_written(message: str, analysis: Analysis) -> str:
    """An error with the names of files as the configuration has them, relative ones too."""
    for directory in (analysis.options.conf_prefix, analysis.options.prefix):
        message = message.replace(f'"{directory}', '"')
    return message


def named_by(message: str, statement: Statement) -> int | None:
    """The word of a statement that an error is about, None if it names none of them."""
    if match := _VARIABLE.search(message):
        return _word_with_variable(match[1], statement)
    quoted = quoted_in(message)
    for word in quoted:
        for at, arg in enumerate(statement.args, 1):
            if arg == word:
                return at
    for word in quoted:
        for at, arg in enumerate(statement.args, 1):
            if _mentions(arg, word):
                return at
    return 0 if statement.name in quoted else None


def _mentions(arg: str, word: str) -> bool:
    """Whether an argument is about a word: "zone=word:1m", "http://word/"; letters are in any
    text."""
    if len(word) == 1:
        return f"={word}" in arg
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", arg) is not None


def _word_with_variable(name: str, statement: Statement) -> int | None:
    pattern = re.compile(rf"\$(?:{name}(?!\w)|\{{{name}\}})", re.IGNORECASE)
    words = (statement.name, *statement.args)
    return next((at for at, word in enumerate(words) if pattern.search(word)), None)


def search(
    message: str, level: ConfBlock | None, analysis: Analysis
) -> tuple[Statement, int] | None:
    """The statement that an error without a place is about, and the word of it: on the level,
    on those around it, or anywhere."""
    if match := _VARIABLE.search(message):
        return _with_variable(match[1].lower(), level, analysis)
    best: tuple[Statement, int] | None = None
    quoted = quoted_in(message)
    for statement in _around(level, analysis):
        at = named_by(message, statement)
        if at is None or not _can_mean(message, statement):
            continue
        if statement.name in quoted and at:
            return statement, at
        if best is None or (at and not best[1]):
            best = statement, at
    if best is not None and best[1]:
        return best
    elsewhere = _anywhere(message, analysis)
    return best if elsewhere is None or (best is not None and not elsewhere[1]) else elsewhere


def _can_mean(message: str, statement: Statement) -> bool:
    """Whether a statement sets what an error about a certificate is of."""
    match = _CERTIFICATE.match(message)
    return match is None or statement.name.endswith(match[1].replace(" ", "_"))


def _with_variable(
    name: str, level: ConfBlock | None, analysis: Analysis
) -> tuple[Statement, int] | None:
    """The first use of a variable, on the level if it is used there."""
    if not analysis.variable_uses:
        for statement in everything(analysis):
            for at, word in enumerate((statement.name, *statement.args)):
                for match in _USE.finditer(word):
                    uses = analysis.variable_uses.setdefault((match[1] or match[2]).lower(), [])
                    uses.append((statement, at))
    uses = analysis.variable_uses.get(name, [])
    here = analysis.collector.statements.get(level, []) if level is not None else []
    near = (use for use in uses[:NEAR] if any(use[0] is statement for statement in here))
    return next(near, uses[0] if uses else None)


def _around(level: ConfBlock | None, analysis: Analysis) -> Iterator[Statement]:
    while level is not None:
        yield from analysis.collector.statements.get(level, ())
        level = level.outer


def _anywhere(message: str, analysis: Analysis) -> tuple[Statement, int] | None:
    best: tuple[Statement, int] | None = None
    for statement in everything(analysis):
        at = named_by(message, statement)
        if at or (at is not None and best is None):
            best = statement, at
            if at and not CONFLICT.search(message):
                break
    return best


def everything(analysis: Analysis) -> Iterable[Statement]:
    """All statements, and the entries of their blocks."""
    for statements in analysis.collector.statements.values():
        yield from statements
    for entries in analysis.collector.entries.values():
        yield from entries
