"""The fields of requests to upstreams: those that a location sets, and the client's others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..http.level import Level
from ..http.request import Request
from ..http.template import Template, getter_of
from ..http.variables import Getter, Variables
from .wire import SplitHead

SetHeaders = Sequence[tuple[str, Template]]
Defaults = Sequence[tuple[str, str]]
Field = tuple[str, Getter | None]  # "Name: " and what follows, or a line that is always the same
NO_HOST: Final[Field] = ("Host: ", None)
MOST_NAMES: Final = 256  # spellings of names that are remembered


class Fields:
    """What a location makes of the fields of a request."""

    __slots__ = ("_passed", "named", "sent")

    def __init__(self, sent: list[Field], named: frozenset[str]) -> None:
        self.sent = sent  # the fields that can have a value, Host first
        self.named = named  # all that are set: they are not passed on as the client sent them
        # "Name: " for those that are, "" for others, by the names as clients write them.
        self._passed: dict[str, str] = {}

    def write(self, r: Request, lines: list[str], *, passes: bool) -> None:
        """Appends a line for each field; `passes`: with the client's others."""
        for name, value in self.sent:
            if value is None:
                lines.append(name)
            elif text := value(r):
                lines.append(name + text)
        if passes:
            passed = self._passed
            for field, text in r.headers_in:
                start = passed.get(field)
                if start is None:
                    start = self._start(field)
                if start:
                    lines.append(start + text)

    def _start(self, field: str) -> str:
        """How the line of a field begins if it is passed on; which is remembered."""
        start = "" if field.lower() in self.named else field + ": "
        if len(self._passed) >= MOST_NAMES:
            self._passed.clear()
        self._passed[field] = start
        return start


def compile_fields(
    set_headers: SetHeaders,
    defaults: Defaults,
    level: Level,
    own: Mapping[str, Getter],
    host: Getter | None = None,
) -> Fields:
    """The level's own fields, then the defaults it does not name; `own` are the variables that
    need no step through the table of variables, `host` is sent where the level's Host is empty."""
    key = compile_fields, set_headers, defaults, host
    return level.variables.once(key, lambda: _compile(set_headers, defaults, level, own, host))


def _compile(
    set_headers: SetHeaders,
    defaults: Defaults,
    level: Level,
    own: Mapping[str, Getter],
    host: Getter | None,
) -> Fields:
    given = {name.lower() for name, _ in set_headers}
    missing = [(n, Template(v)) for n, v in defaults if n.lower() not in given]
    others, set_host = split_host([*set_headers, *missing])
    variables = level.variables
    sent = [_field(name, value, variables, own) for name, value in others if value.text]
    if set_host is not None:
        sent[:0] = _host_field(_field("Host", set_host, variables, own), host)
    return Fields(sent, frozenset(given | {name.lower() for name, _ in missing}))


def split_host(fields: SetHeaders) -> tuple[SetHeaders, Template | None]:
    """The fields without Host, and the value of the last Host, which is the one that counts."""
    hosts = [value for name, value in fields if name.lower() == "host"]
    others = tuple(field for field in fields if field[0].lower() != "host")
    return others, hosts[-1] if hosts else None


def _host_field(field: Field, fallback: Getter | None) -> list[Field]:
    """Host, which a request of HTTP/1.1 cannot do without."""
    name, value = field
    if fallback is None:
        return [] if field == NO_HOST else [field]
    if value is None:
        return [(name, fallback) if field == NO_HOST else field]
    return [(name, _either(value, fallback))]


def _either(first: Getter, second: Getter) -> Getter:
    return lambda r: first(r) or second(r)


def _field(name: str, value: Template, variables: Variables, own: Mapping[str, Getter]) -> Field:
    if value.is_constant:
        return f"{name}: {value.text}", None
    if getter := own.get(value.text):
        return f"{name}: ", getter
    getters = [getter_of(part, variables) for part in value.parts]
    return f"{name}: ", getters[0] if len(getters) == 1 else value.bind(variables)


def join_lines(lines: list[str]) -> bytes:
    """The head of a request, with an empty line behind the lines, which they end with from now on;
    raises SplitHead."""
    text = "".join(lines)  # to look for a character in all of them takes one search
    if "\n" in text or "\r" in text:
        raise SplitHead
    lines.append("")
    lines.append("")
    return "\r\n".join(lines).encode("latin-1")
