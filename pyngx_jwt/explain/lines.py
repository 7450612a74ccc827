"""The lines of an explanation: one fact each, with the statement that decided it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from ..conf.parse import Statement
from ..http.level import Level
from ..jwt import Key

HINT = "hint"  # the name of lines that say what to do
SHOWN = 200  # characters of a value


class Result(StrEnum):
    """The result of a check; a note is not a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    NOTE = "note"


class Line(NamedTuple):
    """One fact; `statement` is the directive that decides it, if there is one."""

    mark: Result
    name: str
    text: str
    statement: Statement | None = None


def place_of(statement: Statement | None) -> str:
    return "" if statement is None else f"{shown(statement.file)}:{statement.line}"


def shown(text: str) -> str:
    """Text of a configuration or a request, one character per byte, as it can be printed."""
    try:
        text = text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:  # not bytes
        return printable(text)
    return printable(text)


def printable(text: str) -> str:
    """Without control characters that a terminal would act on."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def value_text(value: object) -> str:
    """A JSON value, not longer than a line."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def statements_of(level: Level, *names: str, every: bool = False) -> list[Statement]:
    """Those that set one of `names` here; `every`: in all enclosing blocks too."""
    if not every:
        return next((here for name in names if (here := level.set_by(name))), [])
    statements, at = list[Statement](), level
    while True:
        statements = [*(s for name in names for s in at.statements.get(name, ())), *statements]
        if at.outer is None:
            return statements
        at = at.outer


def statement_with(statements: Iterable[Statement], *words: str) -> Statement | None:
    """The first that has all of the words, else the first one."""
    statements = list(statements)
    matching = (s for s in statements if all(word in s.args for word in words))
    return next(matching, statements[0] if statements else None)


def key_text(key: Key) -> str:
    """A key by its name and kind."""
    name = "a key without kid" if key.kid is None else f'"{printable(key.kid)}"'
    kind = f"{key.kty} {key.crv}" if key.crv else key.kty
    return f"{name} ({kind}, {key.alg})" if key.alg else f"{name} ({kind})"


def key_kind(key: Key) -> str:
    """A key by its kind: "an EC P-256 key (ES256)"."""
    kind = f"{key.kty} {key.crv}" if key.crv else key.kty
    article = "an" if kind[:1] in "AEIOUao" or kind.startswith("RSA") else "a"
    return f"{article} {kind} key ({key.alg})" if key.alg else f"{article} {kind} key"


def listed(words: Iterable[str], most: int = 8) -> str:
    words = list(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def date_text(seconds: float) -> str:
    """A NumericDate in UTC."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def distance_text(seconds: float, now: float) -> str:
    """How far a time is from now."""
    away = duration_text(abs(seconds - now))
    return f"in {away}" if seconds > now else f"{away} ago"


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration_text(seconds: float) -> str:
    """The two largest units of a time."""
    rest, parts = int(seconds), list[str]()
    for name, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
