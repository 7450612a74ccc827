"""Finds regular expressions whose time can grow with the square of the length of a text.

A part without an end (``*``, ``+``) can leave off anywhere. If another one that takes the same
characters follows, with nothing between them that has to be there, the two share a run of such
characters in as many ways as it is long, and all are tried if the rest does not match. Possessive
parts (``*+``) give nothing back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _parser  # type: ignore[attr-defined]
from typing import Any

CHARACTERS = frozenset(range(256))
CATEGORIES = {
    name: frozenset(c for c in CHARACTERS if re.match(rf"\{mark}", chr(c), re.ASCII))
    for name, mark in (
        *(("CATEGORY_DIGIT", "d"), ("CATEGORY_NOT_DIGIT", "D"), ("CATEGORY_SPACE", "s")),
        *(("CATEGORY_NOT_SPACE", "S"), ("CATEGORY_WORD", "w"), ("CATEGORY_NOT_WORD", "W")),
    )
}
REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
Characters = frozenset[int]
Tail = frozenset[Characters]  # of the parts without an end that what follows is next to
NOTHING: Tail = frozenset()


def is_quadratic(pattern: str | bytes, flags: int = 0, *, whole: bool = False) -> bool:
    """Whether two parts can share a text in many ways, and something behind them can fail;
    `whole`: the end of the text has to be there."""
    return _Reading().fails(_parser.parse(pattern, flags), whole=whole)


class _Reading:
    """Goes through a pattern, from one part to the next."""

    def __init__(self) -> None:
        self._ambiguous = False  # two parts have shared a text
        self._found = False  # and something that is behind them can fail

    def fails(self, items: Iterable[Any], *, whole: bool) -> bool:
        self._sequence(items, NOTHING)
        if whole:
            self._must_match()
        return self._found

    def _must_match(self) -> None:
        self._found = self._found or self._ambiguous

    def _sequence(self, items: Iterable[Any], tail: Tail) -> Tail:
        for kind, what in items:
            tail = self._item(str(kind), what, tail)
        return tail

    def _item(self, kind: str, what: Any, tail: Tail) -> Tail:
        if kind in REPEATS:
            least, most, body = what
            if str(most) == "MAXREPEAT":
                return self._endless(kind, least, body, tail)
            after = self._sequence(body, tail)
            return after if least else after | tail
        if kind == "SUBPATTERN":
            return self._sequence(what[3], tail)
        if kind == "ATOMIC_GROUP":
            self._sequence(what, tail)
            return NOTHING
        if kind == "BRANCH":
            return frozenset().union(*(self._sequence(items, tail) for items in what[1]))
        if kind == "ASSERT":  # on the character before or behind; those that cannot have it end
            self._must_match()
            beside = _only(what[1])
            return tail if beside is None else frozenset(one for one in tail if one & beside)
        if kind in ("AT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS"):
            self._must_match()
            return tail
        self._must_match()
        taken = _characters(kind, what)
        return frozenset(one & taken for one in tail if one & taken)

    def _endless(self, kind: str, least: int, body: Any, tail: Tail) -> Tail:
        taken = _only(body)
        if taken is None:  # a group: what it ends with stands before what it begins with
            once = self._sequence(body, tail)
            after = self._sequence(body, once)
        else:
            if least:
                self._must_match()
            if any(one & taken for one in tail):
                self._ambiguous = True
            after = frozenset({taken})
        if kind == "POSSESSIVE_REPEAT":
            after = NOTHING
        return after if least else after | tail


def _only(body: Any) -> Characters | None:
    """The characters of a repeated part that takes one at a time."""
    items = list(body)
    if len(items) != 1:
        return None
    kind, what = str(items[0][0]), items[0][1]
    if kind == "SUBPATTERN":
        return _only(what[3])
    if kind in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
        return _characters(kind, what)
    return None


def _characters(kind: str, what: Any) -> Characters:
    if kind == "LITERAL":
        return frozenset({what})
    if kind == "NOT_LITERAL":
        return CHARACTERS - {what}
    if kind == "ANY":
        return CHARACTERS - {10}
    found: set[int] = set()
    for member, value in what:
        if str(member) == "LITERAL":
            found.add(value)
        elif str(member) == "RANGE":
            found.update(range(value[0], min(value[1], 255) + 1))
        elif str(member) == "CATEGORY":
            found |= CATEGORIES[str(value)]
    negated = any(str(member) == "NEGATE" for member, _ in what)
    return CHARACTERS - found if negated else frozenset(found)
