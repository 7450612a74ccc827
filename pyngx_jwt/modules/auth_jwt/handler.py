"""The module: where it stands in the phases, and its variables."""

from __future__ import annotations

from ...conf.directive import HTTP
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import Handler, Request
from ...http.variables import Getter
from ...jwt import render_payload
from .conf import AuthJwtConf, claim_getter, header_getter, token_of
from .dialects import check_dialect
from .gate import Gate

auth_jwt = Module("auth_jwt", AuthJwtConf)


@auth_jwt.after_merge
def check(conf: AuthJwtConf, level: Level) -> None:
    """One dialect for all of "http"."""
    if level.context is HTTP:
        check_dialect(conf, level)


@auth_jwt.handler(Phase.ACCESS)
def check_token(conf: AuthJwtConf, level: Level) -> Handler | None:
    """Enforces auth_jwt; where it is off but names a token, at most fetches its keys."""
    switch = conf.auth_jwt
    if switch is None or not (switch.enforced or switch.token):
        return None
    gate = conf._gate = Gate(conf, switch, level)
    if switch.enforced:
        return gate.handle
    return gate.prepare if conf.key_requests else None


@auth_jwt.prefix("jwt_claim_")
def jwt_claim(name: str) -> Getter:
    """A claim of the token, once that is verified.  The name is in lower case; others, and
    claims inside of claims, are for auth_jwt_claim_set."""
    return claim_getter(name)


@auth_jwt.prefix("jwt_header_")
def jwt_header(name: str) -> Getter:
    """A member of the token's JOSE header, once the token is verified."""
    return header_getter(name)


@auth_jwt.variable("jwt_payload")
def jwt_payload(r: Request) -> str | None:
    """The token's claims as JSON, as they were signed."""
    token = token_of(r)
    return render_payload(token.payload) if token is not None else None
