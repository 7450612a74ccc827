"""A file that has been read once, to look at all of it, and is about to be read again."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConfError
from .parse import EndBlock, Source, Statement

Token = Statement | int  # the line of a "}"


class ScannedFile(NamedTuple):
    """All that a file without errors in it consists of; `line` is its last."""

    text: str
    tokens: list[Token]
    line: int


def scan_file(source: Source) -> tuple[ScannedFile, bool]:
    """Reads to the end what can be read; whether all of it could."""
    tokens: list[Token] = []
    is_whole = True
    while True:
        try:
            token = source.next()
        except ConfError:
            is_whole = False
            source.recover(source.depth)
        else:
            if token is None:
                return ScannedFile(source.text, tokens, source.line), is_whole
            tokens.append(token if isinstance(token, Statement) else source.line)


class ScannedSource(Source):
    """Gives the statements of a file once more."""

    __slots__ = ("_at", "_line", "_scanned")

    def __init__(self, path: str, scanned: ScannedFile) -> None:
        super().__init__(path, scanned.text)
        self._scanned, self._at, self._line = scanned, 0, 1

    @property
    def line(self) -> int:
        return self._line

    def pairs(self) -> tuple[list[tuple[str, str]], int]:
        return [], 0  # all of it has been read one by one already

    def _next(self, *, entries: bool) -> Statement | EndBlock | None:
        tokens = self._scanned.tokens
        if self._at == len(tokens):
            self._line = self._scanned.line
            self._check_depth()
            return None
        token = tokens[self._at]
        self._at += 1
        if isinstance(token, int):
            self._line = token
            return self._close()
        self._line = token.line
        if token.opens:
            self.depth += 1
            if entries:
                self._refuse_block(token.column)
        return token

    def _skip_broken(self) -> bool:
        return False

    @property
    def _is_at_end(self) -> bool:
        return self._at == len(self._scanned.tokens)
