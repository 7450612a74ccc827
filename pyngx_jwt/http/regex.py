"""nginx's regular expressions: PCRE2 over bytes, without UTF mode.  Only this file knows pcre2."""

from __future__ import annotations

import re
from typing import Any, Protocol

import pcre2  # type: ignore[import-untyped]

from ..errors import ConfError
from ..log import Severity
from .failure import RequestFailed
from .needle import beginning_of, needle_of

# The binding reads escapes as JavaScript does, where \\x{41} is not a character.
_BRACED = re.compile(r"\\(?:x\{([0-9A-Fa-f]{1,2})\}|.)", re.DOTALL)


def _unbraced(escape: re.Match[str]) -> str:
    return f"\\x{escape[1]:0>2}" if escape[1] else escape[0]


_FAILED = re.compile(r"compilation failed at position (\d+)[;:,.] (.*)", re.DOTALL)


def _why(message: str, text: str) -> str:
    """The sentence of ngx_regex_compile: what is wrong, and where."""
    parts = _FAILED.match(message)
    if parts is None:
        return f'pcre2_compile() failed: {message} in "{text}"'
    at = text[int(parts[1]) :]
    place = f' at "{at}"' if at else ""
    return f'pcre2_compile() failed: {parts[2]} in "{text}"{place}'


JIT_STACK_LIMIT = -46  # PCRE2_ERROR_JIT_STACKLIMIT


class RegexFailed(RequestFailed):
    """An expression gave up on its subject: whether it matches is unknown.

    It may guard something: the caller must not go on as if there were no match.  The
    failure is in the log already; the request ends with status 500.
    """


class Match(Protocol):
    """The part of a match that variables need."""

    def group(self, group: int | str = 0) -> bytes | None: ...
    def span(self, group: int | str = 0) -> tuple[int, int]: ...


class Subject(Protocol):
    """What an expression is matched for: a request."""

    captures: Match | None
    variables: dict[str, str]

    @property
    def logged(self) -> bool: ...

    def log(self, level: Severity, text: str) -> None: ...


class Regex:
    """A compiled expression; a match leaves $1..$9 and the named captures in the request."""

    __slots__ = (
        *("_beginning", "_caseless", "_interpret", "_needle", "_search", "_words"),
        *("groups", "names", "text"),
    )

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
        needle = needle_of(text)
        self._needle, self._caseless = needle.lower() if caseless else needle, caseless
        self._beginning = "" if caseless else beginning_of(text)
        self._search = pattern.search
        self._words = words, flags
        self._interpret: Any = None  # the expression without JIT, once it was needed
        self.groups: int = pattern.groups
        self.names = tuple(
            name.decode("latin-1") if isinstance(name, bytes) else name
            for name in pattern.groupindex
        )

    def match(self, r: Subject, subject: str) -> bool:
        """Whether it matches, and then leaves its captures; raises RegexFailed.

        Most expressions do not match, and most of these say so by a text that is missing."""
        if self._beginning and not subject.startswith(self._beginning):
            return False
        if self._needle not in (subject.lower() if self._caseless else subject):
            return False
        match = self.search(r, subject)
        if match is None:
            return False
        r.captures = match
        for name in self.names:
            value = match.group(name)
            r.variables[name.lower()] = "" if value is None else value.decode("latin-1")
        return True

    def search(self, r: Subject, subject: str) -> Match | None:
        """The match alone, without leaving captures; logs a failure and raises RegexFailed."""
        data = subject.encode("latin-1")
        try:
            match: Match | None = self._search(data)
        except pcre2.LibraryError as error:
            try:
                return self._search_again(data, error)
            except pcre2.LibraryError as final:
                text = f'pcre2_match() failed: {final} on "{subject}" using "{self.text}"'
                r.log(Severity.ALERT, text)
                if r.logged:  # there is nothing left to guard, and the line is to be written
                    return None
                raise RegexFailed(text) from None
        return match

    def test(self, subject: str) -> bool:
        """Whether it matches, for use outside a request; raises RegexFailed."""
        data = subject.encode("latin-1")
        try:
            return self._search(data) is not None
        except pcre2.LibraryError as error:
            try:
                return self._search_again(data, error) is not None
            except pcre2.LibraryError as final:
                raise RegexFailed(str(final)) from None

    def _search_again(self, data: bytes, error: pcre2.LibraryError) -> Match | None:
        """Searches without JIT, whose stack of 32 KB a subject of 2 KB can exhaust; the
        interpreter takes its memory from the heap.  Raises LibraryError."""
        if error.code != JIT_STACK_LIMIT:
            raise error
        if self._interpret is None:
            words, flags = self._words
            self._interpret = pcre2.compile(words, flags, jit=False).search
        match: Match | None = self._interpret(data)
        return match


# PCRE2's options by the letters of "ngx.re": those of Perl, and "$" at the very end only,
# ungreedy, names that repeat, UTF-8.
_FLAGS = {
    "i": pcre2.IGNORECASE,
    "m": pcre2.MULTILINE,
    "s": pcre2.DOTALL,
    "x": pcre2.VERBOSE,
    "D": 0x00000010,
    "U": 0x00040000,
    "J": 0x00000040,
    "u": 0x00080000,
}


class LuaRegex:
    """An expression that the code of a request has made; it leaves no captures."""

    __slots__ = ("_interpret", "_pattern", "_words", "flat_names", "groups")

    def __init__(self, text: str, options: str, limits: str = "") -> None:
        """Raises ConfError."""
        flags = 0
        for letter in options:
            flags |= int(_FLAGS.get(letter, 0))
        words = _BRACED.sub(_unbraced, text) if "u" not in options else text
        if "a" in options:
            words = f"\\G(?:{words}\n)" if "x" in options else f"\\G(?:{words})"
        self._words = f"{limits}{words}".encode("latin-1"), flags
        try:
            self._pattern = pcre2.compile(*self._words)
        except pcre2.PatternError as error:
            raise ConfError(_why(str(error), text)) from None
        self._interpret: Any = None
        self.groups: int = self._pattern.groups
        names: list[str | int] = []
        for name, number in self._pattern.groupindex.items():
            names += (name.decode("latin-1") if isinstance(name, bytes) else name, number)
        self.flat_names = tuple(names)

    def search(self, data: bytes, start: int) -> Any:
        """The first match from an offset on, or None; raises RegexFailed."""
        try:
            return self._pattern.search(data, start)
        except pcre2.LibraryError as error:
            if error.code != JIT_STACK_LIMIT:
                raise RegexFailed(f"pcre2_match() failed: {error}") from None
        if self._interpret is None:
            self._interpret = pcre2.compile(*self._words, jit=False)
        try:
            return self._interpret.search(data, start)
        except pcre2.LibraryError as error:
            raise RegexFailed(f"pcre2_match() failed: {error}") from None
