"""Files that are not a whole configuration: what they are meant to be included in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ...conf.known import declarations
from ...conf.parse import Source, Statement
from ...errors import ConfError
from ...modules import MODULES

FRAME = "(frame)"  # the name of the text around a snippet, beside it; no such file is looked for
_OPENINGS = {
    "main": "@",
    "events": "events { @ }",
    "http": "events { } http { @ }",
    "http.server": "events { } http { server { @ } }",
    "http.location": "events { } http { server { location / { @ } } }",
    "http.upstream": "events { } http { upstream snippet { @ } }",
    "http.limit_except": "events { } http { server { location / { limit_except GET { @ } } } }",
    "stream": "events { } stream { @ }",
    "stream.server": "events { } stream { server { @ } }",
    "stream.upstream": "events { } stream { upstream snippet { @ } }",
    "mail": "events { } mail { @ }",
    "mail.server": "events { } mail { server { @ } }",
}
MOST = 1000  # statements that are looked at
ENTRIES = "entries"  # not directives at all, as in "include mime.types" inside of "types"
EMPTY = "empty"  # or nothing but includes
CONTEXTS = {name.rpartition(".")[2] if name[:4] == "http" else name: name for name in _OPENINGS}
_COMMENT = re.compile(r"#[^\n]*")
_WHOLE = {"events", "http", "stream", "mail"}


def frame(context: str, path: str) -> str:
    """A configuration around the snippet of a path; context as in "http.server"."""
    name = path.replace("\\", "\\\\").replace('"', '\\"')
    return _OPENINGS[context].replace("@", f'include "{name}";')


class Placed(NamedTuple):
    """A statement, and the names of the blocks around it."""

    statement: Statement
    blocks: tuple[str, ...]


def outline(text: str) -> Iterator[Placed]:
    """The statements of a text, as far as they can be read."""
    source, blocks = Source("", text), list[str]()
    while True:
        try:
            token = source.next()
        except ConfError:
            source.recover(0)
            blocks.clear()
            continue
        if token is None:
            return
        if not isinstance(token, Statement):
            blocks.pop()
            continue
        yield Placed(token, tuple(blocks))
        if token.opens:
            blocks.append(token.name)


def guess_context(text: str) -> str:
    """Where the statements of a file can stand: "main" for a whole configuration, EMPTY if there
    are none, ENTRIES for none of nginx's; of several blocks the outermost that allows all, or most,
    of them."""
    placed: list[Placed] = []
    for one in outline(text):
        placed.append(one)
        if not one.blocks and one.statement.name in _WHOLE and one.statement.opens:
            return "main"
    outermost = [p.statement for p in placed if not p.blocks and p.statement.name != "include"]
    if not outermost:
        return EMPTY if placed or not _COMMENT.sub("", text).strip() else ENTRIES
    counts = dict.fromkeys(_OPENINGS, 0)
    for statement in outermost:
        for context in _allowed(statement.name, statement.opens, len(statement.args)):
            if context in counts:
                counts[context] += 1
    best = max(counts.values())
    if not best:
        return ENTRIES
    fitting = [context for context, count in counts.items() if count == best]
    return (
        max(fitting, key=lambda context: _fits(context, placed)) if len(fitting) > 1 else fitting[0]
    )


def _fits(context: str, placed: list[Placed]) -> int:
    """How many of the statements in blocks can stand there, in a context of the outermost."""
    count = 0
    for statement, blocks in placed[:MOST]:
        if blocks:
            root = context.partition(".")[0]
            inside = f"{root}.{blocks[-1]}"
            count += inside in _allowed(statement.name, statement.opens, len(statement.args))
    return count


@lru_cache(maxsize=1024)
def _allowed(name: str, opens: bool, arguments: int) -> frozenset[str]:
    contexts = {
        context
        for known in declarations(name)
        if known.is_block == opens and known.fewest <= arguments <= known.most
        for context in known.contexts
    }
    for module in MODULES:
        directive = module.conf.directives.get(name)
        if directive is not None and directive.is_block == opens:
            contexts |= {context.path for context in directive.contexts}
    return frozenset(contexts)
