"""The part of a request that carries the token at a level, in any dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..conf.parse import Statement
from ..http.level import Level
from ..http.request import Request
from ..modules.auth_jwt import dialect_of
from ..modules.auth_jwt.conf import TokenConf
from .lines import place_of, shown, statement_with, statements_of
from .request import RequestSpec

_VARIABLES = {"http_": "header", "cookie_": "cookie", "arg_": "arg"}


class Carrier(NamedTuple):
    """`kind` is "bearer", "header", "cookie", "arg", or "variable" for anything else."""

    kind: str
    name: str
    text: str


BEARER = Carrier("bearer", "authorization", "Authorization: Bearer")


def token_conf(level: Level) -> TokenConf:
    """The conf of the configuration's dialect."""
    return level[dialect_of(level.scope).conf]


def switch_of(level: Level) -> tuple[str, ...]:
    """The directives that switch the token check on and off."""
    return dialect_of(level.scope).switches


def carrier_of(level: Level) -> Carrier:
    """The carrier of this level's token."""
    conf = token_conf(level)
    template, carriers = conf.token, conf.carriers
    if template is None:
        (name,) = carriers or ("http_authorization",)
        return BEARER if name == "http_authorization" else _place_of(name, f"${name}")
    if len(template.parts) == 1 and len(template.names) == 1:
        return _place_of(template.names[0], template.text)
    return Carrier("variable", "", template.text)


def _place_of(variable: str, text: str) -> Carrier:
    for prefix, kind in _VARIABLES.items():
        if variable.startswith(prefix):
            return Carrier(kind, variable.removeprefix(prefix), text)
    return Carrier("variable", "", text)


def put_token(spec: RequestSpec, token: str, carrier: Carrier) -> RequestSpec:
    """The request with the token in its carrier, unless it has it already."""
    if not token or token in spec.url.target or any(token in line for line in spec.fields):
        return spec
    if carrier.kind == "cookie":
        return replace(spec, fields=(*spec.fields, f"Cookie: {carrier.name}={token}"))
    if carrier.kind == "header":
        name = carrier.name.replace("_", "-")
        return replace(spec, fields=(*spec.fields, f"{name}: {token}"))
    if carrier.kind == "arg":
        target = spec.url.target
        sign = "&" if "?" in target else "?"
        return replace(spec, url=spec.url._replace(target=f"{target}{sign}{carrier.name}={token}"))
    if any(line.lower().startswith("authorization:") for line in spec.fields):
        return spec
    return replace(spec, fields=(*spec.fields, f"Authorization: Bearer {token}"))


def switch_statements(level: Level) -> list[Statement]:
    return statements_of(level, *switch_of(level))


def switch_words(level: Level) -> str:
    """The directive that requires tokens here, with its file and line."""
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


def hint_for_missing(r: Request, carrier: Carrier) -> str:
    """Why there is no token in its carrier, "" if the request has nothing like one."""
    authorization = r.index.get("authorization", "")
    scheme, _, rest = authorization.partition(" ")
    if carrier.kind != "bearer":
        if scheme.lower() == "bearer" and rest:
            return f'the Authorization header has a token, but this location reads "{carrier.text}"'
        return ""
    if not authorization:
        return ""
    if scheme == "Bearer" or (scheme.lower() == "bearer" and not rest):
        return "nothing follows the scheme"
    if scheme.lower() == "bearer":
        return f'the scheme is "{shown(scheme)}", and this dialect requires "Bearer"'
    if authorization.startswith("eyJ"):
        return 'the header has a token without a scheme: send "Bearer" and a space before it'
    return f'the scheme is "{shown(scheme)}" instead of "Bearer"'
