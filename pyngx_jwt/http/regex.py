"""nginx's regular expressions: PCRE2 over bytes, without UTF mode.  Only this file knows pcre2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import pcre2  # type: ignore[import-untyped]

from ..errors import ConfError
from ..log import Level

if TYPE_CHECKING:
    from .request import Request


# The binding reads escapes as JavaScript does, where \\x{41} is not a character.
_BRACED = re.compile(r"\\(?:x\{([0-9A-Fa-f]{1,2})\}|.)", re.DOTALL)


def _unbraced(found: re.Match[str]) -> str:
    return f"\\x{found[1]:0>2}" if found[1] else found[0]


_FAILED = re.compile(r"compilation failed at position (\d+)[;:,.] (.*)", re.DOTALL)


def _why(message: str, text: str) -> str:
    """The sentence of ngx_regex_compile: what is wrong, and where."""
    found = _FAILED.match(message)
    if found is None:
        return f'pcre2_compile() failed: {message} in "{text}"'
    at = text[int(found[1]) :]
    place = f' at "{at}"' if at else ""
    return f'pcre2_compile() failed: {found[2]} in "{text}"{place}'


class Match(Protocol):
    """The part of a match that variables need."""

    def group(self, group: int | str = 0) -> bytes | None: ...
    def span(self, group: int | str = 0) -> tuple[int, int]: ...


class Regex:
    """A compiled expression; a match leaves $1..$9 and the named captures in the request."""

    __slots__ = ("_search", "groups", "names", "text")

    def __init__(self, text: str, *, caseless: bool = False, limits: str = "") -> None:
        """Raises ConfError in nginx's words.  `limits` are PCRE2's, such as
        "(*LIMIT_MATCH=1000)"."""
        flags = pcre2.IGNORECASE if caseless else 0
        try:
            words = f"{limits}{_BRACED.sub(_unbraced, text)}".encode("latin-1")
            pattern = pcre2.compile(words, flags)
        except pcre2.PatternError as error:
            raise ConfError(_why(str(error), text)) from None
        self.text = text
        self._search = pattern.search
        self.groups: int = pattern.groups
        self.names = tuple(
            name.decode("latin-1") if isinstance(name, bytes) else name
            for name in pattern.groupindex
        )

    def match(self, r: Request, subject: str) -> bool:
        """Searches; raises nothing: an exhausted match limit is logged and is no match."""
        found = self.search(r, subject)
        if found is None:
            return False
        r.captures = found
        for name in self.names:
            value = found.group(name)
            r.variables[name.lower()] = "" if value is None else value.decode("latin-1")
        return True

    def search(self, r: Request, subject: str) -> Match | None:
        """The match alone, without leaving captures."""
        try:
            found: Match | None = self._search(subject.encode("latin-1"))
        except pcre2.LibraryError as error:
            r.log(Level.ALERT, f'pcre2_match() failed: {error} on "{subject}" using "{self.text}"')
            return None
        return found

    def test(self, subject: str) -> bool:
        """Whether it matches, for use outside a request; ValueError if it gives up."""
        try:
            return self._search(subject.encode("latin-1")) is not None
        except pcre2.LibraryError as error:
            raise ValueError(str(error)) from None
