"""Texts that a regular expression matches: what is found with them is looked up in the compiled
tables, so that a poor guess finds nothing, and nothing wrong."""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import Any

from re import _constants as ops, _parser  # type: ignore[attr-defined]  # isort: skip

_TRIED = "x0A-_./ " + string.printable
_BEGINS = (ops.AT_BEGINNING, ops.AT_BEGINNING_STRING)


def sample(pattern: str, filling: str = "x") -> str:
    """A text that the expression probably matches, with a filling wherever that may stand; "" if
    it cannot be read."""
    return _text(_parsed(pattern), filling)


def head(pattern: str) -> str:
    """What every text that matches begins with, "" if it may be anything."""
    beginning = ""
    for number, (op, value) in enumerate(_parsed(pattern)):
        if number == 0:
            if op is not ops.AT or value not in _BEGINS:
                return ""
        elif op is not ops.LITERAL:
            break
        else:
            beginning += chr(value)
    return beginning


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Any:
    """Python's reading of it, which is that of PCRE but for rarities; empty if it has none."""
    try:
        return list(_parser.parse(pattern))
    except (re.error, OverflowError, RecursionError):
        return []


def _text(items: Any, filling: str) -> str:
    return "".join(_item(op, value, filling) for op, value in items)


def _item(op: Any, value: Any, filling: str) -> str:
    if op is ops.LITERAL:
        return chr(value)
    if op is ops.ANY:
        return "."  # that is most often what was meant
    if op in (ops.IN, ops.NOT_LITERAL):
        return next((c for c in _TRIED if _accepts([(op, value)], c)), "")
    if op is ops.BRANCH:
        return _text(value[1][0], filling)
    if op is ops.SUBPATTERN:
        return _text(value[3], filling)
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        least, most, inner = value
        if most > 1 and _accepts(list(inner), filling):
            return filling
        repeats: int = least
        return _text(inner, filling) * repeats
    return ""  # places, and what looks ahead or back


def _accepts(items: list[Any], text: str) -> bool:
    """Whether a part that takes one character takes each of the text."""
    if len(items) != 1:
        return False
    op, value = items[0]
    if op is ops.ANY:
        return True
    if op is ops.NOT_LITERAL:
        return chr(value) not in text
    if op is not ops.IN:
        return False
    negated = value[0][0] is ops.NEGATE
    return all(any(_has(op, v, c) for op, v in value) is not negated for c in text)


def _has(op: Any, value: Any, character: str) -> bool:
    """Whether a member of a class is, or holds, a character."""
    if op is ops.LITERAL:
        return bool(ord(character) == value)
    if op is ops.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    test = _CATEGORIES.get(value)
    return test is not None and re.match(test, character) is not None


_CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_NOT_WORD: r"\W",
    ops.CATEGORY_NOT_SPACE: r"\S",
}
