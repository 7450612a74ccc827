"""The statements that make variables, by the names of the variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ...http.template import Template
from ...modules.core import CoreConf
from ..model.configuration import Configuration
from ..model.place import Place
from .expression import Expression, location_regex, matched, names_in, rewrite_regexes, template
from .pattern import Group

MOST = 32  # values of "set" elsewhere in a server that are looked at
_OPTIONS = frozenset({"delete", "proxy", "proxy_recursive", "ranges"})  # of geo


class Given(NamedTuple):
    """A value of a "set", and the block that it stands in."""

    value: Template
    where: Place


class Mapped(NamedTuple):
    """A value of a "map" with variables, and the expression that chooses it."""

    value: Template
    expression: Expression | None


class Table(NamedTuple):
    """A block that chooses among values: "map", "geo", "split_clients"."""

    chosen_by: tuple[str, ...]
    constants: tuple[str, ...]
    mapped: tuple[Mapped, ...] = ()


class Made:
    """The variables that a configuration makes."""

    def __init__(self, conf: Configuration) -> None:
        self._conf = conf
        self.tables: dict[str, Table] = {}
        self.claims: dict[str, str] = {}
        self.captured: dict[str, list[tuple[Expression, Group]]] = {}
        self._sets: dict[str, dict[Place, list[Given]]] = {}
        self._by_server: dict[tuple[str, Place], list[Given]] = {}
        for place, statement in conf.statements("set"):
            self._read_set(place, statement)
        for _, statement in conf.statements("map", "geo", "split_clients"):
            self.tables[_name(statement.args[-1])] = self._read_table(statement)
        for _, statement in conf.statements("auth_jwt_claim_set", "auth_jwt_header_set"):
            kind = "jwt_claim_" if statement.name == "auth_jwt_claim_set" else "jwt_header_"
            self.claims[_name(statement.args[0])] = kind + "_".join(statement.args[1:])
        for place in conf.places:
            for expression in _expressions_of(place):
                self._read_names(expression)

    def is_set(self, name: str) -> bool:
        """Whether there is a "set" of it."""
        return name in self._sets

    def near(self, name: str, place: Place) -> list[Given]:
        """What "set" gives it on the way to a place."""
        sets = self._sets.get(name)
        return [one for outer in place.outward() for one in sets.get(outer, ())] if sets else []

    def given(self, name: str, place: Place) -> list[Given]:
        """What "set" gives it: on the way to a place; if nowhere there, in its server."""
        return self.near(name, place) or self._by_server.get((name, place.server), [])

    # -- reading ---------------------------------------------------------------------------

    def _read_set(self, place: Place, statement: Statement) -> None:
        value = template(statement.args[1])
        if value is None:
            return
        anchor = place.outer if place.is_condition else place
        name, given = _name(statement.args[0]), Given(value, place)
        self._sets.setdefault(name, {}).setdefault(anchor or place, []).append(given)
        everywhere = self._by_server.setdefault((name, place.server), [])
        if len(everywhere) < MOST:
            everywhere.append(given)

    def _read_table(self, statement: Statement) -> Table:
        constants: dict[str, None] = {}
        mapped: dict[tuple[str, Expression | None], Mapped] = {}
        chosen_by = names_in(statement.args[0]) if len(statement.args) > 1 else ("remote_addr",)
        entries = [entry for entry in self._conf.entries(statement) if _has_value(entry, statement)]
        for entry in entries:
            expression = None
            if statement.name == "map" and entry.name.startswith("~"):
                expression = matched(entry.name, chosen_by)
                self._read_names(expression)
            value = template(entry.args[-1]) if statement.name == "map" else None
            if value is None or value.is_constant:
                constants[entry.args[-1]] = None
            else:
                mapped[value.text, expression] = Mapped(value, expression)
        if not any(entry.name in ("default", "*") for entry in entries):
            constants[""] = None
        return Table(chosen_by, tuple(constants), tuple(mapped.values()))

    def _read_names(self, expression: Expression) -> None:
        for group in expression.named:
            self.captured.setdefault(group.name.lower(), []).append((expression, group))


def _name(variable: str) -> str:
    return variable.removeprefix("$").lower()


def _has_value(entry: Statement, table: Statement) -> bool:
    return bool(entry.args) and not (table.name == "geo" and entry.name in _OPTIONS)


def _expressions_of(place: Place) -> Iterator[Expression]:
    """Those of a block: of its names, its condition and its rewrites."""
    yield from location_regex(place)
    if place.is_server:
        for name in place[CoreConf].name_regexes:
            yield Expression(name[1:], True, ("host",))
    yield from rewrite_regexes(place)
