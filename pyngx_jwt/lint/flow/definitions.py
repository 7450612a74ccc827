"""The statements that define variables, by the names of the variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ...http.template import Template
from ...modules.core import CoreConf
from ..model.block import Block
from .expression import Expression, location_regex, matched, names_in, rewrite_regexes, template
from .pattern import Capture

MOST = 32  # values of "set" elsewhere in a server that are looked at
_OPTIONS = frozenset({"delete", "proxy", "proxy_recursive", "ranges"})  # of geo
# Directives of set-misc whose values are made of a text: by these, still what the client wrote,
# and by the others something that it can only choose among.
_CHANGES = (
    *("set_escape_uri", "set_unescape_uri", "set_if_empty", "set_quote_sql_str"),
    *("set_quote_pgsql_str", "set_quote_json_str", "set_encode_base64", "set_decode_base64"),
    *("set_encode_base64url", "set_decode_base64url", "set_encode_base32", "set_decode_base32"),
    *("set_encode_hex", "set_decode_hex"),
)
_DIGESTS = ("set_md5", "set_sha1", "set_hmac_sha1", "set_hmac_sha256", "set_hashed_upstream")
_CLAIMS = {"auth_jwt_claim_set": "jwt_claim_", "auth_jwt_header_set": "jwt_header_"}


class Assigned(NamedTuple):
    """A value of a "set", and the block that it stands in."""

    value: Template
    where: Block


class MappedValue(NamedTuple):
    """A value of a "map" with variables, and the expression that chooses it."""

    value: Template
    expression: Expression | None


class ValueTable(NamedTuple):
    """A block that chooses among values: "map", "geo", "split_clients"."""

    chosen_by: tuple[str, ...]
    constants: tuple[str, ...]
    mapped: tuple[MappedValue, ...] = ()
    size: int = 0  # entries besides the default
    is_partial: bool = False  # there are more in a file that could not be read


class Definitions:
    """The variables that a configuration defines."""

    def __init__(self, http: Block) -> None:
        self._analysis = http.analysis
        self.tables: dict[str, ValueTable] = {}
        self.claims: dict[str, str] = {}
        self.captured: dict[str, list[tuple[Expression, Capture]]] = {}
        self._sets: dict[str, dict[Block, list[Assigned]]] = {}
        self._by_server: dict[tuple[str, Block], list[Assigned]] = {}
        for statement in http.given("map", "geo", "split_clients"):
            self.tables[_name(statement.args[-1])] = self._read_table(statement)
        for statement in http.given("keyval"):
            self.tables[_name(statement.args[1])] = _unknown(statement.args[0])
        for block in http.walk():
            self._read_block(block)

    def is_set(self, name: str) -> bool:
        """Whether there is a "set" of it."""
        return name in self._sets

    def near(self, name: str, block: Block) -> list[Assigned]:
        """What "set" gives it on the way to a block."""
        sets = self._sets.get(name)
        return [one for outer in block.outward() for one in sets.get(outer, ())] if sets else []

    def given(self, name: str, block: Block) -> list[Assigned]:
        """What "set" gives it: on the way to a block; if nowhere there, in its server."""
        return self.near(name, block) or self._by_server.get((name, block.server), [])

    # -- reading ---------------------------------------------------------------------------

    def _read_block(self, block: Block) -> None:
        for statement in block.given("set", *_CHANGES):
            self._read_set(block, statement)
        for statement in block.given(*_DIGESTS):
            self.tables[_name(statement.args[0])] = _unknown(statement.args[-1])
        for name, kind in _CLAIMS.items():
            for statement in block.given(name):
                self.claims[_name(statement.args[0])] = kind + "_".join(statement.args[1:])
        for expression in _expressions_of(block):
            self._read_names(expression)

    def _read_set(self, block: Block, statement: Statement) -> None:
        value, name = template(statement.args[-1]), _name(statement.args[0])
        if value is None or (name in value.names and statement.name != "set"):
            return  # changed in its place
        anchor, given = block.outer if block.is_condition else block, Assigned(value, block)
        self._sets.setdefault(name, {}).setdefault(anchor or block, []).append(given)
        everywhere = self._by_server.setdefault((name, block.server), [])
        if len(everywhere) < MOST:
            everywhere.append(given)

    def _read_table(self, statement: Statement) -> ValueTable:
        constants: dict[str, None] = {}
        mapped: dict[tuple[str, Expression | None], MappedValue] = {}
        chosen_by = names_in(statement.args[0]) if len(statement.args) > 1 else ("remote_addr",)
        entries = [
            entry for entry in self._analysis.entries(statement) if _has_value(entry, statement)
        ]
        for entry in entries:
            expression = None
            if statement.name == "map" and entry.name.startswith("~"):
                expression = matched(entry.name, chosen_by)
                self._read_names(expression)
            value = template(entry.args[-1]) if statement.name == "map" else None
            if value is None or value.is_constant:
                constants[entry.args[-1]] = None
            else:
                mapped[value.text, expression] = MappedValue(value, expression)
        if not any(entry.name in ("default", "*") for entry in entries):
            constants[""] = None
        is_partial = statement in self._analysis.collector.unread_entries
        size = sum(entry.name not in ("default", "*") for entry in entries)
        return ValueTable(chosen_by, tuple(constants), tuple(mapped.values()), size, is_partial)

    def _read_names(self, expression: Expression) -> None:
        for group in expression.named:
            self.captured.setdefault(group.name.lower(), []).append((expression, group))


def _name(variable: str) -> str:
    return variable.removeprefix("$").lower()


def _unknown(text: str) -> ValueTable:
    """Values that the configuration does not have, chosen by a text."""
    return ValueTable(names_in(text), (), is_partial=True)


def _has_value(entry: Statement, table: Statement) -> bool:
    return bool(entry.args) and not (table.name == "geo" and entry.name in _OPTIONS)


def _expressions_of(block: Block) -> Iterator[Expression]:
    """Those of a block: of its names, its condition and its rewrites."""
    yield from location_regex(block)
    if block.is_server:
        for name in block[CoreConf].name_regexes:
            yield Expression(name[1:], True, ("host",))
    yield from rewrite_regexes(block)
