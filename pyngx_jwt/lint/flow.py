"""What texts with variables can hold: followed through "set", "map", captures and claims.

A text expands to alternatives; each is a row of literal texts and of ``Origin``, a variable
that nothing in the configuration makes.  What a "map" chooses by is no part of its value, and
told apart: see ``influences``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..conf.directive import LOCATION_IF, SERVER_IF
from ..conf.parse import Statement
from ..errors import ConfError
from ..http.template import Template
from ..modules.core import CoreConf
from .pattern import Group, Node, PatternError, groups, parse_pattern

if TYPE_CHECKING:
    from .model import Configuration
    from .place import Place

MOST = 32  # alternatives of a text that are looked at
DEEP = 8  # variables made of variables
ANYTHING = Group(parse_pattern("(?s).*"), 0, "")
CLAIMS = ("jwt_claim_", "jwt_payload", "jwt_claims")
URIS = frozenset({"uri", "document_uri"})
CHOSEN = URIS | {
    *("host", "http_host", "request_uri", "args", "query_string", "request", "request_body"),
    *("ssl_server_name", "ssl_preread_server_name"),
}
CHOSEN_PREFIXES = ("http_", "arg_", "cookie_")


class Origin(NamedTuple):
    """A variable of a module; `part` is the capture that takes a part of its value."""

    name: str
    part: Group | None = None

    @property
    def is_claim(self) -> bool:
        """Whether it tells what a token says."""
        return self.name.startswith(CLAIMS)

    @property
    def is_chosen(self) -> bool:
        """Whether clients write it as they like."""
        return self.name in CHOSEN or self.name.startswith(CHOSEN_PREFIXES)


Row = tuple[str | Origin, ...]


class Expression(NamedTuple):
    """A regular expression and the variables that it is held against."""

    text: str
    caseless: bool
    subjects: tuple[str, ...]

    @property
    def tree(self) -> Node | None:
        """None if it is not understood."""
        try:
            return parse_pattern(self.text, caseless=self.caseless)
        except (PatternError, RecursionError):
            return None

    def capture(self, number: int) -> Group | None:
        """One of its groups; None if it has no such one."""
        tree = self.tree
        if tree is None:
            return ANYTHING
        return next((group for group in groups(tree) if group.number == number), None)


class Mapped(NamedTuple):
    """A value of a "map", and the expression that chooses it."""

    value: Template
    expression: Expression | None


class Flow:
    """The variables that a configuration makes."""

    def __init__(self, conf: Configuration) -> None:
        self.conf = conf
        self.maps: dict[str, tuple[Mapped, ...]] = {}
        self.chosen_by: dict[str, tuple[str, ...]] = {}
        self.constant: set[str] = set()
        self.claims: dict[str, str] = {}
        self.sets: dict[str, dict[Place, list[Template]]] = {}
        self.captured: dict[str, list[tuple[Expression, Group]]] = {}
        self._by_server: dict[tuple[str, Place], list[Template]] = {}
        self._read()

    # -- what is asked ---------------------------------------------------------------------

    def expand(self, text: Template, place: Place, *, own: Expression | None = None) -> list[Row]:
        """The alternatives; `own` is the expression that numbered captures are of, if the
        statement has one itself."""
        return self._expand(text, place, own, 0)

    def origins(
        self, text: Template, place: Place, *, own: Expression | None = None
    ) -> frozenset[Origin]:
        """All variables that can be in it."""
        rows = self.expand(text, place, own=own)
        return frozenset(part for row in rows for part in row if isinstance(part, Origin))

    def names(self, text: Template, place: Place) -> frozenset[str]:
        """The names of those that can be in it as a whole."""
        return frozenset(o.name for o in self.origins(text, place) if o.part is None)

    def influences(self, text: Template, place: Place) -> frozenset[str]:
        """The names of variables that it depends on, what "map" chooses by included."""
        found: set[str] = set()
        self._influences(text, place, found)
        return frozenset(found)

    def has_claims(self, text: Template, place: Place) -> bool:
        """Whether what a token says can be in it."""
        return not text.is_constant and any(o.is_claim for o in self.origins(text, place))

    # -- expanding -------------------------------------------------------------------------

    def _expand(
        self, text: Template, place: Place, own: Expression | None, depth: int
    ) -> list[Row]:
        rows: list[Row] = [()]
        for variable, name in text.parts:
            found: list[Row] = [(name,)]
            if variable:
                found = self._variable(name, place, own, depth)
            rows = [(*row, *tail) for row in rows for tail in found][:MOST]
        return rows

    def _variable(self, name: str, place: Place, own: Expression | None, depth: int) -> list[Row]:
        if depth > DEEP:
            return [(Origin(name),)]
        if name.startswith("$"):
            return self._numbered(int(name[1:]), place, own, depth)
        if name in self.claims:
            return [(Origin(self.claims[name]),)]
        if name in self.constant:
            return [("",)]
        rows: list[Row] = []
        for value in self._values_of(name, place):
            rows += self._expand(value, place, None, depth + 1)
        for mapped in self.maps.get(name, ()):
            rows += self._expand(mapped.value, place, mapped.expression, depth + 1)
        for expression, group in self.captured.get(name, ()):
            rows += self._part(expression, group, place, depth)
        return list(dict.fromkeys(rows))[:MOST] or [(Origin(name),)]

    def _values_of(self, name: str, place: Place) -> list[Template]:
        """What "set" gives it: on the way to the place; if nowhere there, in its server."""
        sets = self.sets.get(name)
        if not sets:
            return []
        near = [value for outer in place.outward() for value in sets.get(outer, ())]
        return near or self._by_server.get((name, place.server), [])

    def _numbered(self, number: int, place: Place, own: Expression | None, depth: int) -> list[Row]:
        rows: list[Row] = []
        for expression in (own,) if own is not None else self.expressions(place):
            group = expression.capture(number)
            if group is not None:
                rows += self._part(expression, group, place, depth)
        return rows or [("",)]

    def _part(self, expression: Expression, group: Group, place: Place, depth: int) -> list[Row]:
        rows: list[Row] = []
        for subject in expression.subjects:
            for row in self._variable(subject, place, None, depth + 1):
                rows += [(Origin(o.name, group),) for o in row if isinstance(o, Origin)]
        return rows or [("",)]

    def expressions(self, place: Place) -> list[Expression]:
        """What numbered captures of a place can be of: its own rewrites and conditions, or
        what led to it."""
        for outer in place.outward():
            own = [x for s in outer.given("rewrite") if (x := rewriting(s)) is not None]
            if outer.context & (LOCATION_IF | SERVER_IF):
                own += [x for x in (condition(outer.statement),) if x is not None]
            core = outer[CoreConf]
            if not own and outer.is_location and core._regex is not None:
                own = [Expression(core._name, core._modifier == "~*", ("uri",))]
            if own or outer.is_server:
                return own
        return []

    def _influences(self, text: Template, place: Place, found: set[str]) -> None:
        for name in text.names:
            if name in found:
                continue
            found.add(name)
            if name in self.claims:
                found.add(self.claims[name])
            for value in self._values_of(name, place):
                self._influences(value, place, found)
            for mapped in self.maps.get(name, ()):
                self._influences(mapped.value, place, found)
            for other in self.chosen_by.get(name, ()):
                self._influences(Template(f"${other}"), place, found)
            for expression, _ in self.captured.get(name, ()):
                for other in expression.subjects:
                    self._influences(Template(f"${other}"), place, found)
        if any(name.startswith("$") for name in text.names):
            for expression in self.expressions(place):
                for other in expression.subjects:
                    self._influences(Template(f"${other}"), place, found)

    # -- reading ---------------------------------------------------------------------------

    def _read(self) -> None:
        for place, statement in self.conf.statements("set"):
            self._read_set(place, statement)
        for place, statement in self.conf.statements("map"):
            self._read_map(statement)
        for place, statement in self.conf.statements("geo", "split_clients"):
            self._read_constants(statement)
        for place, statement in self.conf.statements("auth_jwt_claim_set", "auth_jwt_header_set"):
            kind = "jwt_claim_" if statement.name == "auth_jwt_claim_set" else "jwt_header_"
            self.claims[statement.args[0][1:].lower()] = kind + "_".join(statement.args[1:])
        for place in self.conf.places:
            for expression in self._named_in(place):
                self._read_names(expression)

    def _read_set(self, place: Place, statement: Statement) -> None:
        value = _template(statement.args[1])
        if value is None:
            return
        anchor = place.outer if place.context & (LOCATION_IF | SERVER_IF) else place
        name = statement.args[0][1:].lower()
        self.sets.setdefault(name, {}).setdefault(anchor or place, []).append(value)
        everywhere = self._by_server.setdefault((name, place.server), [])
        if len(everywhere) < MOST:
            everywhere.append(value)

    def _read_map(self, statement: Statement) -> None:
        source = _template(statement.args[0])
        subjects = source.names if source is not None else ()
        found: dict[tuple[str, Expression | None], Mapped] = {}
        for entry in self.conf.entries(statement):
            value = _template(entry.args[0]) if len(entry.args) == 1 else None
            if value is None:
                continue
            expression = None
            if entry.name.startswith("~"):
                caseless = entry.name.startswith("~*")
                expression = Expression(entry.name[1 + caseless :], caseless, subjects)
                self._read_names(expression)
            if value.is_constant:  # one of them stands for all
                value, expression = Template(value.text), None
                found.setdefault(("", None), Mapped(value, None))
            else:
                found[value.text, expression] = Mapped(value, expression)
        name = statement.args[1][1:].lower()
        self.maps[name] = tuple(found.values())
        self.chosen_by[name] = subjects

    def _read_constants(self, statement: Statement) -> None:
        """Blocks whose values have no variables."""
        name = statement.args[-1][1:].lower()
        self.constant.add(name)
        source = _template(statement.args[0]) if len(statement.args) > 1 else None
        self.chosen_by[name] = source.names if source is not None else ("remote_addr",)

    def _named_in(self, place: Place) -> Iterator[Expression]:
        core = place[CoreConf]
        if place.is_location and core._regex is not None:
            yield Expression(core._name, core._modifier == "~*", ("uri",))
        if place.is_server:
            for name in core._name_regexes:
                yield Expression(name[1:], True, ("host",))
        if place.context & (LOCATION_IF | SERVER_IF):
            found = condition(place.statement)
            if found is not None:
                yield found
        for statement in place.given("rewrite"):
            found = rewriting(statement)
            if found is not None:
                yield found

    def _read_names(self, expression: Expression) -> None:
        if "(?" not in expression.text:
            return
        tree = expression.tree
        if tree is None:
            return
        for group in groups(tree):
            if group.name:
                self.captured.setdefault(group.name.lower(), []).append((expression, group))


def rewriting(statement: Statement) -> Expression | None:
    """The expression of a "rewrite"."""
    return Expression(statement.args[0], False, ("uri",)) if statement.args else None


def condition(statement: Statement) -> Expression | None:
    """The expression of an "if", None if it has none."""
    words = [*statement.args]
    if len(words) < 3 or not words[0].startswith("("):
        return None
    words[0], words[-1] = words[0][1:], words[-1][:-1]
    words = [word for word in words if word]
    if len(words) != 3 or words[1] not in ("~", "~*", "!~", "!~*"):
        return None
    subject = _template(words[0])
    names = subject.names if subject is not None else ()
    return Expression(words[2], words[1].endswith("*"), names)


def _template(text: str) -> Template | None:
    try:
        return Template(text)
    except ConfError:
        return None
