"""A log that takes every message of some connections ("debug_connection")."""

from __future__ import annotations

from .error_log import Log
from .severity import Severity


class DebuggedConnections:
    """The numbers of those that are being served, and how many requests each has."""

    def __init__(self) -> None:
        self._requests: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._requests

    def begin(self, number: int) -> None:
        """A request or session begins."""
        self._requests[number] = self._requests.get(number, 0) + 1

    def end(self, number: int) -> None:
        """It is over; of others nothing is known."""
        left = self._requests.get(number, 0) - 1
        if left > 0:
            self._requests[number] = left
        else:
            self._requests.pop(number, None)


class ConnectionLog(Log):
    """Stands in front of another one, which may get its targets later."""

    __slots__ = ("_base", "_debugged")

    def __init__(self, base: Log, debugged: DebuggedConnections) -> None:
        super().__init__()
        self._base, self._debugged = base, debugged
        self.level = Severity.DEBUG  # of some connections

    def write(
        self, level: Severity, text: str, connection: int = 0, *, lines: bool = False
    ) -> None:
        log = self._base
        if connection in self._debugged:
            log = log.with_debug()
        log.write(level, text, connection, lines=lines)
