"""What nginx has: directives with their modules, contexts and numbers of arguments.

From nginx's documentation and source, with names from a few modules by others (those are named
by their project).  The server reads it when it meets an unknown directive, and for nothing else.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, NamedTuple


class Known(NamedTuple):
    """One directive of one module; contexts as in "http.location.if", "any" for all."""

    module: str
    contexts: frozenset[str]
    fewest: int
    most: float
    is_block: bool

    def allows(self, context: str) -> bool:
        return context in self.contexts or "any" in self.contexts


def module_of(name: str) -> str | None:
    """The modules that have a directive, as in "ngx_http_log_module, ngx_stream_log_module".

    None when nobody is known to have it.
    """
    modules: dict[str, list[str]] = _known()["modules"]
    return ", ".join(module for module, names in modules.items() if name in names) or None


def is_commercial(name: str) -> bool:
    """Whether a directive exists in NGINX Plus only."""
    return name in _known()["commercial"]


def names() -> frozenset[str]:
    """Every name that some module is known to have."""
    return frozenset(_known()["directives"])


def declarations(name: str) -> tuple[Known, ...]:
    """The directives of this name, one a module."""
    return _declarations().get(name, ())


def module_of_variable(name: str) -> str:
    """The module that has a variable, "" if none is known to."""
    for module, names in _known()["variables"].items():
        for known in names:
            if known == name or (known[-1] == "*" and name.startswith(known[:-1])):
                return str(module)
    return ""


@cache
def contexts() -> frozenset[str]:
    """The blocks in which directives can stand; in others are entries."""
    return frozenset().union(*(k.contexts for found in _declarations().values() for k in found))


@cache
def _declarations() -> dict[str, tuple[Known, ...]]:
    rows: dict[str, list[Any]] = _known()["directives"]
    return {name: tuple(_declaration(*row) for row in found) for name, found in rows.items()}


def _declaration(module: str, where: str, fewest: int, most: int | None, block: int) -> Known:
    limit = float("inf") if most is None else most
    return Known(module, frozenset(where.split()), fewest, limit, bool(block))


@cache
def _known() -> Any:
    return json.loads(resources.files(__package__).joinpath("known.json").read_bytes())
