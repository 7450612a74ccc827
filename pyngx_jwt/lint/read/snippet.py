"""Files that are not a whole configuration: what they are meant to be included in."""

from __future__ import annotations

import re

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
ENTRIES = "entries"  # not directives at all, as in "include mime.types" inside of "types"
EMPTY = "empty"  # or nothing but includes
CONTEXTS = {name.rpartition(".")[2] if name[:4] == "http" else name: name for name in _OPENINGS}
_COMMENT = re.compile(r"#[^\n]*")
_WHOLE = {"events", "http", "stream", "mail"}


def frame(context: str, path: str) -> str:
    """A configuration around the snippet of a path; context as in "http.server"."""
    name = path.replace("\\", "\\\\").replace('"', '\\"')
    return _OPENINGS[context].replace("@", f'include "{name}";')


def first_level(text: str) -> list[Statement]:
    """The statements that stand in no block, as far as they can be read."""
    source, statements = Source("", text), list[Statement]()
    while True:
        depth = source.depth
        try:
            statement = source.next()
        except ConfError:
            source.recover(0)
            continue
        if statement is None:
            return statements
        if isinstance(statement, Statement) and not depth:
            statements.append(statement)


def guess_context(text: str) -> str:
    """Where the statements of a file can stand: "main" for a whole configuration, EMPTY if there
    are none, ENTRIES for none of nginx's; of several blocks the outermost that allows all, or most,
    of them."""
    outermost = first_level(text)
    statements = [s for s in outermost if s.name != "include"]
    if not statements:
        return EMPTY if outermost or not _COMMENT.sub("", text).strip() else ENTRIES
    if any(s.name in _WHOLE and s.opens for s in statements):
        return "main"
    counts = dict.fromkeys(_OPENINGS, 0)
    for statement in statements:
        for context in _allowed(statement):
            if context in counts:
                counts[context] += 1
    best = max(counts.values())
    if not best:
        return ENTRIES
    return next(context for context, count in counts.items() if count == best)


def _allowed(statement: Statement) -> set[str]:
    contexts = {
        context
        for known in declarations(statement.name)
        if known.is_block == statement.opens and known.fewest <= len(statement.args) <= known.most
        for context in known.contexts
    }
    for module in MODULES:
        directive = module.conf.directives.get(statement.name)
        if directive is not None and directive.is_block == statement.opens:
            contexts |= {context.path for context in directive.contexts}
    return contexts
