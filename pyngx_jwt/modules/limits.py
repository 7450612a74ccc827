"""What limit_req and limit_conn have in common: zones with a key, log levels, statuses."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..conf.context import Contexts
from ..conf.directive import slot
from ..conf.values import parse_number, parse_size
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable
from ..log import Severity
from ..metrics import Row, Tallies
from ..metrics.kinds import LIMIT_RESULTS, Kind
from ..zones import Zone, Zones

SMALLEST = 8 * 4096  # bytes
LEVELS = {
    "info": Severity.INFO,
    "notice": Severity.NOTICE,
    "warn": Severity.WARN,
    "error": Severity.ERR,
}
PASSED, DELAYED, REJECTED, DRY_RUN = "PASSED", "DELAYED", "REJECTED", "_DRY_RUN"


class KeyedZone(NamedTuple):
    """A zone with what is counted in it; `rate` is in thousandths of a request a second."""

    zone: Zone
    key: Template
    rate: int = 0


class KeyedZones:
    """The zones of a configuration that one directive declares, by name."""

    directive = ""
    shown = ""  # the name of the directive in an error of a reload

    def __init__(self) -> None:
        self.by_name: dict[str, KeyedZone] = {}

    def add(self, zones: Zones, tag: str, parameter: str, key: Template, rate: int = 0) -> str:
        """Declares "zone=name:size" and returns the name; raises ConfError."""
        name, size = parse_zone(parameter)
        zone = zones.add(name, size, tag)
        if name in self.by_name:
            bound = self.by_name[name].key.text
            raise ConfError(f'{self.directive} "{name}" is already bound to key "{bound}"')
        self.by_name[name] = KeyedZone(zone, key, rate)
        return name

    def bind(self, variables: VariableTable[Any]) -> None:
        """Raises ConfError for unknown variables, of unused zones too."""
        for keyed in self.by_name.values():
            keyed.key.bind(variables)

    def check_continues(self, old: KeyedZones) -> None:
        """Raises ConfError if a reload would count something else in the same zone."""
        for name, new in self.by_name.items():
            before = old.by_name.get(name)
            if before and before.zone.size == new.zone.size and before.key.text != new.key.text:
                raise ConfError(
                    f'{self.shown} "{name}" uses the "{new.key.text}" key '
                    f'while previously it used the "{before.key.text}" key'
                ).nowhere()


def bind_key(keyed: KeyedZone, longest: int, variables: VariableTable[R]) -> TextOf[R]:
    """A function that returns a session's key; "" if the key is too long."""
    key, name = keyed.key.bind(variables), keyed.key.text

    def key_of(r: R) -> str:
        text = key(r)
        if len(text) > longest:
            complaint = f'the value of the "{name}" key is more than {longest} bytes: "{text}"'
            r.log(Severity.ERR, complaint)
            return ""
        return text

    return key_of


def parse_zone(parameter: str) -> tuple[str, int]:
    """Name and size of "zone=name:size"."""
    name, colon, text = parameter.removeprefix("zone=").partition(":")
    try:
        size = parse_size(text) if colon else -1
    except ValueError:
        size = -1
    if size < 0:
        raise ConfError(f'invalid zone size "{parameter}"')
    if size < SMALLEST:
        raise ConfError(f'zone "{parameter}" is too small')
    return name, size


class LimitCounts:
    """Counts the results of limits for statistics, by the zone that has decided."""

    __slots__ = ("_kind", "_rows", "_tallies")

    def __init__(self, tallies: Tallies, kind: Kind) -> None:
        self._tallies, self._kind = tallies, kind
        self._rows: dict[str, Row] = {}

    def count(self, zone: str, result: str) -> None:
        if not self._tallies.wanted:  # which "stream" does not know before "http" has been read
            return
        row = self._rows.get(zone)
        if row is None:
            row = self._rows[zone] = self._tallies.row(self._kind, zone)
        row.add(LIMIT_RESULTS.index(result))


def counts_of(level: Level, kind: Kind) -> LimitCounts | None:
    """What counts the results, None if nothing reports them."""
    tallies = level.scope.shared(Tallies)
    return LimitCounts(tallies, kind) if tallies.wanted else None


def log_level(doc: str, contexts: Contexts = EVERYWHERE) -> Severity:
    """info | notice | warn | error."""

    def parse(name: str, text: str) -> Severity:
        if text.lower() not in LEVELS:
            raise ConfError(f'invalid value "{text}"')
        return LEVELS[text.lower()]

    return slot(Severity.ERR, parse, contexts, doc, syntax=" | ".join(LEVELS), shown="error")


def status(doc: str) -> int:
    """An error code."""

    def parse(name: str, text: str) -> int:
        try:
            code = parse_number(text)
        except ValueError:
            raise ConfError(f'"{name}" directive invalid number') from None
        if not 400 <= code <= 599:
            raise ConfError("value must be between 400 and 599")
        return code

    return slot(503, parse, EVERYWHERE, doc, syntax="code")


def positive(text: str) -> int:
    """A number above zero; raises ValueError."""
    number = parse_number(text)
    if not number:
        raise ValueError(text)
    return number
