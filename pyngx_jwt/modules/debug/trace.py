"""Lines of the level "debug", and handlers that write them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...http.cidr import Network, Networks
from ...http.session import Session
from ...log import ConnectionLog, DebuggedConnections, Log, Severity

HIDDEN = "***"
SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}
)
_TOKEN = re.compile(r"eyJ[\w+/=.!~-]+|(?<==)[\w-]+\.[\w-]+\.[\w-]*")
Step = Callable[[Any], "Awaitable[int | None] | int | None"]


class Tracing:
    """Which logs are written to, and for whom."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._clients, self._debugged = Networks(networks), DebuggedConnections()
        self._by_client = bool(networks)
        self._logs: dict[Log, Log] = {}

    def log_for(self, log: Log) -> Log:
        """The log that takes its place."""
        if not self._by_client:
            return log
        return self._logs.setdefault(log, ConnectionLog(log, self._debugged))

    def begin(self, s: Session) -> None:
        """A request or session begins."""
        if self._by_client and _address_of(s) in self._clients:
            self._debugged.begin(s.connection.number)

    def end(self, s: Session) -> None:
        if self._by_client and _address_of(s) in self._clients:
            self._debugged.end(s.connection.number)


def _address_of(s: Session) -> bytes:
    """That of the connection, whatever "realip" makes of it; b"" of unix sockets."""
    connection: Any = s.connection
    connection = getattr(connection, "real", connection)
    packed: bytes = connection.binary_remote_addr
    return packed


def tell(s: Session, text: str) -> None:
    s.error_log.write(Severity.DEBUG, _TOKEN.sub(HIDDEN, text), s.connection.number)


def tell_header(s: Session, label: str, name: str, value: str) -> None:
    tell(s, f'{label}: "{name}: {HIDDEN if name.lower() in SECRET_HEADERS else value}"')


def traced(step: Step, text: str) -> Step:
    """A handler, with what it decides and the variables that have got values meanwhile."""

    def handle(s: Any) -> Awaitable[int | None] | int | None:
        tell(s, text)
        before = dict(s.variables)
        outcome = step(s)
        if isinstance(outcome, Awaitable):
            return _waited(s, outcome, text, before)
        _tell_outcome(s, text, outcome, before)
        return outcome

    return handle


async def _waited(
    s: Session, outcome: Awaitable[int | None], text: str, before: dict[str, str]
) -> int | None:
    result = await outcome
    _tell_outcome(s, text, result, before)
    return result


def _tell_outcome(s: Session, text: str, outcome: int | None, before: dict[str, str]) -> None:
    for name, value in s.variables.items():
        if before.get(name) != value:
            tell(s, f'script var: "{name}" "{value}"')
    if outcome is not None:
        tell(s, f"{text}: {outcome}")
