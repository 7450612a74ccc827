"""The names of servers, of HTTP and of "stream"."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from ...conf.scope import Scope
from ...errors import ConfError
from ...http.location import ServerNames
from ...http.names import ascii_lower
from ...http.regex import Regex
from .locations import WILDCARD, lower_name

S = TypeVar("S")


class Named(Protocol):
    """The conf of a server."""

    scope: Scope
    level: Any
    server_names: tuple[str, ...]
    name_regexes: Mapping[str, Regex]


def add_server_names(conf: Named, words: Iterable[str]) -> None:
    """Takes the names of a "server_name"; raises ConfError."""
    for word in words:
        if word.startswith("~"):
            _add_regex(conf, word)
        elif word.startswith(("*", ".")) and not WILDCARD.match(word):
            raise ConfError(f'server name "{word}" is invalid')
        if "/" in word:
            conf.scope.warn(f'server name "{word}" has suspicious symbols')
        if word.lower() == "$hostname":
            word = socket.gethostname()
        conf.server_names = (*vars(conf).get("server_names", ()), lower_name(word))


def _add_regex(conf: Named, word: str) -> None:
    if len(word) == 1:
        raise ConfError(f'empty regex in server name "{word}"')
    regex = Regex(word[1:], caseless=word != ascii_lower(word))
    conf.name_regexes = {**conf.name_regexes, word: regex}
    for captured in regex.names:
        conf.level.variables.define_stored(captured)


def put_names(names: ServerNames[S], conf: Named, server: S) -> None:
    """Adds the names of a server where all of them count; of equal ones the first does."""
    for name in conf.server_names:
        if name.startswith("~"):
            names.add_regex(conf.name_regexes[name], server)
        else:
            names.add(name, server)


def first_name(names: tuple[str, ...]) -> str:
    """As $server_name and logs have it."""
    return names[0].removeprefix(".") if names else ""
