"""A log that takes every message of some connections ("debug_connection")."""

from __future__ import annotations

from .error_log import Log
from .severity import Severity


class DebuggedConnections:
    """The numbers of those that are being served, and the requests of each, by identity."""

    def __init__(self) -> None:
        self._requests: dict[int, set[int]] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._requests

    def begin(self, number: int, request: int) -> None:
        """A request or session begins."""
        self._requests.setdefault(number, set()).add(request)

    def end(self, number: int, request: int) -> None:
        """It is over.  One that has not begun, such as a subrequest, ends nothing."""
        requests = self._requests.get(number)
        if requests is not None:
            requests.discard(request)
            if not requests:
                del self._requests[number]


class ConnectionLog(Log):
    """Stands in front of another one, which may get its targets later."""

    __slots__ = ("_base", "_debugged")

    def __init__(self, base: Log, debugged: DebuggedConnections) -> None:
        super().__init__()
        self._base, self._debugged = base, debugged
        self.level = Severity.DEBUG  # of some connections

    def debugs(self, connection: int) -> bool:
        return connection in self._debugged or self._base.debugs(connection)

    def write(
        self, level: Severity, text: str, connection: int = 0, *, lines: bool = False
    ) -> None:
        log = self._base
        if connection in self._debugged:
            log = log.with_debug()
        log.write(level, text, connection, lines=lines)
