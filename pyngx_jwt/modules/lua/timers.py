"""Timers of a worker ("ngx.timer")."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol
from weakref import proxy

from ...core.worker import WorkerLife
from ...log import Log, Severity
from .conf import LuaConf, LuaSettings
from .driver import Ended, start
from .state import LuaRun


class Host(Protocol):
    conf: LuaConf
    exiting: bool

    @property
    def settings(self) -> LuaSettings: ...
    @property
    def log(self) -> Log: ...


class Timers:
    """Those of one worker; they run early, and are told so, when it ends."""

    def __init__(self, host: Host) -> None:
        self._host: Host = proxy(host)
        self._pending: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._ends: asyncio.Event | None = None

    def begin(self, life: WorkerLife) -> None:
        self._ends = asyncio.Event()
        life.until_quit(self._note_end())
        life.finishes(self._pending)
        life.finishes(self._running)

    async def _note_end(self) -> None:
        """Until the worker accepts no more connections."""
        try:
            await asyncio.Event().wait()
        finally:
            self._host.exiting = True
            if self._ends is not None:
                self._ends.set()

    def counts(self) -> tuple[int, int]:
        return len(self._running), len(self._pending)

    def start(self, run: LuaRun | None, delay: float, every: bool, code: Any) -> Any:
        """ "ngx.timer.at" and "ngx.timer.every"."""
        if run is None or self._ends is None:
            return None, "no event loop to run timers in"
        if self._ends.is_set():
            return None, "process exiting"
        if len(self._pending) >= self._host.settings.pending_timers:
            return None, "too many pending timers"
        work = self._repeat if every else self._once
        task = asyncio.get_running_loop().create_task(work(run.machine, delay, code))
        self._pending.add(task)
        task.add_done_callback(self._forget)
        return 1

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._running.discard(task)

    async def _once(self, machine: Any, delay: float, code: Any) -> None:
        premature = await self._wait(delay)
        task = asyncio.current_task()
        assert task is not None
        self._pending.discard(task)
        await self._run(machine, code, premature, task)

    async def _repeat(self, machine: Any, delay: float, code: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        premature = False
        while not premature:
            premature = await self._wait(delay)
            running = asyncio.get_running_loop().create_task(
                self._run_in_task(machine, code, premature)
            )
            running.add_done_callback(self._forget)
            if premature:
                self._pending.discard(task)
                await running

    async def _run_in_task(self, machine: Any, code: Any, premature: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        await self._run(machine, code, premature, task)

    async def _wait(self, delay: float) -> bool:
        """Whether the worker has ended first."""
        assert self._ends is not None
        waiting = asyncio.ensure_future(self._ends.wait())
        try:
            await asyncio.wait((waiting,), timeout=delay)
        finally:
            waiting.cancel()
        return self._ends.is_set()

    async def _run(
        self, machine: Any, code: Any, premature: bool, task: asyncio.Task[None]
    ) -> None:
        host = self._host
        if len(self._running) >= host.settings.running_timers:
            text = f"{host.settings.running_timers} lua_max_running_timers are not enough"
            host.log.write(Severity.ALERT, text)
            return
        self._running.add(task)
        run = LuaRun(machine, host.log, host.conf, "timer")
        try:
            begun = start(run, code, premature)
            ended = begun if isinstance(begun, Ended) else await begun
            if ended.kind == "error":
                run.log(Severity.ERR, f"lua entry thread aborted: runtime error: {ended.values[0]}")
        finally:
            with contextlib.suppress(Exception):
                run.close()
