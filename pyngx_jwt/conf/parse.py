"""Configuration files to statements, one at a time (ngx_conf_parse, ngx_conf_include).

nginx runs each directive as soon as it has read it, so nothing is read ahead here: an error in
line 3 is found before one in line 9. The caller recurses over the blocks.
"""

from __future__ import annotations

import enum
import glob
import os
import re
from typing import Final, NamedTuple, NoReturn

from ..errors import ConfError
from .lua import end_of_block
from .tokens import Tokenizer

COMMAND_LINE = "command line"
_LUA = "_by_lua_block"
_REPEAT = re.compile(r"[0-9]+(,[0-9]*)?\}")
_GLOB = re.compile(r"[*?\[]")


class Statement(NamedTuple):
    """A directive, or an entry of a block such as ``map``, with escapes undone.

    ``line`` and ``column`` are those of the ";" or "{" (nginx reports that line), ``start_*``
    those of the name; columns count bytes from 1. ``quoted`` has a flag per word, the name first.
    ``lua`` is the inside of a block of Lua, whose end is read as that of an empty block.
    """

    name: str
    args: tuple[str, ...]
    opens: bool
    file: str
    line: int
    column: int
    start_line: int
    start_column: int
    quoted: tuple[bool, ...]
    lua: str | None = None


class EndBlock(enum.Enum):
    END_BLOCK = "}"


END_BLOCK: Final = EndBlock.END_BLOCK


class Source:
    """One configuration file, or the text of -g, being read.

    ``depth`` counts the blocks that were opened in this file and are not closed yet.
    """

    __slots__ = ("_tokens", "depth", "from_file", "path", "text")

    def __init__(self, path: str, text: str, *, from_file: bool = True) -> None:
        self.path = path
        self.text = text
        self.from_file = from_file
        self.depth = 0
        self._tokens = Tokenizer(text, limited=from_file)

    @property
    def line(self) -> int:
        """The line that nginx would report now: of the last ";", "{" or "}" read."""
        return self._tokens.line

    def next(self) -> Statement | EndBlock | None:
        """Reads the next directive; END_BLOCK for "}", None at the end of the file.

        Raises ConfError with its place.
        """
        return self._next(entries=False)

    def next_entry(self) -> Statement | EndBlock | None:
        """Reads the next entry of a block such as ``map`` or ``types``, where "{" is an error."""
        return self._next(entries=True)

    def pairs(self) -> tuple[list[tuple[str, str]], int]:
        """The next entries, as long as they are two words of plain characters, and where they
        end; next_entry() reads them unless skip_to() is called."""
        return self._tokens.pairs()

    def skip_to(self, end: int) -> None:
        """Goes on behind the entries that pairs() has found."""
        self._tokens.skip_to(end)

    def locate(self, error: ConfError) -> ConfError:
        """Adds the place that is being read, unless the error has one."""
        if self.from_file:
            return error.at(self.path, self.line)
        if error.place is None:
            error.place = f" in {COMMAND_LINE}"
        return error

    def _next(self, *, entries: bool) -> Statement | EndBlock | None:
        try:
            mark = self._tokens.read()
        except ConfError as error:
            error.column = self._column(self._tokens.end)
            raise self.locate(error) from None
        if mark == ";":
            return self._statement(opens=False)
        if mark == "{":
            return self._open(entries)
        if mark:
            return self._close()
        self._check_depth()
        return None

    def _check_depth(self) -> None:
        """At the end of the file all blocks are closed."""
        if self.depth:
            self.depth = 0
            self._fail('unexpected end of file, expecting "}"')

    def recover(self, depth: int, statement: Statement | None = None) -> bool:
        """After an error, goes on behind the statement with it, and behind all blocks that have
        been opened since `depth` was the depth.

        True if that ended the block around, too: a "{2}" of an expression without quotes looks
        as if it opened a block, and its "}" is lost."""
        while True:
            if self._skip_broken():
                self.depth += 1
            if self._is_at_end:
                self.depth = 0
            try:
                while self.depth > depth:
                    inner = self.next()
                    if isinstance(inner, Statement) and _REPEAT.match(inner.name):
                        self.depth -= 1
            except ConfError:
                continue
            if statement is None or not _REPEAT.match(statement.name) or not self.depth:
                return False
            self.depth -= 1
            return True

    def _skip_broken(self) -> bool:
        """Goes on behind a statement that cannot be read; whether that opened a block."""
        return self._tokens.recover()

    @property
    def _is_at_end(self) -> bool:
        return self._tokens.is_at_end

    def _open(self, entries: bool) -> Statement:
        if not self.from_file:
            self._fail("block directives are not supported in -g option")
        if entries:
            self.depth += 1
            self._refuse_block(self._column(self._tokens.end))
        self.depth += 1
        statement = self._statement(opens=True)
        if statement.name.endswith(_LUA):  # what follows is Lua, not words
            return statement._replace(lua=self._read_lua())
        return statement

    def _close(self) -> EndBlock:
        if not self.depth:
            self._fail('unexpected "}"')
        self.depth -= 1
        return END_BLOCK

    def _statement(self, opens: bool) -> Statement:
        tokens = self._tokens
        words, start = tokens.words, tokens.start
        column = start - self.text.rfind("\n", 0, start)
        same_line = tokens.line == tokens.start_line
        return Statement(
            words[0],
            tuple(words[1:]),
            opens,
            self.path,
            tokens.line,
            column + tokens.end - start if same_line else self._column(tokens.end),
            tokens.start_line,
            column,
            tuple(tokens.quoted),
        )

    def _column(self, offset: int) -> int:
        return offset - self.text.rfind("\n", 0, offset)

    def _read_lua(self) -> str:
        """The text up to the "}" that closes a block of Lua."""
        start = self._tokens.pos
        end = end_of_block(self.text, start)
        if end < 0:
            self._tokens.pos = len(self.text)
            self.depth = 0
            self._fail('Lua code block missing the closing long bracket "}"')
        self._tokens.pos = end - 1
        return self.text[start : end - 1]

    def _refuse_block(self, column: int) -> NoReturn:
        """An entry is no block."""
        error = ConfError('unexpected "{"')
        error.column = column
        raise self.locate(error)

    def _fail(self, sentence: str) -> NoReturn:
        error = ConfError(sentence)
        error.column = self._column(self._tokens.end)
        raise self.locate(error)


