"""Replaces strings in responses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..conf.directive import Conf, directive, flag
from ..errors import ConfError
from ..http.content_types import HTML, Types, add_types, has_type
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module
from ..http.names import ascii_lower
from ..http.request import HeaderFilter, Request
from ..http.template import Template, Text
from .gzip_ok import change_length

MOST = 255  # strings of a level


class SubConf(Conf):
    pairs: tuple[tuple[Template, Template], ...] = ()
    types: Types = HTML

    @directive(EVERYWHERE)
    def sub_filter(self, string: str, replacement: str) -> None:
        """Replaces a string, in any case, with another one.  Both can contain variables.  Several
        can be set on a level; at each position the first one that matches applies.  They are
        inherited if and only if the level has none of its own.  Compressed responses are searched
        as they are; clear Accept-Encoding of the request to the upstream."""
        if not string:
            raise ConfError("empty search pattern")
        pairs = vars(self).get("pairs", ())
        if len(pairs) == MOST:
            raise ConfError(f"number of search patterns exceeds {MOST}")
        self.pairs = (*pairs, (Template(ascii_lower(string)), Template(replacement)))

    @directive(EVERYWHERE, default="text/html", syntax="sub_filter_types mime-type ...")
    def sub_filter_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are searched, in addition to text/html.  "*" means
        all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))

    sub_filter_once = flag(True, EVERYWHERE, "Replaces each string only once.")
    sub_filter_last_modified = flag(
        False,
        EVERYWHERE,
        "Keeps the Last-Modified header of the original response, and its ETag as a weak one. "
        "Otherwise both are removed.",
    )


sub = Module("sub", SubConf)


@sub.header_filter
def replace_strings(conf: SubConf, level: Level) -> HeaderFilter | None:
    if not conf.pairs:
        return None
    types, once, keeps_date = conf.types, conf.sub_filter_once, conf.sub_filter_last_modified
    pairs = [
        (string.bind(level.variables), replacement.bind(level.variables))
        for string, replacement in conf.pairs
    ]

    def filter_header(r: Request) -> None:
        if r.content_length == 0 or not has_type(r, types):
            return
        found = [(string(r).encode("latin-1").lower(), text) for string, text in pairs]
        patterns = [Pattern(string, text) for string, text in found if string]
        if not patterns:
            return
        r.body_filters += (Substitution(r, patterns, once),)
        if r.parent is None:
            if keeps_date:
                change_length(r)
            else:
                r.clear_header("last-modified")
                r.clear_validators()

    return filter_header


class Pattern(NamedTuple):
    string: bytes  # in lower case
    replacement: Text


class Substitution:
    """The body filter; holds back what may be the beginning of a string."""

    def __init__(self, r: Request, patterns: list[Pattern], once: bool) -> None:
        self.r, self.once = r, once
        self.patterns: list[Pattern | None] = [*patterns]
        self.texts: dict[int, bytes] = {}
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        return b"".join(self._pieces(self.held + data))

    def end(self) -> bytes:
        data, self.held = self.held, b""
        return b"" if self.r.header_only else data

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        low, at = data.lower(), 0
        while True:
            strings = tuple(p.string if p else b"" for p in self.patterns)
            match = _search(strings, low, at)
            waits = _beginning(strings, low, at)
            if match is None or waits < match:
                yield data[at : waits[0]]
                self.held = data[waits[0] :]
                return
            start, number = match
            yield data[at:start]
            yield self._replacement(number)
            at = start + len(strings[number])
            if self.once:
                self.patterns[number] = None

    def _replacement(self, number: int) -> bytes:
        """Evaluated once."""
        if number not in self.texts:
            pattern = self.patterns[number]
            assert pattern is not None
            self.texts[number] = pattern.replacement(self.r).encode("latin-1")
        return self.texts[number]


Place = tuple[int, int]  # a position, and which of the strings begins there


@lru_cache(maxsize=256)
def _regex(strings: tuple[bytes, ...]) -> re.Pattern[bytes] | None:
    words = [b"(%b)" % re.escape(string) if string else b"((?!))" for string in strings]
    return re.compile(b"|".join(words)) if any(strings) else None


def _search(strings: tuple[bytes, ...], data: bytes, start: int) -> Place | None:
    """The first string from a position on, in the order of the configuration."""
    regex = _regex(strings)
    match = regex.search(data, start) if regex else None
    return (match.start(), (match.lastindex or 1) - 1) if match else None


def _beginning(strings: tuple[bytes, ...], data: bytes, start: int) -> Place:
    """Where a string may begin that ends in later data; the end if none does."""
    size = len(data)
    longest = max(map(len, strings))
    for at in range(max(start, size - longest + 1), size):
        rest = data[at:]
        for number, string in enumerate(strings):
            if len(string) > len(rest) and string.startswith(rest):
                return at, number
    return size, 0
