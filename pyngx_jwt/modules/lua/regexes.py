"""Regular expressions for Lua ("ngx.re")."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from ...errors import ConfError
from ...http.regex import LuaRegex, RegexFailed
from ...log import Severity
from .calls import Calls, LuaError
from .state import LuaRun

calls = Calls()

_KNOWN_OPTIONS = frozenset("adijmosuxDJU")
_REPLACEMENT = re.compile(
    r"\$(?:\$|(?P<number>[0-9]+)|\{(?P<braced>[0-9]+)\}|(?P<wrong>.?))", re.DOTALL
)


class RegexCache:
    """The expressions that code has used of late."""

    def __init__(self, most: int, limit: int) -> None:
        self._most, self._limits = most, f"(*LIMIT_MATCH={limit})" if limit else ""
        self._known: OrderedDict[tuple[str, str], LuaRegex] = OrderedDict()

    def get(self, text: str, options: str) -> LuaRegex:
        """Raises LuaError for unknown options, ConfError for a wrong expression."""
        key = (text, options)
        found = self._known.get(key)
        if found is not None:
            return found
        for option in options:
            if option not in _KNOWN_OPTIONS:
                raise LuaError(f'unknown flag "{option}" (flags "{options}")')
        found = self._known[key] = LuaRegex(text, options, self._limits)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found


class RegexSearch:
    """The matches of an expression, one after the other."""

    def __init__(self, regex: LuaRegex, subject: str, start: int) -> None:
        self.regex, self.subject, self.at = regex, subject.encode("latin-1"), start
        self.span = (0, 0)

    def step(self) -> Any:
        if self.at > len(self.subject):
            return None
        match = self.regex.search(self.subject, self.at)
        if match is None:
            self.at = len(self.subject) + 1
            return None
        first, last = self.span = match.span()
        self.at = last if last > first else last + 1
        return match


def _told(regex: LuaRegex, match: Any) -> Any:
    """The end of a match, the numbers of names and groups, the groups, and names with numbers."""
    groups = [match.group(n) for n in range(regex.groups + 1)]
    values = [False if group is None else group for group in groups]
    names = regex.flat_names
    return match.span()[1], len(names), regex.groups, *values, *names


def _failed(error: Exception) -> tuple[None, str]:
    return None, str(error)


@calls
def re_match(run: LuaRun, subject: str, text: str, options: str, at: int) -> Any:
    try:
        regex = run.machine.regexes.get(text, options)
        data = subject.encode("latin-1")
        match = regex.search(data, int(at) - 1) if at <= len(data) + 1 else None
    except (ConfError, RegexFailed) as error:
        return _failed(error)
    return None if match is None else _told(regex, match)


@calls
def re_find(run: LuaRun, subject: str, text: str, options: str, at: int, group: int) -> Any:
    try:
        regex = run.machine.regexes.get(text, options)
        data = subject.encode("latin-1")
        match = regex.search(data, int(at) - 1) if at <= len(data) + 1 else None
    except (ConfError, RegexFailed) as error:
        return None, None, str(error)
    if match is None:
        return None
    if not 0 <= group <= regex.groups:
        return None, None, "nth out of bound"
    first, last = match.span(int(group))
    if first < 0:
        return None
    return first + 1, last, match.span()[1]


@calls
def re_start(run: LuaRun, subject: str, text: str, options: str, at: int = 1) -> Any:
    try:
        return RegexSearch(run.machine.regexes.get(text, options), subject, int(at) - 1)
    except ConfError as error:
        return _failed(error)


@calls
def re_step(search: RegexSearch) -> Any:
    try:
        match = search.step()
    except RegexFailed as error:
        return _failed(error)
    return None if match is None else _told(search.regex, match)


@calls
def re_span(search: RegexSearch) -> tuple[int, int]:
    """Of the last match, as Lua counts."""
    return search.span[0] + 1, search.span[1]


@calls
def re_sub(
    run: LuaRun, subject: str, text: str, replacement: str, options: str, every: bool
) -> Any:
    """The new text and the number of replacements; with nothing replaced the text as it was."""
    try:
        pieces = _pieces(replacement)
        search = RegexSearch(run.machine.regexes.get(text, options), subject, 0)
        data, parts, at, count = search.subject, list[bytes](), 0, 0
        while (match := search.step()) is not None:
            first, last = search.span
            parts.append(data[at:first])
            parts += (p if isinstance(p, bytes) else _group(match, p) for p in pieces)
            at, count = last, count + 1
            if not every:
                break
    except (ConfError, RegexFailed) as error:
        return None, None, str(error)
    except ValueError as error:
        run.log(Severity.ERR, f'invalid capturing variable name found in "{replacement}"')
        return None, None, str(error)
    parts.append(data[at:])
    return b"".join(parts), count


def _group(match: Any, number: int) -> bytes:
    try:
        value: bytes | None = match.group(number)
    except IndexError:
        return b""
    return value or b""


def _pieces(replacement: str) -> list[bytes | int]:
    """Texts, and numbers of groups; raises ValueError."""
    pieces: list[bytes | int] = []
    at = 0
    for found in _REPLACEMENT.finditer(replacement):
        pieces.append(replacement[at : found.start()].encode("latin-1"))
        at = found.end()
        if found["wrong"] is not None:
            raise ValueError("failed to compile the replacement template")
        number = found["number"] or found["braced"]
        pieces.append(b"$" if number is None else int(number))
    pieces.append(replacement[at:].encode("latin-1"))
    return pieces
