"""Limits access by the values of variables."""

from __future__ import annotations

from typing import NamedTuple

from ..conf.directive import Conf, directive
from ..conf.values import parse_number
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, LIMIT_EXCEPT
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import OK, Handler, Request, Status
from ..http.template import Template


class RequiredValues(NamedTuple):
    """One "auth_require"."""

    values: tuple[Template, ...]
    status: int


class AuthRequireConf(Conf):
    required: tuple[RequiredValues, ...] = ()

    @directive(EVERYWHERE | LIMIT_EXCEPT, syntax="auth_require $value ... [error=4xx | 5xx]")
    def auth_require(self, value: str, *values: str) -> None:
        """Allows access if all values are neither empty nor "0"; otherwise the response has the
        code of "error", by default 403.  Values are evaluated after a token has been verified.
        Inherited if and only if the level has none of its own."""
        templates, status = [], 403
        for word in (value, *values):
            if word.startswith("error="):
                status = _status(word)
            else:
                templates.append(Template(word))
        if not templates:
            raise ConfError('"auth_require" must have a value')
        required = RequiredValues(tuple(templates), status)
        self.required = (*vars(self).get("required", ()), required)


auth_require = Module("auth_require", AuthRequireConf)


def _status(word: str) -> int:
    try:
        code = parse_number(word.removeprefix("error="))
    except ValueError:
        code = 0
    if not 400 <= code <= 599:
        raise ConfError(f'invalid parameter "{word}"')
    return code


@auth_require.handler(Phase.ACCESS)
def require_values(conf: AuthRequireConf, level: Level) -> Handler | None:
    if not conf.required:
        return None
    checks = [
        ([template.bind(level.variables) for template in required.values], required.status)
        for required in conf.required
    ]

    def handle(r: Request) -> Status:
        for texts, status in checks:
            if any(text(r) in ("", "0") for text in texts):
                return status
        return OK

    return handle
