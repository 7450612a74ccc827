"""Follows a request through the engine with its real handlers, and notes the result of each.

Nothing is fetched, counted or written: a request to an upstream ends the walk, limits are
reported but not counted, and subrequests are served unless an upstream is needed.  The decision
of an upstream or of Lua about access is assumed (`grants`), and noted as a question.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from functools import partial

from ..compile import Cycle, walk
from ..conf.parse import Statement
from ..conf.scope import Scope
from ..conf.watch import H, LoadWatch
from ..gateway.cached import PurgingGateway
from ..gateway.exchange import Gateway
from ..gateway.purging import EntryPurger
from ..http.client import BodyError
from ..http.contexts import LOCATION_IF, SERVER, SERVER_IF, http_levels
from ..http.engine import answer, run
from ..http.failure import RequestFailed
from ..http.level import Level
from ..http.module import Phase
from ..http.request import DONE, AnswerTooBig, Handler, HeaderRefused, Request, Settle, Status
from ..http.status import NAMED, REDIRECT, TO_HTTPS
from ..jwt import Verifier
from ..jwt.examine import examine
from ..log import LEVEL_NAMES, Log, Severity
from ..modules.auth_jwt.contexts import NOW
from ..modules.auth_jwt.gate import Gate
from ..modules.auth_jwt.key_request import KeyRequest
from ..modules.auth_jwt.watch import GateWatch
from ..modules.dav import DavConf
from ..modules.lua import Runners
from ..modules.missing import UnsupportedHandler
from ..modules.stub_status import Statistics
from .access import ZONES, report_access, report_limits
from .carriers import switch_statements, switch_text, token_conf
from .code import UNKNOWN_ANSWER, is_code, leave_out_filters, leave_out_values, report_code
from .definitions import VariableDefinitions
from .lines import Line, Result, shown, statement_with, statements_of
from .locations import report_location
from .request import Arrival, Traced
from .rewrites import RewriteStep
from .servers import report_server
from .tokens import lacks_keys_only, report_gate, take_as_verified
from .tracing import report_tracing
from .trip import LogEntry, LogRecorder, Trip, level_of, location_text, status_text
from .upstream import KeptResponse, pass_on, report_upstream
from .values import replace_values

GRANTED, DENIED = 200, 401  # the assumed responses of upstreams and code that decide about access
AUTH_REQUEST = "auth_request"
PURGES = [f"{prefix}_cache_purge" for prefix in ("proxy", "fastcgi", "uwsgi", "scgi")]
FILE_MODULES = ("static", "gzip_static")  # whose response is the file that the URI names
# The engine turns these into responses.
ANSWERED = (BodyError, HeaderRefused, RequestFailed, AnswerTooBig, ConnectionResetError)
ELSEWHERE = "a dump of nginx -T; all other files, such as keys, are read from this machine"
_OF_MACHINE = re.compile(r"cannot load certificate|get(pw|gr)nam\(")
# What answers by the state of running workers, and the directive.
LIVE = {
    "api": "api",
    "health": "pyngx_health",
    "hosted": "pyngx_app",
    "metrics": "pyngx_metrics",
}
# The directives of other modules that answer, where it is not one of ANSWERS.
DIRECTIVES = {
    "autoindex": "autoindex",
    "brotli": "brotli_static",
    "dashboard": "pyngx_dashboard",
    "flv": "flv",
    "gzip_static": "gzip_static",
    "hls": "hls",
    "mp4": "mp4",
    "zstd": "zstd_static",
}
ANSWERS = (
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "stub_status",
    "echo",
    "empty_gif",
    "autoindex",
    "root",
    "alias",
)


class Trace(LoadWatch):
    """Wraps handlers while a configuration is compiled, and then follows requests."""

    sees_entries = wants_all = True

    def __init__(self, *, is_elsewhere: bool = False) -> None:
        """`is_elsewhere`: the configuration may be of another machine."""
        self.is_elsewhere = is_elsewhere
        self.remarks = [ELSEWHERE] if is_elsewhere else list[str]()
        self.trip, self.given, self.grants, self.now = Trip(), "", True, 0.0
        self.keys: bytes | None = None
        self.error: Exception | None = None  # the engine would turn it into a page
        self.knows_tokens = False  # the configuration has directives about tokens
        self._watches: dict[Gate, GateWatch] = {}
        self._gates = set[Level]()
        self._logs: dict[Log, Log] = {}
        self._definitions = VariableDefinitions()
        self._scope: Scope | None = None

    # -- while the configuration is compiled -----------------------------------------------

    def failed(self, error: Exception, level: Level, statement: Statement | None = None) -> None:
        """Passes over certificates and users that only the other machine has."""
        if not (self.is_elsewhere and _OF_MACHINE.match(str(error))):
            raise error
        self.remarks.append(f"not available here: {shown(str(error))}")

    def seen(self, statement: Statement, level: Level) -> None:
        self._definitions.add(statement)
        self.knows_tokens = self.knows_tokens or statement.name.startswith("auth_jwt")

    def seen_entry(self, entry: Statement, block: Statement) -> None:
        self._definitions.add_entry(entry, block)

    def built(self, handler: H, level: Level, module: str, phase: int) -> H:
        run = partial(self._run, phase, level, self._kind(handler, level, module, phase))
        return run  # type: ignore[return-value]

    def _kind(self, handler: Handler, level: Level, module: str, phase: int) -> Handler:
        """The wrapper that handlers of this kind run in."""
        owner = getattr(handler, "__self__", None)
        if isinstance(owner, Gate) and getattr(handler, "__name__", "") == "handle":
            self._gates.add(level)
            return partial(self._gate, owner, level)
        if isinstance(owner, Gateway):
            return partial(self._pass, owner, level)
        if isinstance(owner, EntryPurger):
            return partial(self._purge, level, 200)
        if module in ZONES:
            return partial(self._limit, module, level)
        if is_code(handler):
            return partial(self._code, handler, phase, level)
        if module == "mirror":
            return partial(self._mirror, level)
        if module == AUTH_REQUEST:
            return partial(self._auth_request, handler, level)
        if module == "dav":
            return partial(self._change, level)
        if module in LIVE:
            return partial(self._live, LIVE[module], level)
        return partial(self._try, module, phase, handler, level)

    def operation(self, operation: H, level: Level, statement: Statement | None) -> H:
        def traced(r: Request) -> Awaitable[Status | None] | Status | None:
            assert statement is not None
            if not level.context & (SERVER | SERVER_IF):
                self._enter(level, r)
            step = RewriteStep(self.trip, self.is_gated, self._definitions, r, level, statement)
            rc = operation(r)
            return step.done(rc) if rc is None or isinstance(rc, int) else step.wait(rc)

        return traced  # type: ignore[return-value]

    def prepare(self, cycle: Cycle, now: float, keys: bytes | None) -> None:
        """Completes the compiled configuration; `keys` is the response to key requests."""
        self.now, self.keys, self._scope = now, keys, cycle.scope
        cycle.scope.shared(Statistics).counters = None
        self.remarks += replace_values(cycle.scope)
        leave_out_values(cycle.scope.shared(Runners), lambda text: self.trip.questions.append(text))
        for http in http_levels(cycle.root):
            for level in walk(http):
                if level.location is not None:
                    self._prepare(level)

    def _prepare(self, level: Level) -> None:
        location = level.location
        assert location is not None
        real = location.log
        if real not in self._logs:
            self._logs[real] = Log(LogRecorder(real.level, self._logged))
        location.log, location.log_handlers = self._logs[real], ()
        leave_out_filters(location)
        gate = token_conf(level).gate
        if gate is not None:
            self._watches[gate] = GateWatch(gate, self.now, self.keys)
            if location.settle is not None:
                location.settle = partial(self._settle, gate, location.settle)
        location.error_pages = {
            code: page._replace(uri=partial(self._page, level, code, page.uri))
            for code, page in location.error_pages.items()
        }

    def _logged(self, level: Severity, real: Severity, text: str) -> None:
        at = self.trip.at
        statement = statement_with(at.set_by("error_log")) if at is not None else None
        name, taken = LEVEL_NAMES[level], LEVEL_NAMES[real]
        self.trip.log.append(LogEntry(name, text, level <= real, taken, statement))

    # -- while a request is served ---------------------------------------------------------

    async def go(self, arrival: Arrival, given: str) -> Trip:
        """Serves the request; `given` is the token in question."""
        trip = self.trip = Trip()
        self.given, self.error = given, None
        r = arrival.r
        r.page_begins = self.begins_page
        r.contexts[NOW] = self.now
        report_server(arrival, trip)
        if arrival.refused is not None:
            await self._refuse(r, arrival.refused.message, arrival.refused.status)
        elif arrival.is_mistaken:
            await self._refuse(r, "client sent plain HTTP request to HTTPS port", TO_HTTPS)
        else:
            await run(r)
            assert self._scope is not None
            report_tracing(self._scope, trip.begun, r, trip)
        if self.error is not None:
            raise self.error
        return trip

    async def _refuse(self, r: Traced, text: str, status: Status) -> None:
        r.log(Severity.INFO, text)
        self.trip.refuse(self.trip.add(Result.FAILED, "request", text), status)
        r.keep_alive = False
        await answer(r, status)

    def is_gated(self, level: Level) -> bool:
        """Whether a gate requires a token at this level."""
        return level in self._gates

    def begins_page(self, r: Request, status: Status) -> None:
        """The page of a status begins; unless a handler has returned it, the engine has."""
        if not self.trip.begin_page(status):
            with self._faults():
                self._engine_answers(r, status)

    def _engine_answers(self, r: Request, status: Status) -> None:
        trip = self.trip
        level = level_of(r.location)
        self._enter(level, r)
        text, statements = self._engine_text(r, level, status)
        name = statements[0].name if statements else "location"
        arrived = trip.arrived == trip.entered
        line = trip.add(Result.NOTE, name, f"{text}: {status_text(status)}", *statements)
        if status >= 400 and not arrived:
            trip.refuse(line, status)
        else:
            trip.answer(line, status)
        trip.begin_page(status)

    def _engine_text(self, r: Request, level: Level, status: Status) -> tuple[str, list[Statement]]:
        trip = self.trip
        if r.location.internal and not r.internal and status == 404:
            return "only internal requests come here", level.set_by("internal")
        if status == 413:
            return "the body is too large", level.set_by("client_max_body_size")
        if status == 301:
            return "the URI lacks the location's last slash", []
        if len(trip.log) > trip.logged:
            return shown(trip.log[-1].text), []
        return "the engine answers", []

    def _page(self, level: Level, code: int, uri: Handler, r: Request) -> str:
        """The URI of an error page."""
        text: str = uri(r)  # type: ignore[assignment]
        statements = (s for s in level.set_by("error_page") if str(code) in s.args)
        verb = "continues at" if text.startswith(("/", "@")) else "redirects to"
        self.trip.add(Result.NOTE, "error_page", f"of {code}: {verb} {shown(text)}", *statements)
        return text

    def _enter(self, level: Level, r: Request) -> None:
        """Adds a location, once while the request is in it."""
        self.trip.at = level
        while level.context & LOCATION_IF and level.outer is not None:
            level = level.outer
        if self.trip.entered == (level, r.uri_changes):
            return
        self.trip.begun = self.trip.begun or level
        self.trip.entered = (level, r.uri_changes)
        report_location(level, r, self.trip)

    def _arrive(self, level: Level, r: Request) -> None:
        """The access phase begins, or the content phase where no access check is configured."""
        self._enter(level, r)
        if self.trip.arrived != self.trip.entered:
            self.trip.arrived = self.trip.entered
            if self.knows_tokens and not self.is_gated(level):
                self._no_gate(level)

    def _no_gate(self, level: Level) -> None:
        statement = statement_with(switch_statements(level))
        text = "no token required"
        if statement is not None:
            text = f"no token required: {switch_text(statement)}"
        self.trip.add(Result.SKIPPED, "auth_jwt", text, statement)

    async def _run(self, phase: int, level: Level, handler: Handler, r: Request) -> Status | None:
        """Runs a handler of any module."""
        if phase > Phase.REWRITE:
            self._arrive(level, r)
        elif not level.context & SERVER:
            self._enter(level, r)
        if phase > Phase.ACCESS:
            self.trip.pending.clear()  # "satisfy any" was satisfied
        self.trip.logged = len(self.trip.log)
        with self._faults():
            rc = handler(r)
            return rc if rc is None or isinstance(rc, int) else await rc

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Keeps errors other than responses of a server: invalid given keys, and bugs."""
        try:
            yield
        except ANSWERED:
            raise
        except Exception as error:
            self.error = self.error or error
            raise

    # -- each kind of handler --------------------------------------------------------------

    def _limit(self, module: str, level: Level, r: Request) -> None:
        report_limits(module, level, r, self.trip)

    def _mirror(self, level: Level, r: Request) -> None:
        for statement in level.set_by("mirror"):
            text = f"a copy of the request goes to {shown(statement.args[0])}"
            self.trip.add(Result.NOTE, "mirror", text, statement)

    def _change(self, level: Level, r: Request) -> Status | None:
        """Here files would be changed."""
        if r.method.lower() not in level[DavConf].dav_methods:
            return None
        path = shown(r.location.path_of(r))
        text = f"{r.method} would change {path}, which is not tried"
        line = self.trip.add(Result.NOTE, "content", text, *level.set_by("dav_methods"))
        status = 201 if r.method == "MKCOL" else 204
        self.trip.answer(line, status)
        return status

    def _live(self, directive: str, level: Level, r: Request) -> Status:
        """Here running workers or an application would answer."""
        statement = statement_with(level.set_by(directive))
        text = f"{directive} answers here, by what is only known while the server runs"
        self.trip.answer(self.trip.add(Result.NOTE, "content", text, statement), 0)
        r.status = r.status or UNKNOWN_ANSWER
        return DONE

    def _purge(self, level: Level, status: Status, r: Request) -> Status:
        """Here an entry would be removed from a cache."""
        given = [found for name in PURGES if (found := level.set_by(name))]
        text = f"{r.method} would purge entries of a cache, which is not tried"
        if status == 403:
            text = f"{r.method} may not purge entries of a cache from this address"
        line = self.trip.add(Result.NOTE, "content", text, *(given[0] if given else ()))
        self.trip.answer(line, status)
        return status

    async def _code(self, handler: Handler, phase: int, level: Level, r: Request) -> Status | None:
        denial = None if self.grants else DENIED
        return report_code(handler, phase, level, r, self.trip, denial)

    async def _try(
        self, module: str, phase: int, handler: Handler, level: Level, r: Request
    ) -> Status | None:
        uri, path = r.uri, r.location.path_of(r) if module in FILE_MODULES else ""
        before = r.connection.remote_addr
        answered = handler(r)
        rc = answered if answered is None or isinstance(answered, int) else await answered
        if r.connection.remote_addr != before:
            text = f"the client is {r.connection.remote_addr}"
            self.trip.add(Result.NOTE, module, text, *level.set_by("set_real_ip_from"))
        if phase in (Phase.PREACCESS, Phase.ACCESS) and (rc or phase == Phase.ACCESS):
            report_access(module, level, r, rc, self.trip)
        elif phase == Phase.PRECONTENT:
            self._tried(module, level, r, rc, uri)
        elif phase == Phase.CONTENT and rc:
            if rc in (REDIRECT, NAMED):
                self._lead(module, level, r, rc)
            else:
                statement = self._answering(module, handler, level)
                self._answered(module, statement, r, rc, path)
        return rc

    def _tried(self, module: str, level: Level, r: Request, rc: Status | None, uri: str) -> None:
        statements = level.set_by(module)
        if rc in (REDIRECT, NAMED):
            self._lead(module, level, r, rc)
        elif rc:
            text = f"answers {status_text(rc)}"
            self.trip.answer(self.trip.add(Result.NOTE, module, text, *statements), rc)
        elif module == "try_files":
            text = f'"{shown(r.uri)}" is there' if r.uri != uri else "the file is there"
            self.trip.add(Result.NOTE, module, text, *statements)

    def _lead(self, module: str, level: Level, r: Request, rc: Status) -> None:
        where = r.location.core.name if rc == NAMED else r.uri
        text = f'leads to "{shown(where)}"'
        self.trip.add(Result.NOTE, module, text, *level.set_by(module))

    def _answered(
        self, module: str, statement: Statement | None, r: Request, rc: Status, path: str
    ) -> None:
        """The content phase answers."""
        text = "the request is answered"
        if module == "missing":
            text = f"pyngx does not run {statement.name if statement else 'the content handler'}"
        if module in FILE_MODULES:
            text = f"file {shown(path)}"
        if statement is not None and module not in ("missing", "static"):
            text += f" by {shown(' '.join([statement.name, *statement.args]))}"
        status = r.status if rc == DONE else rc
        line = self.trip.add(Result.NOTE, "content", f"{text}: {status_text(status)}", statement)
        self.trip.answer(line, status if rc != DONE else 0)

    def _answering(self, module: str, handler: Handler, level: Level) -> Statement | None:
        """The statement of the content handler."""
        if isinstance(handler, UnsupportedHandler):
            return handler.statement
        if module in DIRECTIVES:
            return statement_with(level.set_by(DIRECTIVES[module]))
        for name in ANSWERS:
            if statement := statement_with(level.statements.get(name, ())):
                return statement
        return statement_with(statements_of(level, *ANSWERS[-2:]))

    async def _pass(self, gateway: Gateway, level: Level, r: Request) -> Status:
        """Here an upstream would be contacted, or an entry of its cache removed."""
        answer = gateway.purges(r) if isinstance(gateway, PurgingGateway) else None
        if answer is not None:
            return self._purge(level, answer if isinstance(answer, int) else answer[0], r)
        passed = await pass_on(gateway, level, r, self.trip, self.now)
        if isinstance(passed, KeptResponse):
            text = f"the cache answers: {status_text(r.status)}"
            line = self.trip.add(Result.NOTE, "content", text, passed.statement)
            self.trip.answer(line, 0)
            return passed.status
        if isinstance(passed, int):
            text = f"the request cannot be passed on: {status_text(passed)}"
            if len(self.trip.log) > self.trip.logged:
                text = f"{shown(self.trip.log[-1].text)}: {status_text(passed)}"
            statement = gateway.conf.target.statement if gateway.conf.target else None
            self.trip.answer(self.trip.add(Result.NOTE, "content", text, statement), passed)
            return passed
        self.trip.upstream = passed
        report_upstream(passed, level, self.trip)
        if r.parent is None:
            return DONE
        r.status = GRANTED if self.grants else DENIED
        return r.finish()

    async def _auth_request(self, handler: Handler, level: Level, r: Request) -> Status | None:
        """The subrequest of auth_request, with facts of its own."""
        outer, inner = self.trip, Trip()
        self.trip = inner
        try:
            answered = handler(r)
            rc = answered if answered is None or isinstance(answered, int) else await answered
        finally:
            self.trip = outer
        outer.log += [] if inner.upstream is not None else inner.log
        statements = level.set_by(AUTH_REQUEST)
        words = shown(" ".join(statements[0].args))
        place = location_text(inner.entered[0]) if inner.entered else "the server"
        if inner.upstream is not None:
            outer.questions.append(f"the answer of {AUTH_REQUEST} {words}")
            text = (
                f"location {place} passes it to {shown(inner.upstream.to)}, which is not contacted"
            )
            line = outer.add(Result.UNKNOWN, AUTH_REQUEST, text, *statements)
        else:
            outer.questions += inner.questions
            said = "allowed" if not rc else status_text(rc)
            mark = Result.FAILED if rc else Result.PASSED
            if inner.questions:
                said, mark = " and ".join(inner.questions), Result.UNKNOWN
            text = f"location {place} answers {words}: {said}"
            line = outer.add(mark, AUTH_REQUEST, text, *statements)
        if inner.decided is not None:
            by = inner.decided
            outer.add(Result.NOTE, "", f"{by.name}: {by.text}", by.statement)
        if rc:
            outer.refuse(line, rc)
        return rc

    # -- tokens ----------------------------------------------------------------------------

    async def _gate(self, gate: Gate, level: Level, r: Request) -> Status | None:
        trip, watch = self.trip, self._watches[gate]
        trip.gated = trip.gated or level
        trip.tokens.update([watch.report.token or ""])
        logged = len(trip.log)
        rc = await watch.handle(r)
        decided = len(trip.log)
        report = report_gate(level, r, watch, self._definitions, self.given, self.now)
        del trip.log[decided:]  # what the report evaluates again is logged again
        trip.lines += report.lines
        trip.examination = trip.examination or report.examination
        if report.lacking:
            del trip.log[logged:]  # the lines depend on the keys
            trip.log_question = f"the keys of {report.lacking}"
        if report.open_question:
            trip.questions.append(report.open_question)
        if report.as_if is not None and self.grants:
            r.clear_header("www-authenticate")
            rc = watch.accept(r, report.as_if)
        if rc:
            trip.refuse(self._first_failure(report.lines, level), rc)
        return rc

    def _first_failure(self, lines: list[Line], level: Level) -> Line:
        failed = [line for line in lines if line.mark in (Result.FAILED, Result.UNKNOWN)]
        failed.sort(key=lambda line: line.mark is Result.UNKNOWN)
        first = failed[0] if failed else lines[-1]
        if first.statement is None:
            first = first._replace(statement=statement_with(switch_statements(level)))
        return first

    def _settle(
        self, gate: Gate, settle: Settle, r: Request, ends: bool
    ) -> Awaitable[Status | None] | Status | None:
        """Verifies a token that is needed before the access phase with the given keys, or assumes
        that it is valid."""
        keyring = gate.plan.keyring
        assert keyring is not None
        token = gate.plan.find_token(r)
        with self._faults():
            requests = [s for s in keyring.sources(r, token) if isinstance(s, KeyRequest)]
            for source in requests:
                source.stand_in(self.keys)
        if not requests or self.keys is not None:
            return settle(r, ends)
        verifier = keyring.at_hand(r, token, self.now) if token else None
        if self.grants and isinstance(verifier, Verifier):
            exam = examine(verifier, token, self.now)
            if lacks_keys_only(exam):
                take_as_verified(r, exam)
                names = ", ".join(source.place for source in requests)
                if (question := f"the keys of {names}") not in self.trip.questions:
                    self.trip.questions.append(question)
        return None
