"""Creates variables whose values depend on numbers and ranges of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..conf.directive import Conf, directive
from ..conf.parse import Statement
from ..conf.scope import located
from ..errors import ConfError
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.template import Template, TextOf
from ..http.variables import R, VariableTable, variable_name
from ..stream.contexts import STREAM
from ..stream.module import StreamModule

_NUMBER = r"-?[0-9]+"
_KEY = re.compile(rf"(?:(<=|>=|<|>)({_NUMBER})|({_NUMBER})(?:-({_NUMBER}))?)\Z")


class NumMapTable:
    """A "num_map" block as it is read; a range is an inclusive pair, without an end for None."""

    __slots__ = ("default", "numbers", "ranges", "volatile")

    def __init__(self) -> None:
        self.default: Template | None = None
        self.numbers: dict[int, Template] = {}
        self.ranges: list[tuple[int | None, int | None, Template]] = []
        self.volatile = False

    def add(self, entry: Statement) -> None:
        """Raises ConfError."""
        if not entry.args and entry.name == "volatile":
            self.volatile = True
            return
        if len(entry.args) != 1:
            raise ConfError("invalid number of the num_map parameters")
        key, value = entry.name, Template(entry.args[0])
        if key == "default":
            if self.default is not None:
                raise ConfError("duplicate default num_map parameter")
            self.default = value
            return
        self._add_key(key, value)

    def _add_key(self, key: str, value: Template) -> None:
        match = _KEY.match(key)
        if match is None:
            raise ConfError(f'invalid number or range "{key}"')
        sign, limit, first, last = match.groups()
        if sign:
            number = int(limit)
            low = number + (sign == ">") if sign.startswith(">") else None
            high = number - (sign == "<") if sign.startswith("<") else None
            self.ranges.append((low, high, value))
        elif last is None:
            if int(first) in self.numbers:
                raise ConfError(f'conflicting parameter "{key}"')
            self.numbers[int(first)] = value
        elif int(first) > int(last):
            raise ConfError(f'invalid number or range "{key}"')
        else:
            self.ranges.append((int(first), int(last), value))


class NumMapConf(Conf):
    @directive(HTTP | STREAM, raw=True, syntax="num_map $number $variable { ... }")
    def num_map(self, number: str, variable: str, *, entries: Iterable[Statement]) -> None:
        """Creates a variable that depends on a number: single numbers take precedence, then ranges
        in their order: "8080-8090", "<=1023", ">100".  Other parameters: "default", "volatile",
        "include"."""
        source, name = Template(number), variable_name(variable)
        table = NumMapTable()
        for entry in entries:
            with located(entry):
                table.add(entry)

        def make(variables: VariableTable[R]) -> TextOf[R]:
            return _lookup(source, table, variables)

        statement = self.scope.statement
        variables: VariableTable[Any] = self.level.variables
        variables.define_remembered(name, make, lambda: table.volatile, statement)


num_map = Module("num_map", NumMapConf)
stream_num_map = StreamModule("stream_num_map", NumMapConf)


def _lookup(source: Template, table: NumMapTable, variables: VariableTable[R]) -> TextOf[R]:
    subject = source.bind(variables)
    numbers = {number: value.bind(variables) for number, value in table.numbers.items()}
    ranges = [(low, high, value.bind(variables)) for low, high, value in table.ranges]
    default = (table.default or Template("")).bind(variables)
    is_number = re.compile(rf"{_NUMBER}\Z").match

    def look_up(r: R) -> str:
        text = subject(r)
        if not is_number(text) or len(text) > 20:
            return default(r)
        number = int(text)
        if number in numbers:
            return numbers[number](r)
        for low, high, value in ranges:
            if (low is None or low <= number) and (high is None or number <= high):
                return value(r)
        return default(r)

    return look_up
