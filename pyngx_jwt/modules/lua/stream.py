"""Runs the code of the configuration in the phases of sessions of "stream"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...conf.scope import Scope
from ...core.worker import WorkerLife
from ...http.status import OK
from ...log import Severity
from ...stream.contexts import STREAM
from ...stream.level import StreamLevel, stream_shared
from ...stream.module import StreamModule
from ...stream.session import (
    SERVER_ERROR,
    SUCCESS,
    Status,
    StreamHandler,
    StreamPhase,
    StreamSession,
)
from .chunk import BoundChunk, Chunk
from .conf import LuaConf
from .driver import Ended, start
from .filters import LuaFilterConf
from .handlers import DECLINED, run_at_once
from .host import LuaHost
from .machine import CannotLoad
from .state import LuaSession, served

stream_lua = StreamModule("stream_lua", LuaConf)
stream_lua_early = StreamModule("stream_lua_early", LuaFilterConf)


@stream_lua.after_merge
def note_stream_level(conf: LuaConf, level: StreamLevel) -> None:
    if level.context is STREAM:
        level.shared(LuaHost).prepare(level.scope, conf)


# -- the life of a worker -------------------------------------------------------------------


@stream_lua.starts
def run_stream_init(scope: Scope) -> None:
    host = stream_shared(scope, LuaHost)
    if host.is_used:
        host.start()


@stream_lua.worker_starts
def run_stream_init_worker(scope: Scope, life: WorkerLife) -> None:
    host = stream_shared(scope, LuaHost)
    if host.is_used:
        host.start_worker(life)


@stream_lua.worker_ends
def close_stream_pools(scope: Scope) -> None:
    host = stream_shared(scope, LuaHost)
    if host.is_used:
        host.end_worker()


# -- phases ---------------------------------------------------------------------------------


@stream_lua.handler(StreamPhase.PREREAD)
def preread_late(conf: LuaConf, level: StreamLevel) -> StreamHandler | None:
    return None if conf.preread_by_lua_no_postpone else _prereading(conf, level)


@stream_lua_early.handler(StreamPhase.PREREAD)
def preread_early(conf: LuaFilterConf, level: StreamLevel) -> StreamHandler | None:
    lua = level[LuaConf]
    return _prereading(lua, level) if lua.preread_by_lua_no_postpone else None


def _prereading(conf: LuaConf, level: StreamLevel) -> StreamHandler | None:
    return _handler(conf.preread, level, "preread") if conf.preread is not None else None


@stream_lua.content
def run_stream_content(conf: LuaConf, level: StreamLevel) -> StreamHandler | None:
    return _handler(conf.content, level, "content") if conf.content is not None else None


@stream_lua_early.log  # before "access_log", as in nginx
def run_stream_log(
    conf: LuaFilterConf, level: StreamLevel
) -> Callable[[StreamSession], None] | None:
    chunk = level[LuaConf].log
    if chunk is None:
        return None
    bound, host = chunk.bind(level.variables), level.shared(LuaHost)

    def write(s: StreamSession) -> None:
        run_at_once(served(s, host, LuaSession), bound, "log")

    return write


# -- running --------------------------------------------------------------------------------


class StreamLuaHandler:
    """The handler that runs the code of a directive in a phase that can wait."""

    __slots__ = ("bound", "host", "phase")

    def __init__(self, phase: str, host: LuaHost, bound: BoundChunk) -> None:
        self.phase = phase
        self.host = host
        self.bound = bound

    def __call__(self, s: StreamSession) -> Awaitable[Status | None] | Status | None:
        run = served(s, self.host, LuaSession)
        run.phase = self.phase
        try:
            begun = start(run, run.machine.load(self.bound, s))
        except CannotLoad as error:
            run.log(Severity.ERR, str(error))
            return SERVER_ERROR
        if isinstance(begun, Ended) and not s.channel.unsent:
            return self._after(run, begun)
        return self._go_on(run, begun)

    async def _go_on(self, run: LuaSession, begun: Ended | Awaitable[Ended]) -> Status | None:
        try:
            ended = begun if isinstance(begun, Ended) else await begun
        finally:
            run.stop_threads()
        status = self._after(run, ended)
        if self.phase == "content" and status != SERVER_ERROR:
            await run.drain()
        return status

    def _after(self, run: LuaSession, ended: Ended) -> Status | None:
        """How the session goes on, or ends, once the code has ended."""
        run.give_back()
        if run.failure is not None:
            failure, run.failure = run.failure, None
            raise failure
        kind, values = ended
        if kind == "error":
            run.log(Severity.ERR, f"lua entry thread aborted: runtime error: {values[0]}")
            return SERVER_ERROR
        status = int(values[0]) if kind == "exit" else OK
        if self.phase == "content":
            return SUCCESS if status == OK else status if status > OK else SERVER_ERROR
        return None if status == DECLINED else status if status >= OK else SERVER_ERROR


def _handler(chunk: Chunk, level: StreamLevel, phase: str) -> StreamLuaHandler:
    return StreamLuaHandler(phase, level.shared(LuaHost), chunk.bind(level.variables))
