"""Runs the code of the configuration in the phases of requests, and in the life of workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...conf.scope import Scope
from ...core.worker import WorkerLife
from ...http.body import KeptBody, read_body
from ...http.contexts import HTTP, LOCATION_IF, SERVER
from ...http.failure import RequestFailed
from ...http.level import Level
from ...http.lifecycle import note_absence
from ...http.module import Module, Phase
from ...http.request import Handler, HeaderRefused, Request, Status
from ...http.session import Session
from ...http.status import CLIENT_CLOSED, CLOSE, DONE, OK
from ...http.uri import parse_unsafe_uri
from ...log import Severity
from ..rewrite import BadValue
from .chunk import BoundChunk, Chunk
from .conf import LuaConf, Runners
from .driver import Ended, start
from .handshakes import run_handshake
from .host import LuaHost
from .machine import CannotLoad
from .state import LuaRequest, LuaServed, LuaSession, served

ERROR, DECLINED = -1, -5  # of "ngx"
AT_ONCE = frozenset({408, CLOSE, CLIENT_CLOSED})  # statuses that are no responses
Answer = Awaitable[Status | None] | Status | None

lua = Module("lua", LuaConf)


@lua.before_read
def know_how_to_set(scope: Scope) -> None:
    runners = scope.shared(Runners)
    runners.set, runners.balance, runners.take_part = run_set, run_balancer, run_handshake


@lua.after_merge
def note_main_level(conf: LuaConf, level: Level) -> None:
    if level.context & HTTP:
        level.scope.shared(LuaHost).prepare(level.scope, conf)


# -- the life of a worker -------------------------------------------------------------------


@lua.starts
def run_init(scope: Scope) -> None:
    """In the master: workers begin with what this leaves."""
    host = scope.shared(LuaHost)
    if host.is_used:
        host.start()


@lua.worker_starts
def run_init_worker(scope: Scope, life: WorkerLife) -> None:
    host = scope.shared(LuaHost)
    if host.is_used:
        host.start_worker(life)


@lua.worker_ends
def run_exit_worker(scope: Scope) -> None:
    host = scope.shared(LuaHost)
    if host.is_used:
        host.end_worker()


# -- requests -------------------------------------------------------------------------------


def request_of(r: Request, host: LuaHost) -> LuaRequest:
    """What Lua knows of a request, which is made at its first code."""
    return served(r, host, LuaRequest)


class LuaHandler:
    """The handler that runs the code of a directive in a phase that can wait."""

    __slots__ = ("bound", "chunk", "host", "needs_body", "phase")

    def __init__(
        self, chunk: Chunk, phase: str, host: LuaHost, bound: BoundChunk, needs_body: bool
    ) -> None:
        self.chunk = chunk
        self.phase = phase
        self.host = host
        self.bound = bound
        self.needs_body = needs_body

    def choose(self, r: Request) -> LuaHandler | None:
        """The one whose code runs for a request."""
        return self

    def __call__(self, r: Request) -> Answer:
        if self.needs_body and r.body is None:
            if r.body_in is not None:
                return self._with_body(r)
            r.body = KeptBody()
        return run_phase(r, self.host, self.bound, self.phase)

    async def _with_body(self, r: Request) -> Status | None:
        await read_body(r)
        answer = run_phase(r, self.host, self.bound, self.phase)
        return answer if answer is None or isinstance(answer, int) else await answer


class LuaChoice:
    """The handlers of a location and of each "if" in it, by the identity of their confs."""

    __slots__ = ("handlers",)

    def __init__(self, handlers: dict[int, LuaHandler]) -> None:
        self.handlers = handlers

    def choose(self, r: Request) -> LuaHandler | None:
        return self.handlers.get(id(r.location.conf(LuaConf)))

    def __call__(self, r: Request) -> Answer:
        chosen = self.choose(r)
        return None if chosen is None else chosen(r)


def _handler(chunk: Chunk, level: Level, phase: str) -> LuaHandler:
    bound, host = chunk.bind(level.variables), level.scope.shared(LuaHost)
    return LuaHandler(chunk, phase, host, bound, level[LuaConf].lua_need_request_body)


def run_phase(r: Request, host: LuaHost, bound: BoundChunk, phase: str) -> Answer:
    """Runs code as far as it does not wait."""
    run = request_of(r, host)
    run.phase = phase
    try:
        code = run.machine.load(bound, r)
    except CannotLoad as error:
        run.log(Severity.ERR, str(error))
        return error.status
    begun = start(run, code)
    return _after(run, phase, begun) if isinstance(begun, Ended) else _go_on(run, phase, begun)


async def _go_on(run: LuaRequest, phase: str, begun: Awaitable[Ended]) -> Status | None:
    r, main = run.r, run.r.main
    ignored = main.ignore_abort
    main.ignore_abort = ignored or not run.conf.lua_check_client_abort
    try:
        ended = await begun
    finally:
        main.ignore_abort = ignored
        run.stop_threads()
    if r.connection.closed and not ignored:
        note_absence(r)
        raise ConnectionResetError
    answer = _after(run, phase, ended)
    return answer if answer is None or isinstance(answer, int) else await answer


def _after(run: LuaRequest, phase: str, ended: Ended) -> Answer:
    """What becomes of a request whose code has ended."""
    if run.failure is not None:
        failure, run.failure = run.failure, None
        raise failure
    kind, values = ended
    if kind == "done":
        return _finished(run, phase)
    if kind == "exit":
        return _exited(run, phase, int(values[0]))
    if kind == "exec":
        return _executed(run.r, *values)
    if kind == "error":
        run.log(Severity.ERR, f"lua entry thread aborted: runtime error: {values[0]}")
        run.held = None
        return 500
    return None


def _finished(run: LuaRequest, phase: str) -> Answer:
    if run.failure is not None:
        return _after(run, phase, Ended("done"))
    if phase == "content" or run.has_output:
        run.end_output()
        return DONE
    return OK if phase == "access" else None


def _exited(run: LuaRequest, phase: str, status: int) -> Answer:
    """ngx_http_lua_handle_exit."""
    r = run.r
    if not r.header_sent and not r.status and status >= 200:
        r.status = status
    if run.held is not None and status != ERROR and status not in AT_ONCE:
        run.end_output()
        return DONE
    if (status == OK and phase == "content") or (200 <= status < 300 and status != 204):
        run.end_output()
        return DONE
    if r.header_sent and status > OK and status not in AT_ONCE:
        if status != r.status:
            run.log(
                Severity.ERR,
                f"attempt to set status {status} via ngx.exit after sending out the response"
                f" status {r.status}",
            )
        run.end_output()
        return DONE
    if status == ERROR:
        return CLOSE
    if status == OK:
        return OK if phase == "access" else None
    return None if status < 0 else status


def _executed(r: Request, uri: str, args: str | None = None) -> Status:
    if uri.startswith("@"):
        return r.go_named(uri.partition("?")[0])
    parts = parse_unsafe_uri(uri)
    if parts is None:
        r.log(Severity.ERR, f'unsafe uri in argument #1: "{uri}"')
        return 500
    joined = "&".join(part for part in (parts[1], args) if part)
    return r.redirect(parts[0], joined)


# -- phases ---------------------------------------------------------------------------------


@lua.handler(Phase.REWRITE)
def rewrite_late(conf: LuaConf, level: Level) -> Handler | None:
    return None if conf.rewrite_by_lua_no_postpone else rewriting(conf, level)


def rewriting(conf: LuaConf, level: Level) -> Handler | None:
    """The code of the server, or that of the location and of an "if" in it that holds."""
    if level.context & SERVER:
        return (
            _handler(conf.server_rewrite, level, "server_rewrite") if conf.server_rewrite else None
        )
    levels = [level, *level.inner(LOCATION_IF)]
    by_conf = {
        id(at[LuaConf]): _handler(at[LuaConf].rewrite, at, "rewrite")  # type: ignore[arg-type]
        for at in levels
        if at[LuaConf].rewrite
    }
    if not by_conf:
        return None
    if len({id(at[LuaConf]) for at in levels}) == 1:
        return by_conf[id(conf)]

    return LuaChoice(by_conf)


@lua.handler(Phase.PREACCESS)
def rewrite_outside_locations(conf: LuaConf, level: Level) -> Handler | None:
    """Requests that no location is for have the server's own code, too."""
    if level.context & SERVER and conf.rewrite:
        return _handler(conf.rewrite, level, "rewrite")
    return None


