"""The tables of "map": read entry by entry, and looked up for sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..conf.parse import Statement
from ..errors import ConfError
from ..http.names import WildcardTable, ascii_lower
from ..http.regex import Regex
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable


class MapTable:
    """A "map" block as it is read."""

    def __init__(self) -> None:
        self.default: Template | None = None
        # What names stand for is text mostly; that with variables is among the `templates`.
        self.names: WildcardTable[str] = WildcardTable()
        self.templates: dict[str, Template] = {}
        self.regexes: list[tuple[Regex, Template]] = []
        self.hostnames = False
        self.volatile = False


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
        table.names.add(key.removeprefix("\\"), value.text, wildcards=table.hostnames)
        if not value.is_constant:
            table.templates[value.text] = value


def add_pairs(table: MapTable, pairs: list[tuple[str, str]]) -> bool:
    """Adds entries that are two words of plain characters, all or none; whether it did."""
    return not table.hostnames and table.names.add_plain(pairs)


def compile_lookup(source: Template, table: MapTable, variables: VariableTable[R]) -> TextOf[R]:
    """The value in a table for the value of `source`."""
    subject = source.bind(variables)
    made = {text: template.bind(variables) for text, template in table.templates.items()}
    regexes = [(regex.match, value.bind(variables)) for regex, value in table.regexes]
    default = (table.default or Template("")).bind(variables)
    names, hostnames = table.names, table.hostnames

    def look_up(r: R) -> str:
        text = subject(r)
        if hostnames and text.endswith("."):
            text = text[:-1]
        found = names.find(ascii_lower(text))
        if found is not None:
            return made[found](r) if found in made else found
        value = _match(r, text, regexes) if text else None
        return (value or default)(r)

    return look_up


def _match(
    r: R, text: str, regexes: Sequence[tuple[Callable[[R, str], bool], TextOf[R]]]
) -> TextOf[R] | None:
    for match, value in regexes:
        if match(r, text):
            return value
    return None
