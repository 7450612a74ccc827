"""Runs code in TLS handshakes ("ssl_client_hello_by_lua", "ssl_certificate_by_lua")."""

from __future__ import annotations

from collections.abc import Awaitable

from ...http.ports import Greeting
from ...log import Severity
from .chunk import BoundChunk
from .conf import LuaConf
from .driver import Ended, start
from .host import LuaHost
from .machine import CannotLoad
from .state import LuaHandshake


def run_handshake(
    conf: LuaConf, bound: BoundChunk, phase: str, greeting: Greeting
) -> Awaitable[bool] | bool:
    """Whether the handshake may go on."""
    host = conf.scope.shared(LuaHost)
    machine = host.machine if conf.lua_code_cache else host.new_machine()
    run = LuaHandshake(machine, host.log, conf, phase, greeting)
    try:
        begun = start(run, run.machine.load(bound, None))
    except CannotLoad as error:
        run.log(Severity.ERR, str(error))
        return _ended(run, Ended("exit", (error.status,)))
    return _ended(run, begun) if isinstance(begun, Ended) else _drive(run, begun)


async def _drive(run: LuaHandshake, begun: Awaitable[Ended]) -> bool:
    ended = Ended("exit", (-1,))  # if the client does not wait
    try:
        ended = await begun
    finally:
        is_good = _ended(run, ended)
    return is_good


def _ended(run: LuaHandshake, ended: Ended) -> bool:
    kind, values = ended
    if kind == "error":
        run.log(Severity.ERR, f"lua entry thread aborted: runtime error: {values[0]}")
    run.greeting.context = run.shared.ctx
    run.close()
    return kind == "done" or (kind == "exit" and 0 <= int(values[0]) < 300)
