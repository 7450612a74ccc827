"""Where a level looks for tokens, in any dialect, and how to put one there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..conf.parse import Statement
from ..http.level import Level
from ..modules.auth_jwt import dialect_of
from ..modules.auth_jwt.conf import TokenConf
from .lines import place_of, shown, statement_with, statements_of
from .request import Ask

_VARIABLES = {"http_": "header", "cookie_": "cookie", "arg_": "arg"}


class Place(NamedTuple):
    """`kind` is "bearer", "header", "cookie", "arg", or "variable" for anything else."""

    kind: str
    name: str
    text: str


BEARER = Place("bearer", "authorization", "Authorization: Bearer")


def token_conf(level: Level) -> TokenConf:
    """The conf of the configuration's dialect."""
    return level[dialect_of(level.scope).conf]


def switch_of(level: Level) -> tuple[str, ...]:
    """The directives that say whether tokens are demanded."""
    return dialect_of(level.scope).switches


def place_of_token(level: Level) -> Place:
    """Where this level's token is."""
    conf = token_conf(level)
    template, carriers = conf.token, conf.carriers
    if template is None:
        (name,) = carriers or ("http_authorization",)
        return BEARER if name == "http_authorization" else _place_of(name, f"${name}")
    if len(template.parts) == 1 and len(template.names) == 1:
        return _place_of(template.names[0], template.text)
    return Place("variable", "", template.text)


def _place_of(variable: str, text: str) -> Place:
    for prefix, kind in _VARIABLES.items():
        if variable.startswith(prefix):
            return Place(kind, variable.removeprefix(prefix), text)
    return Place("variable", "", text)


def put_token(ask: Ask, token: str, place: Place) -> Ask:
    """The request with the token in its place, unless it has it already."""
    if not token or token in ask.url.target or any(token in line for line in ask.fields):
        return ask
    if place.kind == "cookie":
        return replace(ask, fields=(*ask.fields, f"Cookie: {place.name}={token}"))
    if place.kind == "header":
        name = place.name.replace("_", "-")
        return replace(ask, fields=(*ask.fields, f"{name}: {token}"))
    if place.kind == "arg":
        target = ask.url.target
        sign = "&" if "?" in target else "?"
        return replace(ask, url=ask.url._replace(target=f"{target}{sign}{place.name}={token}"))
    if any(line.lower().startswith("authorization:") for line in ask.fields):
        return ask
    return replace(ask, fields=(*ask.fields, f"Authorization: Bearer {token}"))


def switch_statements(level: Level) -> list[Statement]:
    return statements_of(level, *switch_of(level))


def switch_words(level: Level) -> str:
    """The directive that requires tokens here, with its place."""
    statement = statement_with(switch_statements(level))
    if statement is None:
        return "auth_jwt"
    return f"{switch_text(statement)} ({place_of(statement)})"


def switch_text(statement: Statement) -> str:
    """The directive with its first argument: a realm in quotes, flags and variables without."""
    if not statement.args:
        return shown(statement.name)
    word = statement.args[0]
    bare = word in ("on", "off") or word.startswith("$")
    return shown(f"{statement.name} {word}" if bare else f'{statement.name} "{word}"')
