"""Creates variables for A/B testing: a share of the values of a string gets each value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ..conf.directive import Conf, directive
from ..conf.parse import Statement
from ..conf.scope import located
from ..conf.values import parse_fixed
from ..errors import ConfError
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable, variable_name
from ..stream.contexts import STREAM
from ..stream.module import StreamModule

ALL = 10000  # hundredths of a percent
MASK = 0xFFFFFFFF
FACTOR = 0x5BD1E995
Part = tuple[int, str]  # hundredths of a percent, 0 is the rest; and the value


class SplitClientsConf(Conf):
    @directive(HTTP | STREAM, raw=True, syntax="split_clients string $variable { ... }")
    def split_clients(self, string: str, variable: str, *, entries: Iterable[Statement]) -> None:
        """Creates a variable that depends on a hash of the string, for example for A/B tests.  Each
        line has a percentage, or "*" for the rest, and a value."""
        source, name = Template(string), variable_name(variable)
        parts: list[Part] = []

        def make(variables: VariableTable[R]) -> TextOf[R]:
            return _lookup(source, parts, variables)

        statement = self.scope.statement
        self.level.variables.define_remembered(name, make, statement=statement)
        for entry in entries:
            with located(entry):
                parts.append((_percent(entry.name), entry.args[0] if entry.args else ""))
        check_total(parts)


def _percent(text: str) -> int:
    if text == "*":
        return 0
    try:
        percent = parse_fixed(text[:-1], 2) if text.endswith("%") else 0
    except ValueError:
        percent = 0
    if not percent:
        raise ConfError(f'invalid percent value "{text}"')
    return percent


def check_total(parts: list[Part]) -> None:
    """Raises ConfError if more than everything is given away."""
    total = 0
    for percent, _ in parts:
        total = total + percent if percent else ALL
        if total > ALL:
            raise ConfError("percent total is greater than 100%")


def thresholds(parts: list[Part]) -> list[int]:
    """Below which hash each part ends; the part that completes the hundred takes the rest."""
    ends, total, last = [], 0, 0
    for percent, _ in parts:
        total = total + percent if percent else ALL
        last += percent * MASK // ALL
        ends.append(MASK + 1 if total == ALL else last)
    return ends


split_clients = Module("split_clients", SplitClientsConf)
stream_split_clients = StreamModule("stream_split_clients", SplitClientsConf)


def _lookup(source: Template, parts: list[Part], variables: VariableTable[R]) -> TextOf[R]:
    subject = source.bind(variables)
    ends, values = thresholds(parts), [value for _, value in parts] + [""]

    def find(r: R) -> str:
        return values[bisect_right(ends, murmur_hash2(subject(r).encode("latin-1")))]

    return find


def murmur_hash2(data: bytes) -> int:
    """Austin Appleby's MurmurHash2 with seed 0, as ngx_murmur_hash2."""
    hashed, words = len(data), len(data) & ~3
    for at in range(0, words, 4):
        k = int.from_bytes(data[at : at + 4], "little") * FACTOR & MASK
        k = (k ^ k >> 24) * FACTOR & MASK
        hashed = (hashed * FACTOR & MASK) ^ k
    if rest := data[words:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * FACTOR & MASK
    hashed = (hashed ^ hashed >> 13) * FACTOR & MASK
    return hashed ^ hashed >> 15