@lua.handler(Phase.ACCESS)
def check_late(conf: LuaConf, level: Level) -> Handler | None:
    return None if conf.access_by_lua_no_postpone else checking(conf, level)


def checking(conf: LuaConf, level: Level) -> Handler | None:
    return _handler(conf.access, level, "access") if conf.access else None


@lua.handler(Phase.PRECONTENT)
def precontent_late(conf: LuaConf, level: Level) -> Handler | None:
    return None if conf.precontent_by_lua_no_postpone else before_content(conf, level)


def before_content(conf: LuaConf, level: Level) -> Handler | None:
    return _handler(conf.precontent, level, "precontent") if conf.precontent else None


@lua.content
def run_content(conf: LuaConf, level: Level) -> Handler | None:
    return _handler(conf.content, level, "content") if conf.content else None


@lua.log
def run_log(conf: LuaConf, level: Level) -> Callable[[Request], None] | None:
    if conf.log is None:
        return None
    bound, host = conf.log.bind(level.variables), level.scope.shared(LuaHost)

    def write(r: Request) -> None:
        run = request_of(r, host)
        run_at_once(run, bound, "log")
        if run.is_left:
            run.close()

    return write


# -- code that cannot wait ------------------------------------------------------------------


def run_at_once(run: LuaServed, bound: BoundChunk, phase: str) -> bool:
    """Runs code that returns nothing of interest; whether that went well.  Errors are logged."""
    before, run.phase = run.phase, phase
    try:
        code = run.machine.load(bound, run.r)
        ok, failure = run.machine.call(code, run, run.shared, phase)
    except CannotLoad as error:
        ok, failure = False, str(error)
    finally:
        run.phase = before
    if not ok:
        run.log(Severity.ERR, f"failed to run {phase}_by_lua*: {failure}")
    return bool(ok)


