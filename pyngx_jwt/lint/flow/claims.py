"""Where a configuration makes use of what tokens say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ..model.configuration import Configuration
from ..read.statements import everything

_PREFIX = "jwt_"
_VARIABLE = re.compile(r"\$\{?([A-Za-z0-9_]+)")
_SETS = ("auth_jwt_claim_set", "auth_jwt_header_set")


class VariableUse(NamedTuple):
    """A variable in a word of a statement or an entry; `name` is in the case it is written in."""

    statement: Statement
    word: int
    name: str


def uses(conf: Configuration, names: re.Pattern[str]) -> Iterator[VariableUse]:
    """The variables whose names match (case counts), in the order of the statements."""
    if not any(_PREFIX in text for text in conf.texts.by_path.values()):
        return
    pattern = re.compile(rf"\$\{{?({names.pattern})(?![A-Za-z0-9_])")
    analysis = conf.analysis
    for statements in (everything(analysis), analysis.collector.foreign_statements):
        for statement in statements:
            for at, word in enumerate((statement.name, *statement.args)):
                if "$" in word:
                    for match in pattern.finditer(word):
                        yield VariableUse(statement, at, match[1])


def token_variables(conf: Configuration) -> dict[str, str]:
    """The variables whose values are from a token, by name without "$": those of
    auth_jwt_claim_set, and maps and sets whose source is one; each with the one it comes from."""
    origins = {s.args[0][1:].lower(): s.args[0] for _, s in conf.statements(*_SETS)}
    sources = [
        (statement.args[1], statement.args[0])
        for _, statement in conf.statements("map")
        if len(statement.args) == 2
    ] + [(s.args[0], s.args[1]) for _, s in conf.statements("set") if len(s.args) == 2]
    for _ in sources:
        before = len(origins)
        for target, source in sources:
            if (origin := token_variable(source, origins)) and target[1:].lower() not in origins:
                origins[target[1:].lower()] = origin
        if len(origins) == before:
            break
    return origins


def token_variable(text: str, known: dict[str, str]) -> str:
    """The variable in a text whose value is from a token, "" if there is none."""
    for match in _VARIABLE.finditer(text):
        name = match[1].lower()
        if name.startswith(_PREFIX):
            return f"${name}"
        if name in known:
            return known[name]
    return ""
