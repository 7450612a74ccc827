"""Variables, strings and conditions of SSI commands."""

from __future__ import annotations

import re
from functools import lru_cache

from ...errors import ConfError
from ...http.regex import Match, Regex
from ...http.request import Request
from ...http.variables import Variables
from ...log import Severity

_LEFT = re.compile(r"[A-Za-z0-9${}_\"']*")
_NAME = re.compile(r"[A-Za-z0-9_]*")
_QUOTED = re.compile(r"\\(.)", re.DOTALL)


class SsiError(Exception):
    """A command that cannot be run; the reason is in the log."""


def fail(r: Request, text: str) -> SsiError:
    r.log(Severity.ERR, text)
    return SsiError()


class SsiValues:
    """Variables, captures and blocks of a client's request, shared with its subrequests."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.blocks: dict[str, bytearray] = {}
        self.captures: Match | None = None

    def get(self, r: Request, name: str, variables: Variables) -> str | None:
        """A variable's value, None if it has none."""
        if self.captures is not None and len(name) == 1 and name.isdigit():
            try:
                group = self.captures.group(int(name))
            except (IndexError, ValueError):
                group = None
            if group is not None:
                return group.decode("latin-1")
        value = self.variables.get(name)
        if value is not None:
            return value
        try:
            return variables.resolve(name)(r)
        except ConfError:
            return None

    def evaluate(self, r: Request, text: str, variables: Variables) -> str:
        """A string with its variables and without its backslashes; raises SsiError
        (ngx_http_ssi_evaluate_string)."""
        parts, at = [], 0
        while at < len(text):
            if text[at] == "$":
                name, at = _variable(r, text, at + 1)
                parts.append(self.get(r, name, variables) or "")
            else:
                end = _literal_end(text, at)
                parts.append(_QUOTED.sub(_unquoted, text[at:end]))
                at = end
        return "".join(parts)

    def holds(self, r: Request, expression: str, variables: Variables) -> bool:
        """The value of a condition; raises SsiError (ngx_http_ssi_if)."""
        match = _LEFT.match(expression)
        assert match is not None
        left = self.evaluate(r, match[0].lower(), variables)
        rest = expression[match.end() :].lstrip(" ")
        if not rest:
            return bool(left)
        if not rest.startswith(("=", "!=")):
            raise fail(r, f'invalid expression in "{expression}"')
        negative = rest.startswith("!=")
        right = rest[2 if negative else 1 :].lstrip(" ")
        if len(right) > 1 and right.startswith("/"):
            if not right.endswith("/"):
                raise fail(r, f'invalid expression in "{expression}"')
            pattern = self.evaluate(r, right[1:-1], variables)
            return self._matches(r, pattern, left) is not negative
        if len(right) > 1 and right.startswith("\\/"):
            right = right[1:]
        return (left == self.evaluate(r, right, variables)) is not negative

    def _matches(self, r: Request, pattern: str, text: str) -> bool:
        try:
            regex = _compiled(pattern)
        except ConfError as error:
            raise fail(r, str(error.args[0])) from None
        match = regex.search(r, text)
        if match is None:
            return False
        self.captures = match
        for name in regex.names:
            value = match.group(name)
            self.variables[name.lower()] = (value or b"").decode("latin-1")
        return True


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Regex:
    return Regex(pattern)


def _variable(r: Request, text: str, at: int) -> tuple[str, int]:
    """The name of a variable after its dollar sign, and where it ends; raises SsiError."""
    braced = text.startswith("{", at)
    match = _NAME.match(text, at + braced)
    assert match is not None
    end = match.end()
    if braced and end > at + 1 and not text.startswith("}", end):
        raise fail(r, f'the closing bracket in "{match[0]}" variable is missing')
    if not match[0]:
        raise fail(r, f'invalid variable name in "{text}"')
    return match[0].lower(), end + braced


def _literal_end(text: str, at: int) -> int:
    """Where the next variable begins; a dollar sign after a backslash begins none."""
    while at < len(text) and text[at] != "$":
        at += 2 if text[at] == "\\" else 1
    return min(at, len(text))


def _unquoted(match: re.Match[str]) -> str:
    return match[1] if match[1] in "\\'\"$" else match[0]
