"""Creates variables whose values depend on those of other variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..conf.directive import A_NUMBER, Conf, accepted, directive
from ..conf.parse import Statement
from ..conf.scope import located
from ..errors import ConfError
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.names import WildcardTable, ascii_lower
from ..http.regex import Regex
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable, variable_name
from ..stream.contexts import STREAM
from ..stream.module import StreamModule

TABLES = "the tables grow as needed"


@dataclass(slots=True)
class MapTable:
    """A "map" block as it is read."""

    default: Template | None = None
    names: WildcardTable[Template] = field(default_factory=WildcardTable)
    regexes: list[tuple[Regex, Template]] = field(default_factory=list)
    hostnames: bool = False
    volatile: bool = False


class MapConf(Conf):
    map_hash_bucket_size = accepted(HTTP | STREAM, TABLES, like=A_NUMBER)
    map_hash_max_size = accepted(HTTP | STREAM, TABLES, like=A_NUMBER)

    @directive(HTTP | STREAM, raw=True, syntax="map string $variable { ... }")
    def map(self, string: str, variable: str, *, entries: Iterable[Statement]) -> None:
        """Creates a variable that depends on a string: exact values in any case, host names with
        wildcards ("hostnames"), and regular expressions ("~", "~*").  Exact values take precedence,
        then wildcards, then regular expressions in their order.  Other parameters: "default",
        "volatile", "include".  The value is evaluated when it is used and then kept for the
        request or connection, except for maps of claims."""
        source, name = Template(string), variable_name(variable)
        variables: VariableTable[Any] = self.level.variables
        table = MapTable()

        def make(variables: VariableTable[R]) -> TextOf[R]:
            return compile_lookup(source, table, variables)

        statement = self.scope.statement
        variables.define_remembered(name, make, lambda: table.volatile, statement)
        for entry in entries:
            with located(entry):
                add_entry(table, entry, variables)


def add_entry(table: MapTable, entry: Statement, variables: VariableTable[R]) -> None:
    """Adds an entry of the block; raises ConfError."""
    if not entry.args and entry.name == "hostnames":
        table.hostnames = True
    elif not entry.args and entry.name == "volatile":
        table.volatile = True
    elif len(entry.args) != 1:
        raise ConfError("invalid number of the map parameters")
    else:
        _add_value(table, entry.name, Template(entry.args[0]), variables)


def _add_value(table: MapTable, key: str, value: Template, variables: VariableTable[R]) -> None:
    if key == "default":
        if table.default is not None:
            raise ConfError("duplicate default map parameter")
        table.default = value
    elif key.startswith("~"):
        caseless = key.startswith("~*")
        regex = Regex(key[2 if caseless else 1 :], caseless=caseless)
        for name in regex.names:
            variables.define_stored(name)
        table.regexes.append((regex, value))
    else:
        table.names.add(key.removeprefix("\\"), value, wildcards=table.hostnames)


map_ = Module("map", MapConf)
stream_map = StreamModule("stream_map", MapConf)


def compile_lookup(source: Template, table: MapTable, variables: VariableTable[R]) -> TextOf[R]:
    """The value in a table for the value of `source`."""
    subject = source.bind(variables)
    names = table.names.bound(lambda template: template.bind(variables))
    regexes = [(regex.match, value.bind(variables)) for regex, value in table.regexes]
    default = (table.default or Template("")).bind(variables)
    find, hostnames = names.find, table.hostnames

    def look_up(r: R) -> str:
        text = subject(r)
        if hostnames and text.endswith("."):
            text = text[:-1]
        value = find(ascii_lower(text))
        if value is None and text:
            value = _match(r, text, regexes)
        return (value or default)(r)

    return look_up


def _match(
    r: R, text: str, regexes: Sequence[tuple[Callable[[R, str], bool], TextOf[R]]]
) -> TextOf[R] | None:
    for match, value in regexes:
        if match(r, text):
            return value
    return None
