"""Regular expressions as trees: which characters a part of one can take, and how often.

Reads PCRE's syntax as far as configurations go; what it does not know is ``PatternError``, of
which rules make nothing.  Characters are bytes, sets of them integers with a bit for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_letters, digits, hexdigits, punctuation


class PatternError(Exception):
    """An expression that is not understood."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    mask: int


@dataclass(frozen=True, slots=True)
class PatternSequence:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` is None without a limit; `keeps` what it has taken, once it is through."""

    item: Node
    least: int
    most: int | None
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture: its number and its name."""

    item: Node
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """What takes no characters: "^", "$", boundaries, what is looked at ahead or behind."""

    kind: str


Node = Chars | PatternSequence | Alternation | Repeat | Capture | Assertion


def mask_of(characters: str) -> int:
    """The set of these characters."""
    return sum(1 << code for code in {ord(c) for c in characters})


ALL = (1 << 256) - 1
LINE_END = mask_of("\n")
_WORD, _DIGIT = mask_of(ascii_letters + digits + "_"), mask_of(digits)
_SPACE, _BLANK = mask_of(" \t\n\r\f\v"), mask_of(" \t\xa0")
_CLASSES = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "h": _BLANK,
    "v": mask_of("\n\v\f\r\x85"),
    "N": ALL & ~LINE_END,
    "R": mask_of("\n\v\f\r\x85"),
    "X": ALL,
}
_CLASSES |= {name.upper(): ALL & ~_CLASSES[name] for name in "dwshv"}
_NAMED = {
    "alpha": mask_of(ascii_letters),
    "digit": _DIGIT,
    "alnum": mask_of(ascii_letters + digits),
    "upper": mask_of(ascii_letters[26:]),
    "lower": mask_of(ascii_letters[:26]),
    "space": _SPACE,
    "blank": mask_of(" \t"),
    "punct": mask_of(punctuation),
    "xdigit": mask_of(hexdigits),
    "word": _WORD,
    "print": mask_of("".join(map(chr, range(32, 127)))),
    "graph": mask_of("".join(map(chr, range(33, 127)))),
    "cntrl": mask_of("".join(map(chr, range(32))) + "\x7f"),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "e": "\x1b", "a": "\x07"}
_QUANTIFIER = re.compile(r"\{(\d*)(,?)(\d*)\}")
_OPENING = re.compile(
    r"\?(?:(?P<flags>[imsnJ]*(?:-[imsn]+)?)(?P<end>[:)])|(?P<look><?[=!])"
    r"|P?<(?P<name>\w+)>|'(?P<quoted>\w+)'|(?P<atomic>>)|(?P<reset>\|)|#(?P<comment>[^)]*)\))"
)
_UPPER, _LOWER = mask_of(ascii_letters[26:]), mask_of(ascii_letters[:26])


@lru_cache(maxsize=4096)
def parse_pattern(text: str, *, caseless: bool = False) -> Node:
    """Raises PatternError."""
    return _PatternParser(text, caseless).whole()


class _PatternParser:
    def __init__(self, text: str, caseless: bool) -> None:
        self.text, self.at, self.groups = text, 0, 0
        self.caseless, self.dots_all = caseless, False

    def whole(self) -> Node:
        while self.text.startswith("(*", self.at):
            self.at = self._behind(")")
        node = self.choice()
        if self.at < len(self.text):
            raise PatternError("unbalanced parenthesis")
        return node

    def choice(self) -> Node:
        items = [self.sequence()]
        while self._take("|"):
            items.append(self.sequence())
        return items[0] if len(items) == 1 else Alternation(tuple(items))

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items.append(self.repeated())
        return items[0] if len(items) == 1 else PatternSequence(tuple(items))

    def repeated(self) -> Node:
        node = self.atom()
        while (limits := self._quantifier()) is not None:
            least, most = limits
            keeps = self._take("+")
            if not keeps:
                self._take("?")
            node = Repeat(node, least, most, keeps)
        return node

    def _quantifier(self) -> tuple[int, int | None] | None:
        for mark, limits in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(mark):
                return limits
        match = _QUANTIFIER.match(self.text, self.at)
        if match is None or not (match[1] or (match[2] and match[3])):
            return None
        self.at = match.end()
        least = int(match[1] or 0)
        return least, int(match[3]) if match[3] else None if match[2] else least

    def atom(self) -> Node:
        c = self.text[self.at]
        self.at += 1
        if c == "(":
            return self.group()
        if c == "[":
            return self.set()
        if c == ".":
            return Chars(ALL if self.dots_all else ALL & ~LINE_END)
        if c in "^$":
            return Assertion(c)
        if c == "\\":
            return self.escape()
        if c in "*+?":
            raise PatternError("nothing to repeat")
        return self._chars(1 << ord(c))

    def group(self) -> Node:
        if self.text.startswith("?", self.at):
            return self.special()
        if self.text.startswith("*", self.at):
            raise PatternError("a verb")
        return self._captured("")

    def special(self) -> Node:
        match = _OPENING.match(self.text, self.at)
        if match is None:
            raise PatternError("an unknown group")
        self.at = match.end()
        if match["comment"] is not None:
            return PatternSequence(())
        if match["name"] or match["quoted"]:
            return self._captured(match["name"] or match["quoted"])
        if match["look"]:
            self._inner()
            return Assertion(f"?{match['look']}")
        if match["reset"]:
            raise PatternError("a branch reset")
        if match["atomic"]:
            return Repeat(self._inner(), 1, 1, keeps=True)
        return self._flagged(match["flags"] or "", match["end"])

    def _flagged(self, flags: str, end: str) -> Node:
        before = self.caseless, self.dots_all
        on, _, off = flags.partition("-")
        self.caseless = ("i" in on or self.caseless) and "i" not in off
        self.dots_all = ("s" in on or self.dots_all) and "s" not in off
        if end == ")":  # until the group around it ends
            node = self.choice()
            self.caseless, self.dots_all = before
            return node
        node = self.choice()
        self.caseless, self.dots_all = before
        self._close()
        return node

    def _captured(self, name: str) -> Node:
        self.groups += 1
        number = self.groups
        return Capture(self._inner(), number, name)

    def _inner(self) -> Node:
        before = self.caseless, self.dots_all
        node = self.choice()
        self.caseless, self.dots_all = before
        self._close()
        return node

    def _close(self) -> None:
        if not self._take(")"):
            raise PatternError("missing )")

    def escape(self) -> Node:
        c = self.text[self.at : self.at + 1]
        self.at += 1
        if c in _CLASSES:
            return Chars(_CLASSES[c])
        if c in "bBAzZGK":
            return Assertion({"A": "^", "z": "$", "Z": "$"}.get(c, f"\\{c}"))
        if c == "Q":
            end = self.text.find("\\E", self.at)
            literal = self.text[self.at : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.text)
            return PatternSequence(tuple(self._chars(1 << ord(x)) for x in literal))
        if c == "E":
            return PatternSequence(())
        if c in "pP":
            self._property()
            return Chars(ALL)
        if not c or c in "kgCuUlL" or c in "123456789":
            raise PatternError("a reference")
        return self._chars(1 << ord(self._character(c)))

    def _character(self, c: str) -> str:
        """The character of an escape whose letter has been read."""
        if c in _CONTROLS:
            return _CONTROLS[c]
        if c == "c":
            self.at += 1
            return chr(ord(self.text[self.at - 1 : self.at].upper() or "@") ^ 64)
        if c == "x":
            match = re.compile(r"\{([0-9A-Fa-f]{1,2})\}|([0-9A-Fa-f]{0,2})").match(
                self.text, self.at
            )
            assert match is not None
            self.at = match.end()
            return chr(int(match[1] or match[2] or "0", 16))
        if c == "0":
            match = re.compile(r"[0-7]{0,2}").match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            return chr(int(match[0] or "0", 8))
        if c.isalnum():
            raise PatternError(f"an unknown escape \\{c}")
        return c

    def _property(self) -> None:
        self.at = self._behind("}") if self.text.startswith("{", self.at) else self.at + 1

    def set(self) -> Node:
        negative, mask, first = self._take("^"), 0, True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise PatternError("missing ]")
            first = False
            mask |= self._member()
        self.at += 1
        mask = _both_cases(mask) if self.caseless else mask
        return Chars(ALL & ~mask if negative else mask)

    def _member(self) -> int:
        if match := re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at):
            if match[2] not in _NAMED:
                raise PatternError("an unknown class")
            self.at = match.end()
            return ALL & ~_NAMED[match[2]] if match[1] else _NAMED[match[2]]
        low = self._set_character()
        ranged = self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at)
        if isinstance(low, int) or not ranged:
            return low if isinstance(low, int) else 1 << ord(low)
        self.at += 1
        high = self._set_character()
        if isinstance(high, int):
            return 1 << ord(low) | mask_of("-") | high
        return sum(1 << code for code in range(ord(low), ord(high) + 1))

    def _set_character(self) -> str | int:
        """A character, or a whole class of them."""
        c = self.text[self.at : self.at + 1]
        self.at += 1
        if c != "\\":
            return c or "\\"
        c = self.text[self.at : self.at + 1]
        self.at += 1
        if c in _CLASSES and c not in "NRX":
            return _CLASSES[c]
        if c == "b":
            return "\b"
        if c and c in "pP":
            self._property()
            return ALL
        if not c or c in "123456789QE":
            raise PatternError("an unknown escape")
        return self._character(c)

    def _chars(self, mask: int) -> Node:
        return Chars(_both_cases(mask) if self.caseless else mask)

    def _take(self, text: str) -> bool:
        is_there = self.text.startswith(text, self.at)
        self.at += is_there * len(text)
        return is_there

    def _behind(self, text: str) -> int:
        end = self.text.find(text, self.at)
        if end < 0:
            raise PatternError(f"missing {text}")
        return end + len(text)


def _both_cases(mask: int) -> int:
    return mask | (mask & _UPPER) << 32 | (mask & _LOWER) >> 32


# -- properties of trees --------------------------------------------------------------------


def groups(node: Node) -> Iterator[Capture]:
    """The captures of a tree, in the order of their numbers."""
    if isinstance(node, Capture):
        yield node
    if isinstance(node, Capture | Repeat):
        yield from groups(node.item)
    elif isinstance(node, PatternSequence | Alternation):
        for item in node.items:
            yield from groups(item)


def chars_of(node: Node) -> int:
    """All characters that can be in what a tree takes."""
    if isinstance(node, Chars):
        return node.mask
    if isinstance(node, Capture | Repeat):
        return chars_of(node.item)
    if isinstance(node, PatternSequence | Alternation):
        mask = 0
        for item in node.items:
            mask |= chars_of(item)
        return mask
    return 0


def is_nullable(node: Node) -> bool:
    """Whether it can take nothing."""
    if isinstance(node, Chars):
        return False
    if isinstance(node, Repeat):
        return node.least == 0 or is_nullable(node.item)
    if isinstance(node, Capture):
        return is_nullable(node.item)
    if isinstance(node, PatternSequence):
        return all(is_nullable(item) for item in node.items)
    return not isinstance(node, Alternation) or any(is_nullable(item) for item in node.items)


def firsts(node: Node) -> int:
    """The characters that what it takes can begin with."""
    if isinstance(node, Chars):
        return node.mask
    if isinstance(node, Capture | Repeat):
        return firsts(node.item)
    mask = 0
    if isinstance(node, PatternSequence | Alternation):
        for item in node.items:
            mask |= firsts(item)
            if isinstance(node, PatternSequence) and not is_nullable(item):
                break
    return mask


MANY = 10_000


def count(node: Node) -> int:
    """How many texts it can take; MANY for more than can be counted."""
    if isinstance(node, Chars):
        return node.mask.bit_count()
    if isinstance(node, Capture):
        return count(node.item)
    if isinstance(node, Alternation):
        return min(MANY, sum(count(item) for item in node.items))
    if isinstance(node, PatternSequence):
        product = 1
        for item in node.items:
            product = min(MANY, product * count(item))
        return product
    if isinstance(node, Repeat):
        if node.most is None or node.most > 16:
            return MANY
        single = count(node.item)
        return min(MANY, sum(int(single**n) for n in range(node.least, node.most + 1)))
    return 1
