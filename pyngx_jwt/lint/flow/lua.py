"""The Lua in a configuration, as far as rules look at it: its tokens and blocks.

This is no parser.  What it does not understand it leaves out, so that rules stay silent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ..finding import Spot
from ..model.configuration import Configuration

PHASES = (
    *("rewrite", "access", "precontent", "content", "header_filter", "body_filter", "log"),
    *("server_rewrite", "set", "balancer", "init", "init_worker", "ssl_certificate"),
)
FORMS = ("_by_lua_block", "_by_lua", "_by_lua_file")
CHECKING = ("access", "rewrite", "server_rewrite")  # where requests are refused
PER_REQUEST = (*CHECKING, "precontent", "content", "header_filter", "body_filter", "log", "set")
LARGEST = 1 << 20  # bytes of a file

_TOKEN = re.compile(
    r"(?P<space>\s+|--\[(?P<c>=*)\[.*?\](?P=c)\]|--[^\n]*)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<long>\[(?P<l>=*)\[.*?\](?P=l)\])"
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"|(?P<number>0[xX][0-9A-Fa-f]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<operator>\.\.\.|\.\.|==|~=|<=|>=|::|.)",
    re.DOTALL,
)
_OPENERS = frozenset({"function", "do", "then", "repeat", "(", "{", "["})
_CLOSERS = frozenset({"end", "until", ")", "}", "]", "else", "elseif"})


class Token(NamedTuple):
    kind: str  # "name", "string", "number" or "operator"
    text: str  # a string is without its quotes
    start: int
    end: int


class Code:
    """The code of one directive, or of a file that it names."""

    def __init__(
        self, statement: Statement, phase: str, text: str, start: tuple[str, int, int] | None
    ) -> None:
        """`start` is the place where the text begins, None if it is not as it is in the file."""
        self.statement, self.phase, self.text = statement, phase, text
        self._start = start
        self.tokens = list(_tokens(text))
        self.words = [token.text if token.kind != "string" else "" for token in self.tokens]
        self.inside, self.closing = _nesting(self.words)

    def where(self, at: int, last: int | None = None) -> Statement | Spot:
        """The place of a token, or of the tokens up to another one."""
        if self._start is None:
            return self.statement
        end = self.tokens[at if last is None else last].end
        return Spot(self._start[0], *self._place(self.tokens[at].start), *self._place(end))

    def _place(self, offset: int) -> tuple[int, int]:
        assert self._start is not None
        _, line, column = self._start
        lines = self.text.count("\n", 0, offset)
        before = self.text.rfind("\n", 0, offset) + 1
        return line + lines, offset - before + (1 if lines else column)

    def calls(self, *names: str) -> Iterator[int]:
        """The indices of calls: of the name's first token; "jwt:verify" is three tokens."""
        for name in names:
            parts = [part for part in re.split(r"([.:])", name) if part]
            for at in self.find(parts):
                following = at + len(parts)
                if following < len(self.words) and self.words[following] == "(":
                    yield at

    def find(self, parts: list[str]) -> Iterator[int]:
        """Where tokens stand one after the other, as a whole expression's beginning."""
        count, words = len(parts), self.words
        for at in range(len(words) - count + 1):
            if words[at : at + count] == parts and (at == 0 or words[at - 1] not in (".", ":")):
                yield at

    def methods(self, *names: str) -> Iterator[int]:
        """The indices of the names of methods that are called: "x:verify(...)"."""
        words = self.words
        for at in range(1, len(words) - 1):
            if words[at] in names and words[at - 1] == ":" and words[at + 1] == "(":
                yield at

    def arguments(self, opening: int) -> list[tuple[int, int]]:
        """The stretches of tokens of a call's arguments, by the index of its "("."""
        closing = self.closing.get(opening)
        if closing is None:
            return []
        found, start = [], opening + 1
        for at in range(opening + 1, closing + 1):
            if at == closing or (self.words[at] == "," and self.inside[at] == opening):
                if at > start:
                    found.append((start, at))
                start = at + 1
        return found

    def block(self, at: int) -> int:
        """The innermost opener of a block around a token, -1 at the top."""
        around = self.inside[at]
        while around >= 0 and self.words[around] in ("(", "{", "["):
            around = self.inside[around]
        return around

    def end_of(self, block: int) -> int:
        """Where a block ends, the number of tokens at the top."""
        return len(self.words) if block < 0 else self.closing.get(block, len(self.words))

    def function_of(self, at: int) -> int:
        """The "function" around a token, -1 at the top."""
        around = self.inside[at]
        while around >= 0 and self.words[around] != "function":
            around = self.inside[around]
        return around

    def locals(self) -> set[str]:
        """All names that are local anywhere: parameters, variables of loops, too."""
        words, found = self.words, set[str]()
        for at, word in enumerate(words):
            if word in ("local", "for"):
                step = at + (2 if words[at + 1 : at + 2] == ["function"] else 1)
                while step < len(words) and self.tokens[step].kind == "name":
                    found.add(words[step])
                    step += 2
                    if words[step - 1 : step] != [","]:
                        break
            elif word == "function":
                opening = next((i for i in range(at, len(words)) if words[i] == "("), len(words))
                closing = self.closing.get(opening, opening)
                found.update(words[opening + 1 : closing])
        return found


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if found["space"] is not None:
            continue
        if found["long"] is not None:
            size = len(found["l"]) + 2
            yield Token("string", found["long"][size:-size], found.start(), found.end())
        elif found["string"] is not None:
            yield Token("string", found["string"][1:-1], found.start(), found.end())
        else:
            assert kind is not None
            yield Token(kind, found[0], found.start(), found.end())


def _nesting(words: list[str]) -> tuple[list[int], dict[int, int]]:
    """For each token the opener that it is inside of, -1 at the top, and where openers end."""
    stack, inside, closing = list[int](), list[int](), dict[int, int]()
    for at, word in enumerate(words):
        if word in _CLOSERS and stack:
            closing[stack.pop()] = at
        inside.append(stack[-1] if stack else -1)
        if word in _OPENERS or word == "else":
            stack.append(at)
    return inside, closing


def codes(conf: Configuration, *phases: str) -> Iterator[Code]:
    """The code of these phases; of files those that can be read."""
    for phase in phases:
        for form in FORMS:
            for _, statement in conf.statements(f"{phase}{form}"):
                code = _code(conf, statement, phase)
                if code is not None:
                    yield code


def _code(conf: Configuration, statement: Statement, phase: str) -> Code | None:
    if statement.lua is not None:
        start = statement.file, statement.line, statement.column + 1
        return Code(statement, phase, statement.lua, start)
    text = statement.args[min(len(statement.args) - 1, 1 if phase == "set" else 0)]
    if not statement.name.endswith("_file"):
        return Code(statement, phase, text, None)
    path = conf.scope.full_name(text)
    try:
        if "$" in text or os.path.getsize(path) > LARGEST:
            return None
        with open(path, encoding="latin-1") as file:
            return Code(statement, phase, file.read(), (path, 1, 1))
    except OSError:
        return None
