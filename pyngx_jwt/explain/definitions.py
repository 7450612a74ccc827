"""Where variables get their values: the statements that define them, and entries of maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..conf.parse import Statement
from ..http.level import Level
from ..http.request import Request
from ..http.template import Template
from ..modules.map_table import MapTable, add_entry, compile_lookup
from .lines import Line, Result, shown

LAST = ("map", "geo", "split_clients")  # directives whose last argument is the variable
FIRST = ("set", "auth_request_set", "auth_jwt_claim_set", "auth_jwt_header_set")
AFTER_ACCESS = "auth_request_set"
DEPTH = 8  # of variables that depend on each other


class VariableDefinitions:
    """The statements that define variables, recorded while a configuration is read."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Statement]] = {}
        self._entries: dict[Statement, list[Statement]] = {}

    def add(self, statement: Statement) -> None:
        """Records a statement if it defines a variable."""
        if statement.args and statement.name in (*LAST, *FIRST):
            name = statement.args[-1 if statement.name in LAST else 0]
            self._by_name.setdefault(name.removeprefix("$").lower(), []).append(statement)

    def add_entry(self, entry: Statement, block: Statement) -> None:
        """Records an entry of a block such as "map"."""
        self._entries.setdefault(block, []).append(entry)

    def explain(self, text: Template, level: Level, r: Request) -> list[Line]:
        """The origins of the variables in a text that the configuration defines.

        The request stays as it is, but what is evaluated may be logged."""
        captures, variables = r.captures, dict(r.variables)
        lines = list(self._explain_all(text, level, r, DEPTH))
        r.captures, r.variables = captures, variables
        return lines

    def _explain_all(self, text: Template, level: Level, r: Request, depth: int) -> Iterator[Line]:
        for name in dict.fromkeys(text.names):
            statement = next(iter(self._by_name.get(name.lower(), ())), None)
            if depth and statement is not None:
                yield from self._explain(name.lower(), statement, level, r, depth - 1)

    def _explain(
        self, name: str, statement: Statement, level: Level, r: Request, depth: int
    ) -> Iterator[Line]:
        if statement.name == "map":
            yield from self._explain_map(name, statement, level, r, depth)
        elif statement.name in FIRST and name in r.variables:
            return  # the line of the statement has the value
        elif statement.name == AFTER_ACCESS:
            text = f"${name} has no value yet: auth_request_set takes effect after this check"
            yield Line(Result.NOTE, "", text, statement)
        elif statement.name == "set":
            yield Line(Result.NOTE, "", f'${name} has no value: "set" has not run', statement)
        elif statement.name in LAST:
            value = _value_of(Template(f"${name}"), level, r)
            yield Line(Result.NOTE, "", f'${name} is "{value}", by {statement.name}', statement)

    def _explain_map(
        self, name: str, statement: Statement, level: Level, r: Request, depth: int
    ) -> Iterator[Line]:
        source = Template(statement.args[0])
        entry = _matching(source, self._entries.get(statement, []), level, r)
        subject = f'{shown(source.text)} is "{_value_of(source, level, r)}"'
        if entry is None:
            text = f"${name}: {subject}, which no entry matches"
            yield Line(Result.NOTE, "", text, statement)
            return
        match = "the default" if entry.name == "default" else f'"{shown(entry.name)}" matches'
        text = f'${name}: {subject}, {match}: "{shown(entry.args[0])}"'
        yield Line(Result.NOTE, "", text, entry)
        yield from self._explain_all(source, level, r, depth)
        yield from self._explain_all(Template(entry.args[0]), level, r, depth)


def _matching(
    source: Template, entries: Iterable[Statement], level: Level, r: Request
) -> Statement | None:
    """The entry that a map uses, found by the map itself: each value is the entry's number."""
    numbered, table = list(entries), MapTable()
    for number, entry in enumerate(numbered):
        words = (str(number),) if entry.args else ()
        add_entry(table, entry._replace(args=words), level.variables)
    value = compile_lookup(source, table, level.variables)(r)
    return numbered[int(value)] if value else None


def _value_of(text: Template, level: Level, r: Request) -> str:
    return shown(text.bind(level.variables)(r))
