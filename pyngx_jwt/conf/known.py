"""What nginx has: directives with their modules, contexts and numbers of arguments.

From nginx's documentation and source, with names from a few modules by others (those are named
by their project).  Those that are missing here are classed by what leaving them out would do.
The server reads it when it meets an unknown directive, and for nothing else.
"""

from __future__ import annotations

import enum
import json
from functools import cache
from typing import Any, NamedTuple

from ..errors import ConfError
from .parse import Statement
from .shape import check_shape

ENTRY = "it controls access"  # the reason of guards that ask for credentials, or the like


class Class(enum.Enum):
    """What it would do to leave a directive out."""

    TUNING = "tuning"  # nothing that a client could notice, or nothing without another directive
    HANDLER = "handler"  # a location would have nothing that answers
    EFFECT = "effect"  # answers would be others, and open nothing
    GUARD = "guard"  # it might open a door


class KnownDirective(NamedTuple):
    """One directive of one module; contexts as in "http.location.if", "any" for all."""

    module: str
    contexts: frozenset[str]
    fewest: int
    most: float
    is_block: bool

    def allows(self, context: str) -> bool:
        return context in self.contexts or "any" in self.contexts


def modules() -> dict[str, list[str]]:
    """The modules, each with the names of its directives."""
    names: dict[str, list[str]] = _known()["modules"]
    return names


def module_of(name: str) -> str | None:
    """The modules that have a directive, as in "ngx_http_log_module, ngx_stream_log_module".

    None if no module is known to have it.
    """
    return ", ".join(module for module, names in modules().items() if name in names) or None


def is_commercial(name: str) -> bool:
    """Whether a directive exists in NGINX Plus only."""
    return name in _known()["commercial"]


def class_of(name: str, args: tuple[str, ...] = ()) -> Class:
    """The class of a directive; one that "off" turns off is but tuning with it."""
    if args == ("off",) and name in _known()["off"]:
        return Class.TUNING
    return _classes().get(name, (Class.GUARD, ""))[0]


def reason_of(name: str) -> str:
    """Why a guard cannot be left out."""
    return _classes().get(name, (Class.GUARD, ""))[1] or ENTRY


def classed(kind: Class) -> tuple[str, ...]:
    """The directives of a class, by name."""
    return tuple(sorted(name for name, (class_, _) in _classes().items() if class_ is kind))


def names() -> frozenset[str]:
    """Every name that some module is known to have."""
    return frozenset(_known()["directives"])


def declarations(name: str) -> tuple[KnownDirective, ...]:
    """The directives of this name, one a module."""
    return _declarations().get(name, ())


def declared_in(statement: Statement, block: str) -> KnownDirective:
    """What a directive is in a block such as "http.location".

    Raises ConfError if it cannot stand there, or not with these arguments."""
    known = [directive for directive in declarations(statement.name) if directive.allows(block)]
    if not known:
        raise ConfError(f'"{statement.name}" directive is not allowed here')
    check_shape(statement, known)
    return known[0]


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
    return frozenset().union(
        *(k.contexts for directives in _declarations().values() for k in directives)
    )


@cache
def _declarations() -> dict[str, tuple[KnownDirective, ...]]:
    rows: dict[str, list[Any]] = _known()["directives"]
    return {name: tuple(_declaration(*row) for row in of_name) for name, of_name in rows.items()}


@cache
def _classes() -> dict[str, tuple[Class, str]]:
    """The class of each name, and of guards the reason."""
    table = _known()["classes"]
    classes = {name: (Class.GUARD, why) for why, names in table["guard"].items() for name in names}
    for kind in (Class.HANDLER, Class.EFFECT, Class.TUNING):
        classes.update(dict.fromkeys(table[kind.value], (kind, "")))
    return classes


def _declaration(
    module: str, where: str, fewest: int, most: int | None, block: int
) -> KnownDirective:
    limit = float("inf") if most is None else most
    return KnownDirective(module, frozenset(where.split()), fewest, limit, bool(block))


@cache
def _known() -> Any:
    from importlib import resources  # which takes time to import

    return json.loads(resources.files(__package__).joinpath("known.json").read_bytes())
