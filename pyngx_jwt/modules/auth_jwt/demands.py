"""Demands on a request with a valid token: auth_jwt_validate_claim with variables, and
auth_jwt_require."""

from __future__ import annotations

from collections.abc import Callable

from ...http.level import Level
from ...http.request import Request, Status
from ...http.template import Template
from ...jwt import ClaimRequirement, Verified
from .conf import AuthJwtConf, ClaimDemand

Demand = Callable[[Request, Verified], "tuple[Status, str] | None"]  # the refusal, if any


def compile_demands(conf: AuthJwtConf, level: Level) -> tuple[Demand, ...]:
    """Those that are not part of the policy; claims come first."""
    return (
        *(_claim(demand, level) for demand in conf.claims if demand.constant is None),
        *(
            _value(text, required.status, level)
            for required in conf.required
            for text in required.values
        ),
    )


def _claim(demand: ClaimDemand, level: Level) -> Demand:
    name = demand.name
    texts = [text.bind(level.variables) for text in demand.values]

    def check(r: Request, token: Verified) -> tuple[Status, str] | None:
        try:
            required = ClaimRequirement.of(name, [text(r) for text in texts])
        except ValueError:  # not UTF-8: no claim has this value
            return 401, f'claim "{name}" is not what auth_jwt_validate_claim demands'
        if required.met(token.claims):
            return None
        return 401, f'claim "{name}" is not what auth_jwt_validate_claim demands'

    return check


def _value(text: Template, status: Status, level: Level) -> Demand:
    value, shown = text.bind(level.variables), text.text

    def check(r: Request, token: Verified) -> tuple[Status, str] | None:
        if value(r) not in ("", "0"):
            return None
        return status, f'auth_jwt_require value "{shown}" is empty or "0"'

    return check
