"""Demands on a request with a valid token that have to be looked at each time: those with
variables, and those on more than the token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...http.level import Level
from ...http.request import Request, Status
from ...http.template import Template
from ...jwt import Reason, Refusal, Verified
from .conf import Required


class Denial(NamedTuple):
    """A demand that is not met, and what answers."""

    status: Status
    refusal: Refusal


class Demand(NamedTuple):
    """One demand, and the words of its directive, by which a refusal is explained."""

    directive: str
    words: tuple[str, ...]
    check: Callable[[Request, Verified], Denial | None]


def compile_required(required: Iterable[Required], level: Level) -> tuple[Demand, ...]:
    """auth_jwt_require: no value may be empty or "0"."""
    return tuple(_value(text, one.status, level) for one in required for text in one.values)


def _value(text: Template, status: Status, level: Level) -> Demand:
    value = text.bind(level.variables)
    shown = f'auth_jwt_require value "{text.text}" is empty or "0"'
    denial = Denial(status, Refusal(Reason.CONDITION, shown, {"variable": text.text}))

    def check(r: Request, token: Verified) -> Denial | None:
        return denial if value(r) in ("", "0") else None

    return Demand("auth_jwt_require", (text.text,), check)
