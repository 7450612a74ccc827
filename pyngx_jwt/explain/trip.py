"""The facts about one request, and the decision that they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..conf.parse import Statement
from ..gateway.conf import GatewayConf
from ..http.contexts import LIMIT_EXCEPT
from ..http.level import Level
from ..http.request import Request, Status
from ..http.status import CLOSE, REASONS
from ..jwt.examine import Examination
from ..log import Severity
from ..modules.core import CoreConf
from .lines import Line, Result, shown

_HEAD = re.compile(r"\S+ \S+ \[\w+\] \d+#\d+: (?:\*\d+ )?")
_PARTICULARS = re.compile(r", client: \S+, server: .*", re.S)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of the error log; `written`: the severity of the location's log includes it."""

    level: str
    text: str
    written: bool
    taken: str  # the severity of the log
    statement: Statement | None  # the error_log that gave it


class LogRecorder:
    """A log target that passes lines on."""

    level = Severity.INFO
    file = None

    def __init__(self, real: Severity, record: Callable[[Severity, Severity, str], None]) -> None:
        self._real, self._record = real, record

    def write(self, level: Severity, line: bytes) -> None:
        text = _HEAD.sub("", line.decode("latin-1").rstrip("\n"), count=1)
        self._record(level, self._real, _PARTICULARS.sub("", text))


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that is passed to an upstream: its address, and the head that is sent there."""

    to: str
    head: bytes
    lines: list[str]  # of the head, printable: the request line, then the headers
    conf: GatewayConf
    statement: Statement | None
    cache: str = ""  # the zone, if a cache comes first
    key: str = ""
    cache_status: str = ""  # that of $upstream_cache_status


class Pending(NamedTuple):
    """A status that a handler has returned."""

    line: Line
    status: Status
    refuses: bool


@dataclass(slots=True)
class Trip:
    """The facts in their order, and the decision."""

    lines: list[Line] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)  # what the outcome depends on
    log_question: str = ""  # what it depends on which lines are logged
    refused: Line | None = None  # the check that first refused
    failed: Line | None = None  # the first error response without a refusal
    last: Line | None = None  # what answered last
    upstream: Passed | None = None  # the upstream that responds
    gated: Level | None = None  # the first level that requires a token
    tokens: set[str] = field(default_factory=set)  # that were found in the request
    examination: Examination | None = None
    at: Level | None = None  # where the request is
    begun: Level | None = None  # the first location
    entered: tuple[Level, int] | None = None  # the location that was added last
    arrived: tuple[Level, int] | None = None  # where access was last about to be checked
    pending: list[Pending] = field(default_factory=list)  # without a page so far
    logged: int = 0  # lines of the log when the last handler began

    def add(
        self,
        mark: Result,
        name: str,
        text: str,
        *statements: Statement | None,
        at: int | None = None,
    ) -> Line:
        """Adds a fact, with the first of the statements; `at` is its place among the others."""
        line = Line(mark, name, text, next(iter(statements), None))
        self.lines.insert(len(self.lines) if at is None else at, line)
        return line

    def refuse(self, line: Line, status: Status) -> None:
        """A check would end the request, unless "satisfy any" lets another one pass it."""
        self.pending.append(Pending(line, status, refuses=True))
        if status == CLOSE:
            self.begin_page(status)

    def answer(self, line: Line, status: Status) -> None:
        """A handler answers."""
        self.last = line
        self.pending.append(Pending(line, status, refuses=False))

    def begin_page(self, status: Status) -> bool:
        """A page of this status begins; reports whether the reason is known."""
        pending = next((p for p in self.pending if p.status == status), None)
        self.pending.clear()
        if pending is None:
            return False
        self.last = pending.line
        if pending.refuses:
            self.refused = self.refused or pending.line
        elif status >= 400:
            self.failed = self.failed or pending.line
        return True

    @property
    def decided(self) -> Line | None:
        """The line that decided the final status."""
        pending = self.pending[0].line if self.pending else None
        return self.refused or self.failed or pending or self.last


def final_status(r: Request, trip: Trip) -> Status | None:
    """The status that the client gets; None from an upstream or if it closes."""
    if trip.upstream is not None:
        return r.err_status or None
    return r.status if r.header_sent else None


def level_of(location: object) -> Level:
    """The level that a location was compiled from."""
    level: Level = location.conf(CoreConf).level  # type: ignore[attr-defined]
    return level


def location_text(level: Level) -> str:
    """The block as it is written."""
    if level.context & LIMIT_EXCEPT:
        outer = level.outer
        assert outer is not None and level.statement is not None
        methods = " ".join(level.statement.args)
        return f"{location_text(outer)}, limit_except {shown(methods)}"
    conf = level[CoreConf]
    return " ".join(word for word in (conf.modifier, shown(conf.name)) if word)


def status_text(status: Status | None) -> str:
    if status in (None, CLOSE):
        return "the connection is closed"
    return f"{status} {REASONS[status]}" if status in REASONS else str(status)
