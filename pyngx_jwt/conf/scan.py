"""A look at all of a configuration before any of it is run: its statements, and nothing else.

What decides how directives are read has to be known before the first of them.  Errors are not
told here but by the reader proper, which meets them in nginx's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ConfError
from .parse import Statement
from .scanned import scan_file
from .watch import ConfFiles

_INCLUDE = re.compile(r"include(?<=\binclude)\s+([^;{}]+);")  # it begins with what is rare
_MAX_FILES = 10_000


class Scan(NamedTuple):
    """All statements in their order, and the text of every file by its path."""

    statements: tuple[Statement, ...]
    texts: dict[str, str]


def scan(path: str, base: str, word: str, files: ConfFiles) -> Scan:
    """The statements of a file and all it includes, as far as they can be read; relative
    includes are from `base`.  There are none if no file contains the word."""
    texts: dict[str, str] = {}
    _collect(path, base, texts, files)
    if not any(word in text for text in texts.values()):
        return Scan((), texts)
    return Scan(tuple(_statements(path, base, frozenset(), files)), texts)


def _collect(path: str, base: str, texts: dict[str, str], files: ConfFiles) -> None:
    """All that may be included; some of it may be in a comment."""
    if path in texts or len(texts) >= _MAX_FILES:
        return
    try:
        texts[path] = files.read(path).text
    except ConfError:
        return
    for match in _INCLUDE.finditer(texts[path]):
        for included in files.expand(match[1].strip(" \t\r\n\"'"), base):
            _collect(included, base, texts, files)


def _statements(
    path: str, base: str, above: frozenset[str], files: ConfFiles
) -> Iterator[Statement]:
    """Every directive and entry that can be read, whatever block it stands in."""
    try:
        scanned, is_whole = scan_file(files.open(path))
        if is_whole:
            files.keep(path, scanned)
        for statement in scanned.tokens:
            if isinstance(statement, int):
                continue
            yield statement
            if statement.name == "include" and len(statement.args) == 1:
                for included in files.expand(statement.args[0], base):
                    if included != path and included not in above:
                        yield from _statements(included, base, above | {path}, files)
    except ConfError:
        return
