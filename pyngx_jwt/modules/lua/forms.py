"""The forms of directives with code: blocks, arguments and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...conf.context import Contexts
from ...conf.directive import Conf, Declaration, Directive
from ...conf.parse import Statement
from ...errors import ConfError
from .chunk import Chunk, external, inline

Take = Callable[[Any, Chunk], None]  # what a conf does with the code


def in_block(attribute: str, contexts: Contexts, doc: str, take: Take | None = None) -> Any:
    """ "x_by_lua_block { code }"; by default the conf keeps the code as its attribute."""
    takes = take or _keep(attribute)

    def set_code(conf: Conf, *, entries: Iterable[Statement]) -> None:
        takes(conf, inline(conf.scope, f"{attribute}_by_lua", inside(conf, entries)))

    return _declared(set_code, contexts, "{name} { code }", doc, raw=True)


def in_text(attribute: str, contexts: Contexts, doc: str) -> Any:
    """ "x_by_lua 'code'"."""
    keep = _keep(attribute)

    def set_code(conf: Conf, code: str) -> None:
        keep(conf, inline(conf.scope, f"{attribute}_by_lua", code))

    return _declared(set_code, contexts, "{name} code;", doc)


def in_file(attribute: str, contexts: Contexts, doc: str, take: Take | None = None) -> Any:
    """ "x_by_lua_file path"."""
    takes = take or _keep(attribute)

    def set_code(conf: Conf, file: str) -> None:
        takes(conf, external(conf.scope, f"{attribute}_by_lua_file", file))

    return _declared(set_code, contexts, "{name} file;", doc)


def _keep(attribute: str) -> Take:
    return lambda conf, chunk: conf.keep(attribute, chunk)


def _declared(
    act: Callable[..., None], contexts: Contexts, syntax: str, doc: str, *, raw: bool = False
) -> Any:
    count = 0 if raw else 1

    def declare(name: str, attribute: str) -> Directive:
        shape = syntax.replace("{name}", name)
        return Directive(name, contexts, act, count, count, shape, "—", doc, raw=raw)

    return Declaration(None, declare)


def inside(conf: Conf, entries: Iterable[Statement]) -> str:
    """The code of the block that is being read; its end is read, too."""
    statement = conf.scope.statement
    for _ in entries:
        raise ConfError("a block of Lua has no directives")
    assert statement is not None and statement.lua is not None
    return statement.lua
