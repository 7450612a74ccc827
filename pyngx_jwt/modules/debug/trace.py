"""Lines of the level "debug", and handlers that write them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...http.cidr import Network, Networks
from ...http.session import Session
from ...log import ConnectionLog, DebuggedConnections, Log, Severity
from .secrets import HIDDEN, hidden, is_secret, is_secret_variable, learn

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
            self._debugged.begin(s.connection.number, id(s))

    def end(self, s: Session) -> None:
        if self._by_client and _address_of(s) in self._clients:
            self._debugged.end(s.connection.number, id(s))


def _address_of(s: Session) -> bytes:
    """That of the connection, whatever "realip" makes of it; b"" of unix sockets."""
    connection: Any = s.connection
    connection = getattr(connection, "real", connection)
    packed: bytes = connection.binary_remote_addr
    return packed


def tell(s: Session, text: str, value: str = "", end: str = "") -> None:
    """Logs a step; the value and what comes after it can be a client's, and have no secrets."""
    log, number = s.error_log, s.connection.number
    if log.debugs(number):
        if value or end:
            text += hidden(s, value + end)
        log.write(Severity.DEBUG, text, number)


def tell_header(s: Session, label: str, name: str, value: str) -> None:
    tell(s, f'{label}: "', f"{name}: {HIDDEN if is_secret(name) else value}", '"')


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
    if s.error_log.debugs(s.connection.number):
        found = {k: v for k, v in s.variables.items() if before.get(k) != v}
        learn(s, (value for name, value in found.items() if is_secret_variable(name)))
        for name, value in found.items():
            shown = HIDDEN if is_secret_variable(name) else value
            tell(s, f'script var: "{name}" "', shown, '"')
    if outcome is not None:
        tell(s, f"{text}: {outcome}")
