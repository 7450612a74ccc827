"""A piece of Lua in the configuration: written there, or in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...http.template import Template
from ...http.variables import VariableTable

MAX_NAME = 59  # characters of a chunk's name that LuaJIT shows


class Chunk(NamedTuple):
    """The code of one directive; `path` is that of a file, which can have variables.

    `name` is what Lua calls it in messages; `place` is that of `directive`."""

    name: str
    place: str
    directive: str
    text: str = ""
    path: Template | None = None

    def bind(self, variables: VariableTable[Any]) -> BoundChunk:
        return BoundChunk(self, self.path.bind(variables) if self.path is not None else None)


class BoundChunk(NamedTuple):
    chunk: Chunk
    path: Callable[[Any], str] | None  # of a session

    @property
    def name(self) -> str:
        return self.chunk.name


def inline(scope: Scope, tag: str, text: str) -> Chunk:
    """The code of a block, or of an argument."""
    statement = scope.statement
    assert statement is not None
    return Chunk(_name(scope, tag, statement), _place(statement), statement.name, text)


def external(scope: Scope, tag: str, path: str) -> Chunk:
    """The code of a file."""
    statement = scope.statement
    assert statement is not None
    name, place = _name(scope, tag, statement), _place(statement)
    return Chunk(name, place, statement.name, path=Template(path))


def _place(statement: Statement) -> str:
    return f"{statement.file}:{statement.start_line}"


def _name(scope: Scope, tag: str, statement: Statement) -> str:
    """As ngx_http_lua_gen_chunk_name."""
    file, prefix = statement.file, scope.options.conf_prefix
    if file.endswith("/nginx.conf"):
        file = "nginx.conf"
    elif file.startswith(prefix):
        file = file[len(prefix) :]
    room = MAX_NAME - len(tag) - len(f"(:{statement.line})")
    if len(file) > room:
        file = "..." + file[len(file) - room + 3 :]
    return f"{tag}({file}:{statement.line})"
