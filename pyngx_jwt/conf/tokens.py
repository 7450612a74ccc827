"""The words of a configuration, read byte for byte as nginx reads them (ngx_conf_read_token).

One regular expression finds blanks, comments and the next word; what it cannot say
(how long a word may be, what may follow a quote) is checked here. Text is latin-1: one
character per byte, so only nginx's four blanks are blanks and NUL is a byte like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from ..errors import ConfError

BUFFER = 4096  # NGX_CONF_BUFFER: a word may not be longer than what nginx reads at once
BLANK = " \t\r\n"

_TOKEN = re.compile(
    r"""
    (?: [ \t\r\n]++ | \#[^\n]*+ )*+               # blanks and comments
    (?: ([;{}])                                   # 1 _MARK
      | "( (?: [^"\\]++ | \\[\s\S] )*+ )"         # 2 _DOUBLE
      | '( (?: [^'\\]++ | \\[\s\S] )*+ )'         # 3 _SINGLE
      | (["'])                                    # 4 _OPEN: a quote that never ends
      | ( (?: [^ \t\r\n;{\\$]++ | \\[\s\S]?+ | \$\{*+ )++ )   # 5 _PLAIN
    )?+
    """,
    re.VERBOSE,
)
_MARK, _OPEN, _PLAIN = 1, 4, 5
# What most directives are: words of visible characters without any that can mean something
# else, and a mark; or the end of a block.  "${" is part of a word.
_WORD = r"[!$-&(-:<-\[\]-z|~]++"
_SIMPLE = re.compile(
    rf"""
    (?: [ \t\r\n]++ | \#[^\n]*+ )*+
    (?: ( {_WORD} (?: [ \t\r\n]++ {_WORD} )*+ [ \t\r\n]*+ ) (?<!\$) ([;{{]) | (\}}) )
    """,
    re.VERBOSE,
)
# Entries of a block such as "map" that are two words without any character or meaning that calls
# for a closer look, far from what would be too long.
_KEY = r"(?!default\b|include\b)[0-9A-Za-z/_-][0-9A-Za-z/_.:-]{0,999}+"
_VALUE = r"[0-9A-Za-z/_.:-]{1,999}+"
_PAIRS = re.compile(rf"(?:[ \t\r\n]{{0,999}}+{_KEY}[ \t]{{1,99}}+{_VALUE};)++")
_PAIR = re.compile(rf"({_KEY})[ \t]{{1,99}}+({_VALUE});")
_COMMENT = re.compile(r"[ \t\r\n]*+(#[^\n]*+)?+")
_MARKS = re.compile("[;{}]")
_AFTER_QUOTE = frozenset(BLANK + ";{)")
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}


def unescape(word: str) -> str:
    r"""Undoes ``\" \' \\ \t \r \n``; a backslash before anything else stays."""
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), word)


def word_spans(text: str, start: int, count: int) -> list[tuple[int, int]]:
    """The offsets of as many words from `start` on, quotes included."""
    spans: list[tuple[int, int]] = []
    while len(spans) < count:
        token = _TOKEN.match(text, start)
        if token is None or token.lastindex in (None, _MARK, _OPEN):
            break
        kind = token.lastindex
        first, last = token.span(kind)
        quote = kind != _PLAIN
        spans.append((first - quote, last + quote))
        start = token.end()
    return spans


def comments(text: str) -> Iterator[tuple[int, int]]:
    """The offsets of the comments."""
    start = 0
    while start < len(text):
        while (comment := _COMMENT.match(text, start)) and comment[1] is not None:
            yield comment.span(1)
            start = comment.end()
        token = _TOKEN.match(text, start)
        if token is None or token.lastindex in (None, _OPEN):
            return
        start = token.end()


class Tokenizer:
    """Reads one directive at a time: its words, and the mark that ends it.

    After ``read()``: ``words``, ``quoted`` (a flag per word), ``start`` and ``end`` (offsets of
    the first word and of the mark), ``start_line``, and ``line``, which nginx would report now.
    ``limited`` is false for the text of -g, which nginx does not read through its buffer.
    """

    __slots__ = (
        "_counted",
        "end",
        "limited",
        "line",
        "pos",
        "quoted",
        "resume",
        "start",
        "start_line",
        "text",
        "words",
    )

    def __init__(self, text: str, *, limited: bool = True) -> None:
        self.text = text
        self.limited = limited
        self.words: list[str] = []
        self.quoted: list[bool] = []
        self.pos = self.start = self.end = 0
        self.line = self.start_line = 1
        self.resume = -1
        self._counted = 0

    def read(self) -> str:
        """Reads to the next mark and returns it: ";", "{", "}", or "" at the end of the text.

        Raises ConfError without a place; ``line`` is then the line to report.
        """
        text, pos, match = self.text, self.pos, _TOKEN.match
        simple = _SIMPLE.match(text, pos)
        if simple is not None and (end := simple.end()) - pos < BUFFER - 1:
            found, mark, close = simple.groups()
            if close:
                self.words, self.quoted = [], []
                return self._mark(close, end)
            self.start = start = simple.start(1)
            self.words = found.split()
            self.quoted = [False] * len(self.words)
            self.start_line = self.line = self.line + text.count("\n", self._counted, start)
            if "\n" in found:
                self.line += found.count("\n")
            self._counted = self.pos = end
            self.end = end - 1
            return mark
        words: list[str] = []
        quoted: list[bool] = []
        self.words, self.quoted = words, quoted
        while True:
            token = match(text, pos)
            assert token is not None  # everything in it is optional
            end = token.end()
            if end - pos >= BUFFER - 1 and self.limited:
                self._check_length(token)
            kind = token.lastindex
            if kind is None:
                return self._end_of_text()
            if kind == _MARK:
                return self._mark(token[_MARK], end)
            if kind == _OPEN:
                self._unterminated(token.start(_OPEN))
            if not words:
                self.start = token.start(kind) - (kind != _PLAIN)
            word = token[kind]
            words.append(unescape(word) if "\\" in word else word)
            quoted.append(kind != _PLAIN)
            if kind != _PLAIN and end < len(text) and text[end] not in _AFTER_QUOTE:
                self._fail(f'unexpected "{text[end]}"', end, end)
            pos = end

    def pairs(self) -> tuple[list[tuple[str, str]], int]:
        """The entries from here on that are two plain words, and where they end.  They count as
        read once skip_to() has been called."""
        found = _PAIRS.match(self.text, self.pos)
        end = self.pos if found is None else found.end()
        return _PAIR.findall(self.text, self.pos, end), end

    def skip_to(self, end: int) -> None:
        """Goes on behind what pairs() has found."""
        self._count(end)
        self.end, self.pos = end - 1, end

    def recover(self) -> bool:
        """After an error, goes on behind the next mark, or before it if it is a "}"; True if it
        is a "{"."""
        if self.resume < 0:
            return False
        mark = _MARKS.search(self.text, self.resume)
        self.resume = -1
        self.pos = len(self.text) if mark is None else mark.end() - (mark[0] == "}")
        return mark is not None and mark[0] == "{"

    @property
    def is_at_end(self) -> bool:
        return self.pos >= len(self.text)

    def _mark(self, mark: str, end: int) -> str:
        if bool(self.words) == (mark == "}"):
            self._fail(f'unexpected "{mark}"', end - 1, end - 1)
        if self.words:
            self._count(self.start)
            self.start_line = self.line
        self._count(end)
        self.end, self.pos = end - 1, end
        return mark

    def _end_of_text(self) -> str:
        """Nothing but blanks and comments is left."""
        size = len(self.text)
        if self.words:
            self._truncated()
        self._count(size)
        self.start = self.end = self.pos = size
        return ""

    def _unterminated(self, quote: int) -> NoReturn:
        """A quote opens and does not close before the end of the file."""
        if self.limited and len(self.text) - (quote + 1) > BUFFER:
            self._fail_quote(quote)
        self._truncated()

    def _truncated(self) -> NoReturn:
        if not self.limited:
            self._fail('unexpected end of parameter, expecting ";"', len(self.text))
        self._fail('unexpected end of file, expecting ";" or "}"', len(self.text))

    def _check_length(self, token: re.Match[str]) -> None:
        """Fails where nginx's buffer is full: 4096 bytes of one comment or word and more to come.

        A blank after a word, and after a closing quote, still counts towards the word.
        """
        self._check_comments(token.start())
        kind, text = token.lastindex, self.text
        if kind is None or kind in (_MARK, _OPEN):
            return
        start, last = token.span(kind)
        if kind != _PLAIN:
            if last - start >= BUFFER:
                self._fail_quote(start - 1)
            last += 1
        if last < len(text) and text[last] in BLANK:
            last += 1
        if last - start >= BUFFER and len(text) > start + BUFFER:
            self._fail_long(start)

    def _check_comments(self, pos: int) -> None:
        text = self.text
        while (comment := _COMMENT.match(text, pos)) and comment[1] is not None:
            start, pos = comment.span(1)
            if pos - start >= BUFFER and len(text) > start + BUFFER:
                self._fail_long(start)

    def _fail_long(self, start: int) -> NoReturn:
        self._fail(f'too long parameter "{self.text[start : start + 10]}..." started', start)

    def _fail_quote(self, quote: int) -> NoReturn:
        mark = self.text[quote]
        what = f'too long parameter, probably missing terminating "{mark}" character'
        self._fail(what, quote)

    def _fail(self, sentence: str, offset: int, resume: int | None = None) -> NoReturn:
        """Raises nginx's sentence, to be reported on the line of ``offset``.

        Nothing can be read after it, unless there is an offset to resume at."""
        self._count(offset)
        self.end = offset
        self.resume = len(self.text) if resume is None else resume
        raise ConfError(sentence)

    def _count(self, offset: int) -> None:
        self.line += self.text.count("\n", self._counted, offset)
        self._counted = offset
