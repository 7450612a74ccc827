"""crossplane's payload, for interchange: configuration files to JSON and back to text.

The files are read by our reader. As in crossplane, ``line`` is where a directive starts, the
parentheses of ``if`` are left out, and words keep their escapes; text is decoded from UTF-8, with
surrogates for other bytes. crossplane writes the text, but its quoting is Python's and not
nginx's, so words are spelled here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NotRequired, TypedDict

import crossplane  # type: ignore[import-untyped]

from ..errors import ConfError
from .parse import Source, Statement, expand, read_source
from .tokens import unescape


class ParsedStatement(TypedDict):
    """``includes`` are indexes into the payload's files; a ``comment`` is written but not read."""

    directive: str
    line: int
    args: list[str]
    block: NotRequired[list[ParsedStatement]]
    includes: NotRequired[list[int]]
    comment: NotRequired[str]


class FileError(TypedDict):
    error: str
    line: int | None


class PayloadError(FileError):
    file: str


class File(TypedDict):
    file: str
    status: str
    errors: list[FileError]
    parsed: list[ParsedStatement]


class Payload(TypedDict):
    status: str
    errors: list[PayloadError]
    config: list[File]


_SPECIAL = re.compile(r"\\(?=[\\\"'trn]|\Z)")
_BARE = re.compile(r"(?![}#\"'])(?:[^ \t\r\n;{\\$]|\\[^ \t\r\n;{]|\$\{*)+")


def payload(path: str, conf_dir: str) -> Payload:
    """Reads a configuration file and what it includes, relative to ``conf_dir``.

    No directive is checked. Errors are found in the payload; a file with one has no statements.
    """
    return _Reader(conf_dir).read(path)


def build(payload: Payload) -> str:
    """The text (latin-1) of a payload, ours or crossplane's, with included files in their place.

    Raises ConfError for files that include each other in a circle.
    """
    files = payload["config"]
    text: str = crossplane.build(list(_spelled(files, files[0]["parsed"], (0,))))
    return f"{text}\n"


class _Reader:
    """Reads a file and then, in turn, those it includes; each once, however often included."""

    def __init__(self, conf_dir: str) -> None:
        self._conf_dir = conf_dir
        self._sources: list[Source] = []
        self._index: dict[str, int] = {}

    def read(self, path: str) -> Payload:
        try:
            self._open(path)
        except ConfError as error:
            return _whole([_file(path, [], error, None)])
        return _whole([self._read(source) for source in self._sources])  # grows while read

    def _read(self, source: Source) -> File:
        try:
            return _file(source.path, self._block(source))
        except ConfError as error:
            return _file(source.path, [], error, source.line)

    def _block(self, source: Source) -> list[ParsedStatement]:
        parsed = []
        while isinstance(statement := source.next(), Statement):
            parsed.append(self._parsed(source, statement))
        return parsed

    def _parsed(self, source: Source, statement: Statement) -> ParsedStatement:
        name, args = statement.name, statement.args
        parsed: ParsedStatement = {"directive": "", "line": statement.start_line, "args": []}
        if name == "if" and statement.opens:
            args = _condition(source, args)
        parsed["directive"], *parsed["args"] = map(_with_escapes, (name, *args))
        if name == "include" and len(args) == 1 and not statement.opens:
            parsed["includes"] = self._include(source, args[0])
        if statement.lua is not None:  # crossplane has it as the last argument
            parsed["args"].append(_text(statement.lua))
            self._block(source)
        elif statement.opens:
            parsed["block"] = self._block(source)
        return parsed

    def _include(self, source: Source, pattern: str) -> list[int]:
        try:
            return [self._open(path) for path in expand(pattern, self._conf_dir)]
        except ConfError as error:
            raise source.locate(error) from None

    def _open(self, path: str) -> int:
        if path not in self._index:
            self._sources.append(read_source(path))
            self._index[path] = len(self._index)
        return self._index[path]


def _condition(source: Source, args: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a condition without its parentheses, which may be words of their own."""
    if not args or not args[0].startswith("(") or not args[-1].endswith(")"):
        wrong = args[-1] if args and args[0].startswith("(") else "".join(args[:1])
        raise source.locate(ConfError(f'invalid condition "{wrong}"'))
    words = [*args]
    words[0] = words[0][1:]
    words[-1] = words[-1][:-1]
    first = 0 if words[0] else 1
    return tuple(words[first : len(words) - (not words[-1])])


def _file(
    path: str,
    parsed: list[ParsedStatement],
    error: ConfError | None = None,
    line: int | None = None,
) -> File:
    errors: list[FileError] = [] if error is None else [{"error": _text(str(error)), "line": line}]
    status = "failed" if errors else "ok"
    return {"file": _text(path), "status": status, "errors": errors, "parsed": parsed}


def _whole(files: list[File]) -> Payload:
    errors = [PayloadError(file=f["file"], **error) for f in files for error in f["errors"]]
    return {"status": "failed" if errors else "ok", "errors": errors, "config": files}


def _text(word: str) -> str:
    return word.encode("latin-1").decode("utf-8", "surrogateescape")


def _escape(word: str) -> str:
    """Doubles the backslashes that nginx would take for an escape."""
    return _SPECIAL.sub(r"\\\\", word)


def _with_escapes(word: str) -> str:
    return _text(_escape(word))


def _spelled(
    files: list[File], block: list[ParsedStatement], path: tuple[int, ...]
) -> Iterator[ParsedStatement]:
    """Statements with their words spelled for nginx and their includes resolved."""
    for statement in block:
        if "includes" in statement:
            for index in statement["includes"]:
                if index in path:
                    raise ConfError(f'"{files[index]["file"]}" includes itself').nowhere()
                yield from _spelled(files, files[index]["parsed"], (*path, index))
        elif "comment" in statement:
            yield statement
        else:
            yield _spell(files, statement, path)


def _spell(files: list[File], statement: ParsedStatement, path: tuple[int, ...]) -> ParsedStatement:
    name, line = statement["directive"], statement["line"]
    args: list[str] = [_Spelled(arg) for arg in statement["args"]]
    if "block" not in statement:  # quoted, an entry "if" of a map gets no parentheses
        return {"directive": _Spelled(name, quote=name == "if"), "line": line, "args": args}
    if name == "if" and args:  # a quote right after "(" would be a letter
        args[0] = _Spelled(statement["args"][0], before=" ")
    block = list(_spelled(files, statement["block"], path))
    return {"directive": _Spelled(name), "line": line, "args": args, "block": block}


class _Spelled(str):
    """A word as it shall stand in the text.

    crossplane writes a word that needs quotes, such as a blank, as its repr() with every pair of
    backslashes made one: this seems to need quotes, and its repr() survives that.
    """

    __slots__ = ("_literal",)
    _literal: str

    def __new__(cls, word: str, *, before: str = "", quote: bool = False) -> _Spelled:
        self = super().__new__(cls, word)
        literal = _escape(unescape(word.encode("utf-8", "surrogateescape").decode("latin-1")))
        if quote or not _BARE.fullmatch(literal):
            literal = '{}"{}"'.format(before, literal.replace('"', r"\""))
        self._literal = literal
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(" ")

    def __repr__(self) -> str:
        return self._literal.replace("\\", "\\\\")
