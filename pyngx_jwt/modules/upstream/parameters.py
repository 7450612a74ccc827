"""The parameters of "server" in a group."""

from __future__ import annotations

from collections.abc import Callable

from ...conf.values import parse_msec, parse_number, parse_sec
from ...errors import ConfError
from ...upstream.address import Url

WEIGHTS = frozenset({"weight", "max_conns", "max_fails", "fail_timeout", "down", "drain", "route"})
ALL = WEIGHTS | {"backup", "slow_start"}
NAMES = frozenset({"resolve", "service"})  # of servers of any method
FLAGS = frozenset({"backup", "down", "drain", "resolve"})
LONGEST_ROUTE = 32
OF_REQUESTS = frozenset({"route", "drain"})  # parameters that there are in "http" only


def check_parameters(parameters: tuple[str, ...]) -> None:
    """Raises ConfError for those that "stream" does not have."""
    for parameter in parameters:
        if parameter.partition("=")[0] in OF_REQUESTS:
            raise ConfError(f'invalid parameter "{parameter}"')


def check_service(url: Url) -> None:
    if not url.no_port:
        raise ConfError(f'service upstream "{url.text}" may not have port')
    if url.addresses:
        raise ConfError(f'service upstream "{url.text}" requires domain name')


def server_parameters(
    parameters: tuple[str, ...], allowed: frozenset[str]
) -> dict[str, float | bool | str]:
    values: dict[str, float | bool | str] = {}
    for parameter in parameters:
        name, sign, text = parameter.partition("=")
        if name not in ALL | NAMES or (name in FLAGS) is bool(sign):
            raise ConfError(f'invalid parameter "{parameter}"')
        if name not in allowed | NAMES:
            raise ConfError(f'balancing method does not support parameter "{parameter}"')
        values[name] = _server_value(name, text, parameter)
    return values


def _server_value(name: str, text: str, parameter: str) -> float | bool | str:
    if name in FLAGS:
        return True
    if name == "route":
        return _route(text)
    if name == "service":
        if not text:
            raise ConfError("service is empty")
        return text
    if name == "slow_start":
        return parsed(parse_msec, text, parameter) / 1000
    if name == "fail_timeout":
        return parsed(parse_sec, text, parameter)
    value = parsed(parse_number, text, parameter)
    if name == "weight" and not value:
        raise ConfError(f'invalid parameter "{parameter}"')
    return value


def _route(text: str) -> str:
    if not text:
        raise ConfError("route is empty")
    if len(text) > LONGEST_ROUTE:
        raise ConfError(f"route is longer than {LONGEST_ROUTE}")
    return text


def parsed(parse: Callable[[str], int], text: str, parameter: str) -> int:
    """The value of a parameter; raises ConfError that names it."""
    try:
        return parse(text)
    except ValueError:
        raise ConfError(f'invalid parameter "{parameter}"') from None
