"""Where the values of variables come from, as far as the configuration tells it."""

from __future__ import annotations

from collections.abc import Iterable

from ..conf.directive import LOCATION_IF, SERVER_IF
from ..conf.parse import Statement
from ..errors import ConfError
from ..http.template import Template
from .model import Configuration
from .place import Place

TABLES = ("map", "geo", "split_clients")
_IFS = LOCATION_IF | SERVER_IF
_MOST = 256  # values of one text
_OPTIONS = frozenset({"delete", "include", "proxy", "proxy_recursive", "ranges"})  # of geo
# Variables of requests that always have a value, and never "0".
ALWAYS = frozenset(
    {
        *("binary_remote_addr", "connection", "document_root", "host", "hostname", "msec"),
        *("jwt_nowtime", "nginx_version", "pid", "realpath_root", "remote_addr", "remote_port"),
        *("request", "request_id", "request_length", "request_method", "request_uri", "scheme"),
        *("server_addr", "server_port", "server_protocol", "time_iso8601", "time_local", "uri"),
    }
)
Texts = frozenset[str]


class Values:
    """The statements that give variables values, by the names of the variables."""

    def __init__(self, conf: Configuration) -> None:
        self._conf = conf
        self.tables: dict[str, Statement] = {}
        self.sets: dict[str, list[tuple[Place, Statement]]] = {}
        self.claims: dict[str, str] = {}  # auth_jwt_claim_set: the names of claims
        for _, statement in conf.statements(*TABLES):
            self.tables[_name(statement.args[-1])] = statement
        for place, statement in conf.statements("set"):
            self.sets.setdefault(_name(statement.args[0]), []).append((place, statement))
        for _, statement in conf.statements("auth_jwt_claim_set"):
            self.claims[_name(statement.args[0])] = f"jwt_claim_{statement.args[1].lower()}"

    # -- what depends on what ------------------------------------------------------------------

    def behind(self, names: Iterable[str]) -> set[str]:
        """The variables, and all those that their values can depend on."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self._sources(name)
        return found

    def _sources(self, name: str) -> list[str]:
        found = [self.claims[name]] if name in self.claims else []
        table = self.tables.get(name)
        if table is not None:
            words = [*table.args[:-1], *(arg for e in self._conf.entries(table) for arg in e.args)]
            found += [n for word in words for n in names_in(word)]
        for place, statement in self.sets.get(name, ()):
            words = [*statement.args[1:], *(place.statement.args if place.context & _IFS else ())]
            found += [n for word in words for n in names_in(word)]
        return found

    # -- what values there are -----------------------------------------------------------------

    def values(self, text: Template, place: Place) -> Texts:
        """All values that a text can have where it is used, none if that is not known."""
        return self._values(text, place, ()) or frozenset()

    def _values(self, text: Template | None, place: Place, seen: tuple[str, ...]) -> Texts | None:
        if text is None:
            return None
        found = frozenset({""})
        for is_variable, part in text.parts:
            options = self._of(part, place, seen) if is_variable else frozenset({part})
            if options is None or len(found) * len(options) > _MOST:
                return None
            found = frozenset(head + tail for head in found for tail in options)
        return found

    def _of(self, name: str, place: Place, seen: tuple[str, ...]) -> Texts | None:
        if name in seen:
            return None
        seen = (*seen, name)
        if name in self.sets:
            return self._of_set(name, place, seen)
        if name in self.tables:
            return self._of_table(self.tables[name], place, seen)
        return frozenset({f"${name}"}) if name in ALWAYS else None

    def _of_set(self, name: str, place: Place, seen: tuple[str, ...]) -> Texts | None:
        """Those of the blocks around, and of conditions in these; before any it is empty."""
        around = set(place.outward())
        found: Texts = frozenset()
        always = False
        for where, statement in self.sets[name]:
            conditional = bool(where.context & _IFS) and where not in around
            if where in around or (conditional and where.outer in around):
                options = self._values(template(statement.args[1]), where, seen)
                if options is None:
                    return None
                found |= options
                always = always or not conditional
        return found if always else found | {""}

    def _of_table(self, table: Statement, place: Place, seen: tuple[str, ...]) -> Texts | None:
        found: Texts = frozenset()
        has_default = False
        for entry in self._conf.entries(table):
            if not entry.args or (table.name == "geo" and entry.name in _OPTIONS):
                continue
            has_default = has_default or entry.name in ("default", "*")
            options = self._values(template(entry.args[-1]), place, seen)
            if options is None:
                return None
            found |= options
        return found if has_default else found | {""}


def _name(variable: str) -> str:
    return variable.removeprefix("$").lower()


def template(text: str) -> Template | None:
    """A text of the configuration, None if it is not well-formed."""
    try:
        return Template(text)
    except ConfError:
        return None


def names_in(text: str) -> tuple[str, ...]:
    """The variables of a text of the configuration; of an expression in a condition none."""
    found = template(text)
    return found.names if found is not None else ()
