"""Demands on a request with a valid token that have to be looked at each time: those with
variables, and those on more than the token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...http.level import Level
from ...http.request import Request, Status
from ...http.template import Template
from ...jwt import Reason, TokenRefusal, Verified


class Required(NamedTuple):
    """One auth_jwt_require: the status that answers if a value is empty or "0"."""

    values: tuple[Template, ...]
    status: int


class Denial(NamedTuple):
    """A demand that is not met, and what answers."""

    status: Status
    refusal: TokenRefusal


class RequestDemand(NamedTuple):
    """One demand, and the words of its directive, by which a refusal is explained."""

    directive: str
    words: tuple[str, ...]
    check: Callable[[Request, Verified], Denial | None]


def compile_required(required: Iterable[Required], level: Level) -> tuple[RequestDemand, ...]:
    """auth_jwt_require: no value may be empty or "0"."""
    return tuple(_value(text, one.status, level) for one in required for text in one.values)


def _value(text: Template, status: Status, level: Level) -> RequestDemand:
    value = text.bind(level.variables)
    shown = f'auth_jwt_require value "{text.text}" is empty or "0"'
    denial = Denial(status, TokenRefusal(Reason.CONDITION, shown, {"variable": text.text}))

    def check(r: Request, token: Verified) -> Denial | None:
        return denial if value(r) in ("", "0") else None

    return RequestDemand("auth_jwt_require", (text.text,), check)
