"""Runs code in TLS handshakes ("ssl_client_hello_by_lua", "ssl_certificate_by_lua")."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from ...http.ports import Greeting
from ...log import Severity
from .chunk import BoundChunk
from .conf import LuaConf
from .driver import DONE, ENDS, Ended, drive
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
        outcome = run.machine.enter(run.machine.load(bound, None), run, run.shared, phase)
    except CannotLoad as error:
        run.log(Severity.ERR, str(error))
        return _ended(run, Ended("exit", (error.status,)))
    if outcome is None:
        return _ended(run, DONE)
    thread, wanted, *values = outcome
    if wanted in ENDS and not run.tasks:
        return _ended(run, Ended(wanted, tuple(values)))
    return _drive(run, thread, wanted, tuple(values))


async def _drive(run: LuaHandshake, thread: Any, wanted: str, values: tuple[Any, ...]) -> bool:
    ended = Ended("exit", (-1,))  # if the client does not wait
    try:
        ended = await drive(run, thread, wanted, values)
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
