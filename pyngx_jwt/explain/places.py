"""Where a level looks for tokens, in any dialect, and how to put one there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ..http.level import Level
from ..http.template import Template
from ..modules.auth_jwt.conf import TokenConf
from .lines import place_of, shown, statement_with, statements_of
from .request import Ask

# What says whether tokens are demanded, by dialect.
SWITCHES = {"tesla": ("auth_jwt_enabled", "auth_jwt_key", "auth_jwt_keyfile_path")}
KEYS = ("auth_jwt_key_file", "auth_jwt_key_request", "auth_jwt_key", "auth_jwt_keyfile_path")
_VARIABLES = {"http_": "header", "cookie_": "cookie", "arg_": "arg"}


class Place(NamedTuple):
    """`kind` is "bearer", "header", "cookie", "arg", or "variable" for anything else."""

    kind: str
    name: str
    text: str


BEARER = Place("bearer", "authorization", "Authorization: Bearer")


def token_conf(level: Level) -> Any:
    """The conf of the configuration's dialect."""
    kinds = (module.conf for module in level.scope.modules)
    return level[next(kind for kind in kinds if issubclass(kind, TokenConf))]


def switch_of(level: Level) -> tuple[str, ...]:
    """The directives that say whether tokens are demanded."""
    return SWITCHES.get(level.scope.dialect, ("auth_jwt",))


def place_of_token(level: Level) -> Place:
    """Where this level's token is."""
    if level.scope.dialect == "tesla":
        return _tesla(token_conf(level).auth_jwt_location)
    conf = token_conf(level)
    template: Template | None = getattr(conf, "token", None)
    if level.scope.dialect != "kjdev":
        template = getattr(conf.auth_jwt, "token", None)
    if template is None:
        return BEARER
    if len(template.parts) == 1 and len(template.names) == 1:
        for prefix, kind in _VARIABLES.items():
            if template.names[0].startswith(prefix):
                return Place(kind, template.names[0].removeprefix(prefix), template.text)
    return Place("variable", "", template.text)


def _tesla(location: str) -> Place:
    kind, _, name = (location or "HEADER=Authorization").partition("=")
    if kind == "HEADER" and name.lower() == "authorization":
        return BEARER
    kinds = {"HEADER": "header", "COOKIE": "cookie"}
    return Place(kinds.get(kind, "variable"), name.lower(), f"{kind}={name}")


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


def switch_statements(level: Level) -> list[Any]:
    return statements_of(level, *switch_of(level))


def switch_words(level: Level) -> str:
    """The directive that demands tokens here, with its place."""
    statement = statement_with(switch_statements(level))
    if statement is None:
        return "auth_jwt"
    words = shown(" ".join([statement.name, *statement.args[:1]]))
    return f"{words} ({place_of(statement)})"
