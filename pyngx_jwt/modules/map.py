"""Creates variables whose values depend on those of other variables."""

from __future__ import annotations

from typing import Any

from ..conf.directive import A_NUMBER, Conf, accepted, directive
from ..conf.entries import Entries
from ..conf.scope import located
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable, variable_name
from ..stream.contexts import STREAM
from ..stream.module import StreamModule
from .map_table import MapTable, add_entry, add_pairs, compile_lookup

TABLES = "the tables grow as needed"


class MapConf(Conf):
    map_hash_bucket_size = accepted(HTTP | STREAM, TABLES, like=A_NUMBER)
    map_hash_max_size = accepted(HTTP | STREAM, TABLES, like=A_NUMBER)

    @directive(HTTP | STREAM, raw=True, syntax="map string $variable { ... }")
    def map(self, string: str, variable: str, *, entries: Entries) -> None:
        """Creates a variable that depends on a string: exact values in any case, host names with
        wildcards ("hostnames"), and regular expressions ("~", "~*").  Exact values take precedence,
        then wildcards, then regular expressions in their order.  Other parameters: "default",
        "volatile", "include".  The value is evaluated when it is used and then kept for the
        request or connection, except for maps of claims."""
        for size in ("map_hash_bucket_size", "map_hash_max_size"):
            vars(self).setdefault(size, 0)  # for nginx they are set from the first block on
        source, name = Template(string), variable_name(variable)
        variables: VariableTable[Any] = self.level.variables
        table = MapTable()

        def make(variables: VariableTable[R]) -> TextOf[R]:
            return compile_lookup(source, table, variables)

        def take(pairs: list[tuple[str, str]]) -> bool:
            return add_pairs(table, pairs)

        statement = self.scope.statement
        variables.define_remembered(name, make, lambda: table.volatile, statement)
        for entry in entries:
            with located(entry):
                add_entry(table, entry, variables)
            entries.take_pairs(take)


map_ = Module("map", MapConf)
stream_map = StreamModule("stream_map", MapConf)