def run_set(r: Request, bound: BoundChunk, arguments: list[str]) -> str:
    """The value of "set_by_lua"; raises BadValue."""
    run = request_of(r, r.location.conf(LuaConf).level.shared(LuaHost))
    machine = run.machine
    before, run.phase = run.phase, "set"
    try:
        code = machine.load(bound, r)
        ok, value = machine.set(code, run, run.shared, machine.table(arguments))
    except CannotLoad as error:
        raise BadValue(str(error)) from None
    finally:
        run.phase = before
    if not ok:
        raise BadValue(f"failed to run set_by_lua*: {value or 'unknown reason'}")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_response(run: LuaRequest) -> None:
    """A filter of headers may ask for an error page, once."""
    status, run.exit_code = run.exit_code, None
    if status is not None and status > OK and not run.refused:
        run.refused = True
        raise HeaderRefused(status)


def run_balancer(r: Session, bound: BoundChunk, has_failed: bool) -> LuaServed:
    """Runs the code that chooses a server; raises RequestFailed."""
    host = r.conf(LuaConf).level.shared(LuaHost)
    run = served(r, host, LuaRequest if isinstance(r, Request) else LuaSession)
    run.picked, run.more_tries, run.exit_code, run.has_failed = "", 0, None, has_failed
    if not run_at_once(run, bound, "balancer"):
        raise RequestFailed
    return run
