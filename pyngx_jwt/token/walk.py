"""A request's way through the compiled configuration, as far as it can be gone alone.

The engine goes it: its locations, its rewrites, its error pages.  Only in the place of each
location's handlers stands one that runs those of the access phase, and stops where an answer
would be made: nothing is fetched, counted or written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..compile import Cycle, satisfying, walk
from ..conf.directive import LIMIT_EXCEPT, LOCATION_IF, SERVER
from ..conf.parse import Statement
from ..http.engine import answer, run
from ..http.level import Level
from ..http.module import Phase
from ..http.ports import Built
from ..http.request import (
    DONE,
    OK,
    BodyError,
    Handler,
    HeaderRefused,
    Request,
    Status,
)
from ..http.status import REASONS
from ..jwt import KeySetError
from ..jwt.examine import Examination
from ..log import LEVEL_NAMES, Log
from ..log import Level as LogLevel
from ..modules.auth_jwt.gate import Gate
from ..modules.auth_jwt.sources import KeyRequest
from ..modules.auth_jwt.variables import NOW
from ..modules.auth_jwt.watch import Watch
from ..modules.core import CoreConf
from .gates import tell
from .lines import Line, Mark, place_of, shown, statement_with, statements_of
from .places import switch_statements, token_conf
from .request import Made

# Handlers that ask somebody else, or count; the others are run.
COUNTS = {"limit_req": "limit_req", "limit_conn": "limit_conn"}
ASKS = "auth_request"
SHOWN_BY = {"access": ("deny", "allow"), "auth_basic": ("auth_basic",)}
ANSWERS = ("proxy_pass", "stub_status", "empty_gif", "root", "alias")
_HEAD = re.compile(r"\S+ \S+ \[\w+\] \d+#\d+: (?:\*\d+ )?")
_PARTICULARS = re.compile(r", client: \S+, server: .*", re.S)


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the error log; `written` says whether the level of the location's log takes it."""

    level: str
    text: str
    written: bool
    taken: str  # the level that the log has
    statement: Statement | None  # the error_log that gave it


class _Memory:
    """A log target that keeps what it is given."""

    level = LogLevel.INFO
    file = None

    def __init__(self, real: LogLevel, told: Callable[[LogLevel, LogLevel, str], None]) -> None:
        self._real, self._told = real, told

    def write(self, level: LogLevel, line: bytes) -> None:
        text = _HEAD.sub("", line.decode("latin-1").rstrip("\n"), count=1)
        self._told(level, self._real, _PARTICULARS.sub("", text))


@dataclass(slots=True)
class Trip:
    """What one request met."""

    lines: list[Line] = field(default_factory=list)
    log: list[Told] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)  # what would have to be known
    refused: Line | None = None  # the check that first refused
    passed: bool = False  # came to where an answer is made
    gated: Level | None = None  # the first level that demands a token
    examination: Examination | None = None
    at: Level | None = None  # where the request is
    entered: Level | None = None  # the last location that was told