def read_source(path: str) -> Source:
    """Opens a configuration file and reads as many bytes as it says it has, as nginx does.

    Raises ConfError in nginx's words: without a place when it cannot be opened (the caller knows
    whether an ``include`` asked for it), and marked as placeless when it cannot be read.
    """
    try:
        fd = os.open(path.encode("latin-1"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfError(_failed("open", path, error)) from None
    try:
        return Source(path, _read_all(fd).decode("latin-1"))
    except OSError as error:
        raise ConfError(_failed("pread", path, error)).nowhere() from None
    finally:
        os.close(fd)


def command_line(text: str) -> Source:
    """The directives given with -g."""
    return Source(COMMAND_LINE, text, from_file=False)


def full_name(name: str, directory: str) -> str:
    """A file name taken relative to a directory (ngx_get_full_name); C strings end at a NUL."""
    name = name.partition("\0")[0]
    if name.startswith("/") or not directory:
        return name
    return f"{directory}{name}" if directory.endswith("/") else f"{directory}/{name}"


def expand(pattern: str, conf_dir: str) -> list[str]:
    """The files that an ``include`` names, in nginx's order.

    ``conf_dir`` is the directory of the main configuration file. A pattern may match nothing; a
    name without ``*?[`` is returned as it is, and it is an error only when it cannot be opened.
    """
    name = full_name(pattern, conf_dir)
    if not _GLOB.search(name):
        return [name]
    paths = glob.glob(_python_pattern(name).encode("latin-1"))
    return [path.decode("latin-1") for path in sorted(paths)]


def _python_pattern(pattern: str) -> str:
    r"""glob(3) reads ``\x`` as a literal x and ``[^a]`` as ``[!a]``; Python's glob does not."""
    pattern = re.sub(r"\\(.)", lambda m: glob.escape(m[1]), pattern, flags=re.DOTALL)
    return pattern.replace("[^", "[!")


def _read_all(fd: int) -> bytes:
    data, size = b"", os.fstat(fd).st_size
    while len(data) < size and (part := os.read(fd, size - len(data))):
        data += part
    return data


def _failed(call: str, path: str, error: OSError) -> str:
    return f'{call}() "{path}" failed ({error.errno}: {os.strerror(error.errno or 0)})'
