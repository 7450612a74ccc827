"""The end of a block of Lua, for those who only want to get past it."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""
      --\[(=*)\[ [\s\S]*? \]\1\]      # a long comment
    | --[^\n]*
    | \[(=*)\[ [\s\S]*? \]\2\]        # a long string
    | "(?:[^"\\]|\\[\s\S])*"
    | '(?:[^'\\]|\\[\s\S])*'
    | (?P<mark>[{}])
    """,
    re.VERBOSE,
)


def end_of_block(text: str, start: int) -> int:
    """The offset behind the "}" that closes a block whose inside begins at `start`; -1 if there
    is none."""
    depth = 1
    for piece in _PIECE.finditer(text, start):
        mark = piece["mark"]
        if mark:
            depth += 1 if mark == "{" else -1
        if not depth:
            return piece.end()
    return -1
