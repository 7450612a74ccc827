"""What texts with variables can hold: followed through "set", "map", captures and claims.

A text expands to alternatives; each is a row of literal texts and of ``Origin``, a variable
that nothing in the configuration makes.  What a "map" chooses by is not part of its value, and
is kept apart: see ``influences``.  Where all values are constants, ``values`` has each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from ...http.template import Template
from ..model.block import Block
from .definitions import Assigned, Definitions
from .expression import Expression, location_regex, names_in_condition, rewrite_regexes
from .pattern import Capture

MOST = 32  # alternatives of a text that are looked at
MOST_VALUES = 256
DEEP = 8  # variables made of variables
CLAIMS = ("jwt_claim_", "jwt_payload", "jwt_claims")
URIS = frozenset({"uri", "document_uri"})
# What other modules fill from fields, bodies and cookies of the client.
WRITTEN = frozenset({"uid_got", "echo_request_body", "echo_client_request_headers"})
CHOSEN = (
    URIS
    | WRITTEN
    | {
        *("echo_request_uri", "echo_cacheable_request_uri", "secure_link_expires"),
        *("host", "http_host", "request_uri", "args", "query_string", "request", "request_body"),
        *("ssl_server_name", "ssl_preread_server_name"),
    }
)
CHOSEN_PREFIXES = ("http_", "arg_", "cookie_")
# Variables of requests that always have a value, and never "0".
ALWAYS = frozenset(
    {
        *("binary_remote_addr", "connection", "document_root", "host", "hostname", "msec"),
        *("jwt_nowtime", "nginx_version", "pid", "realpath_root", "remote_addr", "remote_port"),
        *("request", "request_id", "request_length", "request_method", "request_uri", "scheme"),
        *("server_addr", "server_port", "server_protocol", "time_iso8601", "time_local", "uri"),
    }
)


class Origin(NamedTuple):
    """A variable of a module; `part` is the capture that takes a part of its value."""

    name: str
    part: Capture | None = None

    @property
    def is_claim(self) -> bool:
        """Whether its value is from a token."""
        return self.name.startswith(CLAIMS)

    @property
    def is_chosen(self) -> bool:
        """Whether clients write it as they like."""
        return self.name in CHOSEN or self.name.startswith(CHOSEN_PREFIXES)

    @property
    def is_written(self) -> bool:
        """Whether it is a field, a parameter, a cookie or the like of the client."""
        return self.name in WRITTEN or self.name.startswith(CHOSEN_PREFIXES)


Row = tuple[str | Origin, ...]


class Flow:
    """The values of the variables that a configuration makes."""

    def __init__(self, http: Block) -> None:
        self.definitions = Definitions(http)

    # -- queries ---------------------------------------------------------------------------

    def expand(self, text: Template, block: Block, *, own: Expression | None = None) -> list[Row]:
        """The alternatives; `own` is the expression that numbered captures are of, if the
        statement has one itself."""
        return self._expand(text, block, own, 0)

    def origins(
        self, text: Template, block: Block, *, own: Expression | None = None
    ) -> frozenset[Origin]:
        """All variables that can be in it."""
        rows = self.expand(text, block, own=own)
        return frozenset(part for row in rows for part in row if isinstance(part, Origin))

    def names(self, text: Template, block: Block) -> frozenset[str]:
        """The names of those that can be in it as a whole."""
        return frozenset(o.name for o in self.origins(text, block) if o.part is None)

    def influences(self, names: Iterable[str], block: Block) -> frozenset[str]:
        """The variables, and all that they depend on: what "map" chooses by, and conditions of
        "set", included."""
        reached: set[tuple[str, Block]] = set()
        left = [(name, block) for name in names]
        while left:
            one = left.pop()
            if one not in reached:
                reached.add(one)
                left += self._sources(*one)
        return frozenset(name for name, _ in reached)

    def values(self, text: Template, block: Block) -> frozenset[str]:
        """All values that it can have, none if that is not known; a variable that always has
        some stands for its value."""
        return self._values(text, block, 0) or frozenset()

    def has_claims(self, text: Template, block: Block) -> bool:
        """Whether what a token says can be in it."""
        return not text.is_constant and any(o.is_claim for o in self.origins(text, block))

    # -- expanding -------------------------------------------------------------------------

    def _expand(
        self, text: Template, block: Block, own: Expression | None, depth: int
    ) -> list[Row]:
        rows: list[Row] = [()]
        for variable, name in text.parts:
            tails: list[Row] = [(name,)]
            if variable:
                tails = self._variable(name, block, own, depth)
            rows = [(*row, *tail) for row in rows for tail in tails][:MOST]
        return rows

    def _variable(self, name: str, block: Block, own: Expression | None, depth: int) -> list[Row]:
        if depth > DEEP:
            return [(Origin(name),)]
        if name.startswith("$"):
            return self._numbered(int(name[1:]), block, own, depth)
        if name in self.definitions.claims:
            return [(Origin(self.definitions.claims[name]),)]
        rows: list[Row] = []
        for value, where in self.definitions.given(name, block):
            rows += self._expand(value, where, None, depth + 1)
        if (table := self.definitions.tables.get(name)) is not None:
            rows += [(text,) for text in table.constants[:1]]  # one of them stands for all
            rows += [(Origin(name),)] if table.is_partial else []
            for value, expression in table.mapped:
                rows += self._expand(value, block, expression, depth + 1)
        for expression, group in self.definitions.captured.get(name, ()):
            rows += self._part(expression, group, block, depth)
        return list(dict.fromkeys(rows))[:MOST] or [(Origin(name),)]

    def _numbered(self, number: int, block: Block, own: Expression | None, depth: int) -> list[Row]:
        rows: list[Row] = []
        for expression in (own,) if own is not None else self.expressions(block):
            group = expression.capture(number)
            if group is not None:
                rows += self._part(expression, group, block, depth)
        return rows or [("",)]

    def _part(self, expression: Expression, group: Capture, block: Block, depth: int) -> list[Row]:
        rows: list[Row] = []
        for subject in expression.subjects:
            for row in self._variable(subject, block, None, depth + 1):
                rows += [(Origin(o.name, group),) for o in row if isinstance(o, Origin)]
        return rows or [("",)]

    def expressions(self, block: Block) -> list[Expression]:
        """What numbered captures of a block can be of: its own rewrites and conditions, or
        what led to it."""
        for outer in block.outward():
            own = rewrite_regexes(outer) or location_regex(outer)
            if own or outer.is_server:
                return own
        return []

    # -- what depends on what --------------------------------------------------------------

    def _sources(self, name: str, block: Block) -> Iterator[tuple[str, Block]]:
        """The variables that make a variable, and where."""
        definitions = self.definitions
        if name in definitions.claims:
            yield definitions.claims[name], block
        for value, where in definitions.given(name, block):
            condition = names_in_condition(where.statement) if where.is_condition else ()
            yield from ((other, where) for other in (*value.names, *condition))
        if (table := definitions.tables.get(name)) is not None:
            others = [other for mapped in table.mapped for other in mapped.value.names]
            yield from ((other, block) for other in (*table.chosen_by, *others))
        expressions = [expression for expression, _ in definitions.captured.get(name, ())]
        if name.startswith("$"):
            expressions += self.expressions(block)
        yield from ((other, block) for expression in expressions for other in expression.subjects)

    # -- all values ------------------------------------------------------------------------

    def _values(self, text: Template, block: Block, depth: int) -> frozenset[str] | None:
        options: list[frozenset[str]] = []
        count = 1
        for is_variable, part in text.parts:
            values = self._values_of(part, block, depth) if is_variable else frozenset({part})
            count *= MOST_VALUES + 1 if values is None else len(values)
            if values is None or count > MOST_VALUES:
                return None
            options.append(values)
        return frozenset(map("".join, product(*options)))

    def _values_of(self, name: str, block: Block, depth: int) -> frozenset[str] | None:
        definitions = self.definitions
        if depth > DEEP or name in definitions.captured:
            return None
        if definitions.is_set(name):
            near = definitions.near(name, block)
            around = set(block.outward())
            always = any(where in around or not where.is_condition for _, where in near)
            return self._all(near, () if always else ("",), depth + 1)
        if (table := definitions.tables.get(name)) is not None:
            if table.is_partial:
                return None
            mapped = [Assigned(value, block) for value, _ in table.mapped]
            return self._all(mapped, table.constants, depth + 1)
        return frozenset({f"${name}"}) if name in ALWAYS else None

    def _all(
        self, texts: list[Assigned], constants: tuple[str, ...], depth: int
    ) -> frozenset[str] | None:
        values = set(constants)
        for value, where in texts:
            options = self._values(value, where, depth)
            if options is None:
                return None
            values |= options
        return frozenset(values)


def flow_of(block: Block) -> Flow:
    """The flow of the configuration that a block is part of, which is read once."""
    return block.once(Flow)