class Walk:
    """The configuration with its handlers replaced; for one process that does nothing else."""

    def __init__(self, cycle: Cycle, now: float, keys: bytes | None) -> None:
        self.now, self._keys = now, keys
        self.trip, self.given = Trip(), ""
        self._error: Exception | None = None  # which the engine would make a page of
        self._watches: dict[Gate, Watch] = {}
        self._logs: dict[Log, Log] = {}
        for level in walk(cycle.root):
            if level.location is not None:
                self._prepare(level)
        for level, server in cycle.scope.shared(Built).servers:
            assert level.location is not None
            level.location.rewrite = ()
            server.rewrite = tuple(self._noted(handler, level) for handler in server.rewrite)

    def _prepare(self, level: Level) -> None:
        location = level.location
        assert location is not None
        real = location.log
        if real not in self._logs:
            self._logs[real] = Log(_Memory(real.level, self._logged))
        location.log = self._logs[real]
        gate = token_conf(level)._gate
        if gate is not None:
            self._watches[gate] = Watch(gate, self.now, self._keys)
            if location.settle is not None:
                location.settle = partial(self._stand_in, gate)
        location.rewrite = tuple(self._noted(handler, level) for handler in location.rewrite)
        location.handlers = (partial(self._handle, level),)
        location.subrequest_handlers = ()

    def _stand_in(self, gate: Gate, r: Request, ends: bool) -> None:
        """What is needed before the access phase is verified with the keys that are given."""
        assert gate.plan.keyring is not None
        try:
            for source in gate.plan.keyring.sources(r, gate.plan.find_token(r)):
                if isinstance(source, KeyRequest):
                    source.stand_in(self._keys)
        except KeySetError as error:
            self._error = error
            raise

    def go(self, made: Made, given: str) -> tuple[Trip, Request]:
        """Sends the request on its way; `given` is the token in question."""
        self.trip, self.given = Trip(), given
        r = made.r
        r.contexts[NOW] = self.now
        self._server(made)
        self._error = None
        if made.refused is not None:
            r.log(LogLevel.INFO, made.refused.message)
            self.trip.refused = self._line(Mark.FAILED, "request", made.refused.message)
            asyncio.run(answer(r, made.refused.status))
        else:
            asyncio.run(run(r))
        if self._error is not None:
            raise self._error
        if not self.trip.passed and self.trip.refused is None:
            self._ended(r)
        return self.trip, r

    def _logged(self, level: LogLevel, real: LogLevel, text: str) -> None:
        at = self.trip.at
        statement = statement_with(at.set_by("error_log")) if at is not None else None
        name, taken = LEVEL_NAMES[level], LEVEL_NAMES[real]
        self.trip.log.append(Told(name, text, level <= real, taken, statement))

    def _line(self, mark: Mark, name: str, text: str, *statements: Statement | None) -> Line:
        found = next(iter(statements), None)
        line = Line(mark, name, text, found)
        self.trip.lines.append(line)
        return line

    def _server(self, made: Made) -> None:
        level = self.trip.at = level_of(made.r.server.location)
        name = made.r.server.name or "without a name"
        text = f"{shown(name)}, on {made.address.listen.text}"
        if (
            made.r.server is made.address.names.default
            and made.r.host not in level[CoreConf].server_names
        ):
            text += ", the default server there"
        self._line(Mark.NOTE, "server", text, level.statement)
        for remark in made.remarks:
            self._line(Mark.NOTE, "server", remark)

    # -- before the access phase -----------------------------------------------------------

    def _noted(self, handler: Handler, level: Level) -> Handler:
        def handle(r: Request) -> Status | None:
            if not level.context & SERVER:
                self._enter(level)
            before = r.uri
            rc = handler(r)
            assert rc is None or isinstance(rc, int)
            at = level_of(r.location)
            if at.context & LOCATION_IF and at is not level:
                condition = " ".join(at.statement.args) if at.statement else ""
                self._line(Mark.NOTE, "if", f"{shown(condition)} holds", at.statement)
            if rc:
                self._answered(r, rc, at, level)
            elif r.uri != before:
                rewrites = [*at.statements.get("rewrite", ()), *level.statements.get("rewrite", ())]
                text = f'the URI is now "{shown(r.uri)}"'
                self._line(Mark.NOTE, "rewrite", text, statement_with(rewrites))
            return rc

        return handle

    def _answered(self, r: Request, rc: Status, at: Level, level: Level) -> None:
        """A return or a redirect: the rewrite phase comes before the access phase."""
        found = [
            *at.statements.get("return", ()),
            *at.statements.get("rewrite", ()),
            *level.statements.get("return", ()),
            *level.statements.get("rewrite", ()),
        ]
        inner = [s for i in level.inner(LOCATION_IF) for s in i.statements.get("return", ())]
        status = r.status if rc == DONE else rc
        statement = statement_with([*found, *inner])
        name = "return" if statement is None else statement.name
        text = f"answers {status} before the access phase"
        gated = self._gate_of(at if at.location is not None else level)
        if gated:
            text += f": the token that {switch_words(level)} demands is not looked at"
        line = self._line(Mark.NOTE, name, text, statement)
        self.trip.passed = status < 400
        if status >= 400:
            self.trip.refused = line

    def _ended(self, r: Request) -> None:
        """The engine itself answered."""
        level = level_of(r.location)
        self._enter(level)
        status = r.status or r.err_status
        if r.location.internal and not r.internal:
            text, found = "only internal requests come here", level.set_by("internal")
        elif status == 413:
            text, found = "the body is too large", level.set_by("client_max_body_size")
        elif status == 301:
            text, found = "the URI lacks the location's last slash", []
        else:
            text, found = "the engine answers", []
        name = found[0].name if found else "location"
        line = self._line(Mark.NOTE, name, f"{text}: {status_text(status)}", *found)
        self.trip.passed = status < 400
        if status >= 400:
            self.trip.refused = line

    # -- the access phase --------------------------------------------------------------------

    def _enter(self, level: Level) -> None:
        """Tells of a location, once while the request is there."""
        self.trip.at = level
        if self.trip.entered is level:
            return
        self.trip.entered = level
        text = "the server itself, no location" if level.context & SERVER else location_text(level)
        self._line(Mark.NOTE, "location", text, level.statement)

    async def _handle(self, level: Level, r: Request) -> Status | None:
        """Stands in the place of all the location's handlers."""
        try:
            return await self._access(level, r)
        except (BodyError, HeaderRefused):
            raise
        except Exception as error:
            self._error = error
            raise

    async def _access(self, level: Level, r: Request) -> Status | None:
        trip = self.trip
        self._enter(level)
        if not self._gate_of(level):
            self._no_gate(level)
        open_before, refused_before = len(trip.questions), trip.refused
        allowed: list[str] = []
        for name, handler in level.handlers.get(Phase.PREACCESS, ()):
            rc = await self._try(name, handler, level, r, allowed)
            if rc:
                return rc
        any_is_enough = level[CoreConf].satisfy == "any"
        access = [
            partial(self._try, name, handler, level, allowed=allowed)
            for name, handler in level.handlers.get(Phase.ACCESS, ())
        ]
        if any_is_enough and len(access) > 1:
            self._line(
                Mark.NOTE, "satisfy", "any: one permission is enough", *level.set_by("satisfy")
            )
        for handle in satisfying(tuple(access), level):
            found = handle(r)
            rc = found if found is None or isinstance(found, int) else await found
            if rc:
                if any_is_enough and len(trip.questions) > open_before:
                    trip.refused = refused_before
                    break
                return rc
        if any_is_enough and allowed:
            del trip.questions[open_before:]
            trip.refused = refused_before
        return await self._content(level, r)

    async def _try(
        self, name: str, handler: Handler, level: Level, r: Request, allowed: list[str]
    ) -> Status | None:
        """Runs a handler, unless it would ask or count."""
        gate = getattr(handler, "__self__", None)
        if isinstance(gate, Gate):
            return await self._pass_gate(gate, level, r, allowed)
        if name in COUNTS:
            self._line(Mark.SKIPPED, name, "not counted here", *level.set_by(COUNTS[name]))
            return None
        if name == ASKS:
            found = level.set_by(ASKS)
            self._line(Mark.UNKNOWN, name, "is not asked here", *found)
            self.trip.questions.append(f"what {' '.join([ASKS, *found[0].args])} says")
            return None
        answered = handler(r)
        rc = answered if answered is None or isinstance(answered, int) else await answered
        if name in SHOWN_BY:
            found = statements_of(level, *SHOWN_BY[name])
            self._judge(name, level, r, rc, found)
            if rc == OK:
                allowed.append(name)
        return rc

    def _judge(
        self, name: str, level: Level, r: Request, rc: Status | None, found: list[Statement]
    ) -> None:
        who = f"client {r.connection.remote_addr}" if name == "access" else "user"
        if rc == OK:
            self._line(Mark.PASSED, name, f"{who} is allowed", *found)
        elif rc is None:
            self._line(Mark.SKIPPED, name, f"no rule for {who}", *found)
        else:
            line = self._line(Mark.FAILED, name, f"{who} is refused: {status_text(rc)}", *found)
            self.trip.refused = self.trip.refused or line

    async def _pass_gate(
        self, gate: Gate, level: Level, r: Request, allowed: list[str]
    ) -> Status | None:
        trip, watch = self.trip, self._watches[gate]
        trip.gated = trip.gated or level
        rc = await watch.handle(r)
        told = tell(level, r, watch, self.given, self.now)
        trip.lines += told.lines
        trip.examination = trip.examination or told.examination
        if watch.seen.rc == OK and watch.seen.applied:
            allowed.append("auth_jwt")
        if told.open_question:
            trip.questions.append(told.open_question)
            r.clear_header("www-authenticate")
            return None
        if rc:
            failed = [line for line in told.lines if line.mark is Mark.FAILED]
            first = failed[0] if failed else told.lines[-1]
            if first.statement is None:
                first = first._replace(statement=statement_with(switch_statements(level)))
            trip.refused = trip.refused or first
        return rc

    def _gate_of(self, level: Level) -> bool:
        """Whether this level's handlers demand a token."""
        handlers = (h for found in level.handlers.values() for _, h in found)
        return any(
            isinstance(getattr(h, "__self__", None), Gate)
            and getattr(h, "__name__", "") == "handle"
            for h in handlers
        )

    def _no_gate(self, level: Level) -> None:
        statement = statement_with(switch_statements(level))
        if statement is None:
            text = "nothing demands a token here"
        else:
            text = f"no token is demanded: {shown(' '.join([statement.name, *statement.args[:1]]))}"
        self._line(Mark.SKIPPED, "auth_jwt", text, statement)

    # -- after it ----------------------------------------------------------------------------

    async def _content(self, level: Level, r: Request) -> Status | None:
        """What may lead elsewhere is run; where an answer would be made is the end."""
        for phase, name in ((Phase.PRECONTENT, "try_files"), (Phase.CONTENT, "index")):
            for found, handler in level.handlers.get(phase, ()):
                if found == name:
                    rc = handler(r)
                    assert rc is None or isinstance(rc, int)
                    if rc:
                        self._line(
                            Mark.NOTE,
                            name,
                            f'leads to "{shown(r.uri)}"'
                            if rc < 0
                            else f"answers {status_text(rc)}",
                            *level.set_by(name),
                        )
                        self.trip.passed = rc > 0
                        return rc
        self.trip.passed = True
        answering = statements_of(level, *ANSWERS)
        for name in ANSWERS:
            if statement := statement_with(level.statements.get(name, ())):
                answering = [statement]
                break
        statement = statement_with(answering)
        text = "the request is answered"
        if statement is not None:
            text += f" by {shown(' '.join([statement.name, *statement.args]))}"
        self._line(Mark.NOTE, "content", text, statement)
        return DONE


def level_of(location: object) -> Level:
    """The level that a location was compiled from."""
    level: Level = location.conf(CoreConf)._level  # type: ignore[attr-defined]
    return level


def location_text(level: Level) -> str:
    """The block as it is written."""
    if level.context & LIMIT_EXCEPT:
        outer = level.outer
        assert outer is not None and level.statement is not None
        methods = " ".join(level.statement.args)
        return f"{location_text(outer)}, limit_except {shown(methods)}"
    conf = level[CoreConf]
    return " ".join(word for word in (conf._modifier, shown(conf._name)) if word)


def switch_words(level: Level) -> str:
    statement = statement_with(switch_statements(level))
    if statement is None:
        return "auth_jwt"
    words = shown(" ".join([statement.name, *statement.args[:1]]))
    return f"{words} ({place_of(statement)})"


def status_text(status: Status) -> str:
    return f"{status} {REASONS[status]}" if status in REASONS else str(status)
