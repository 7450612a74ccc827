"""Checks the health of upstream servers, as ngx_http_upstream_hc_module of NGINX Plus does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..conf.directive import UNLIMITED, Conf, directive, own
from ..conf.parse import Statement
from ..conf.scope import located
from ..conf.values import parse_msec, parse_number
from ..errors import ConfError
from ..http.contexts import HTTP, LOCATION
from .match import TestSet


class HealthCheck:
    """One "health_check".  Times are seconds."""

    __slots__ = (
        "fails",
        "grpc",
        "grpc_service",
        "grpc_status",
        "interval",
        "jitter",
        "keepalive_time",
        "mandatory",
        "match",
        "passes",
        "persistent",
        "port",
        "statement",
        "udp",
        "uri",
    )

    def __init__(self, statement: Statement | None = None) -> None:
        self.interval = 5.0
        self.jitter = 0.0
        self.fails = 1
        self.passes = 1
        self.uri = "/"
        self.mandatory = False
        self.persistent = False
        self.match = ""
        self.port = 0  # that of the server
        self.keepalive_time = 0.0
        self.grpc = False
        self.grpc_service = ""
        self.grpc_status = 0  # that is as good as "serving"
        self.udp = False  # in "stream"
        self.statement = statement


class MatchBlocks(dict[str, TestSet]):
    """The "match" blocks of a configuration, by name."""


class DeclaredChecks(list[HealthCheck]):
    """All that have been read so far: groups share the state of their servers' health then."""


class HealthConf(Conf):
    checks: tuple[HealthCheck, ...] = own(())

    @directive(
        LOCATION,
        syntax="health_check [interval=time] [jitter=time] [fails=number] [passes=number] "
        "[uri=uri] [mandatory [persistent]] [match=name] [port=number] [keepalive_time=time] "
        "[type=grpc [grpc_service=name] [grpc_status=code]]",
        arity=(0, UNLIMITED),
    )
    def health_check(self, *parameters: str) -> None:
        """Checks the servers of the group that the location passes its requests to, and passes no
        requests to servers that fail.  The group must have a "zone".  Each server gets a request
        for "uri" ("/") every "interval" (5 seconds), delayed by up to "jitter".  A server is
        unhealthy after "fails" failed checks in a row, and healthy after "passes" passed ones; the
        default is 1.  A response passes if its status is 2xx or 3xx, or if it passes the tests of
        "match".  With "mandatory", servers get no requests before their first check, except after
        a reload if they were healthy and "persistent" is set.  "port" is another port that is
        checked.  "keepalive_time" keeps connections for further checks.  "type=grpc", in a location
        with "grpc_pass", asks by the gRPC health checking protocol, for "grpc_service" or for the
        whole server; a server that responds with "grpc_status" passes as well.  A location can have
        several checks; a server is unhealthy if one of them fails."""
        check = HealthCheck(statement=self.scope.statement)
        for parameter in parameters:
            _set_parameter(check, parameter)
        if check.grpc and any(word.startswith(("uri=", "match=")) for word in parameters):
            raise ConfError('"type=grpc" is incompatible with "uri" and "match"')
        check_persistent(check)
        self.scope.shared(DeclaredChecks).append(check)
        self.checks = (*self.checks, check)

    @directive(HTTP, raw=True, syntax="match name { ... }")
    def match(self, name: str, *, entries: Iterable[Statement]) -> None:
        """Defines tests for the responses of "health_check"; a response passes if it passes all of
        them.  "status 200 204 300-399" and "status ! 500-599" test the status; "header Name",
        "header ! Name", and "header Name" with "=", "!=", "~" or "!~" and a value test a header;
        "body ~ expression" and "body !~ expression" test the first 256 KB of the body; "require
        $variable ..." requires that variables are neither empty nor "0"."""
        blocks = self.scope.shared(MatchBlocks)
        if name in blocks:
            raise ConfError(f'duplicate match "{name}"')
        tests = blocks[name] = TestSet(name)
        for entry in entries:
            with located(entry):
                tests.add(entry.name, entry.args)


def _set_parameter(check: HealthCheck, parameter: str) -> None:
    name = parameter.partition("=")[0]
    if parameter == "type=grpc":
        check.grpc = True
    elif name.startswith("grpc_") and not check.grpc:
        raise ConfError(f'"{name}" must follow "type=grpc"')
    else:
        set_parameter(check, parameter, PARSERS)


def set_parameter(
    check: HealthCheck, parameter: str, parsers: Mapping[str, Callable[[str], object]]
) -> None:
    """Sets one that has a value, or one of the flags that all checks have; raises ConfError."""
    name, sign, text = parameter.partition("=")
    if parameter in ("mandatory", "persistent"):
        setattr(check, parameter, True)
    elif not sign or not text or name not in parsers:
        raise ConfError(f'invalid parameter "{parameter}"')
    else:
        try:
            setattr(check, name, parsers[name](text))
        except ValueError:
            raise ConfError(f'invalid parameter "{parameter}"') from None


def check_persistent(check: HealthCheck) -> None:
    """Raises ConfError if "persistent" does not continue anything."""
    if check.persistent and not check.mandatory:
        raise ConfError('the "persistent" parameter requires "mandatory"')


def _positive(text: str) -> int:
    number = parse_number(text)
    if not number:
        raise ValueError
    return number


def _port(text: str) -> int:
    port = _positive(text)
    if port > 65535:
        raise ValueError
    return port


def _uri(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError
    return text


def _time(text: str) -> float:
    return parse_msec(text) / 1000


def _positive_time(text: str) -> float:
    seconds = _time(text)
    if not seconds:
        raise ValueError
    return seconds


# Those of checks of any kind, and those of HTTP.
COMMON_PARSERS: Mapping[str, Callable[[str], object]] = {
    "interval": _positive_time,
    "jitter": _time,
    "fails": _positive,
    "passes": _positive,
    "match": str,
    "port": _port,
}
PARSERS: Mapping[str, Callable[[str], object]] = {
    **COMMON_PARSERS,
    "uri": _uri,
    "keepalive_time": _time,
    "grpc_service": str,
    "grpc_status": _positive,
}
