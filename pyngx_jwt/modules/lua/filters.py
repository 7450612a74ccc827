"""Runs code on responses, and before the directives of other modules."""

from __future__ import annotations

from ...conf.directive import Conf
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import Handler, HeaderFilter, Request
from ...log import Severity
from .chunk import BoundChunk
from .conf import LuaConf
from .handlers import (
    before_content,
    checking,
    refuse_response,
    request_of,
    rewriting,
    run_at_once,
)
from .host import LuaHost
from .machine import CannotLoad
from .state import LuaRequest


class LuaFilterConf(Conf):
    """No directives: those of the module "lua" count."""


lua_filters = Module("lua_filters", LuaFilterConf)


@lua_filters.handler(Phase.REWRITE)
def rewrite_early(conf: LuaFilterConf, level: Level) -> Handler | None:
    lua = level[LuaConf]
    return rewriting(lua, level) if lua.rewrite_by_lua_no_postpone else None


@lua_filters.handler(Phase.ACCESS)
def check_early(conf: LuaFilterConf, level: Level) -> Handler | None:
    lua = level[LuaConf]
    return checking(lua, level) if lua.access_by_lua_no_postpone else None


@lua_filters.handler(Phase.PRECONTENT)
def precontent_early(conf: LuaFilterConf, level: Level) -> Handler | None:
    lua = level[LuaConf]
    return before_content(lua, level) if lua.precontent_by_lua_no_postpone else None


@lua_filters.header_filter
def filter_response(conf: LuaFilterConf, level: Level) -> HeaderFilter | None:
    lua, variables = level[LuaConf], level.variables
    if not (lua.header_filter or lua.body_filter):
        return None
    return LuaHeaderFilter(
        level.scope.shared(LuaHost),
        lua.header_filter.bind(variables) if lua.header_filter else None,
        lua.body_filter.bind(variables) if lua.body_filter else None,
    )


class LuaHeaderFilter:
    """Runs the code for headers, and has that for the body run."""

    __slots__ = ("body", "headers", "host")

    def __init__(self, host: LuaHost, headers: BoundChunk | None, body: BoundChunk | None) -> None:
        self.host = host
        self.headers = headers
        self.body = body

    def __call__(self, r: Request) -> None:
        run = request_of(r, self.host)
        if self.headers is not None and not run.refused:
            if not run_at_once(run, self.headers, "header_filter"):
                run.refused = True
                raise ConnectionResetError
            refuse_response(run)
        if self.body is not None:
            r.body_filters += (LuaBodyFilter(run, self.body),)


class LuaBodyFilter:
    """Gives each part of the body to the code."""

    def __init__(self, run: LuaRequest, bound: BoundChunk) -> None:
        self._run, self._bound = run, bound
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        return self._changed(data, False)

    def end(self) -> bytes:
        return self._changed(b"", True)

    def _changed(self, data: bytes, eof: bool) -> bytes:
        if self._ended:
            return b""
        run = self._run
        before, run.phase = run.phase, "body_filter"
        try:
            machine = run.machine
            code = machine.load(self._bound, run.r)
            text = data.decode("latin-1")
            ok, failure, text, eof = machine.filter(code, run, run.shared, text, eof)
        except CannotLoad as error:
            ok, failure = False, str(error)
        finally:
            run.phase = before
        if not ok:
            run.log(Severity.ERR, f"failed to run body_filter_by_lua*: {failure}")
            raise ConnectionResetError
        self._ended = bool(eof)
        return text.encode("latin-1")
