"""What a process has of Lua: its state, its timers, and what it says about itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any
from weakref import proxy

from ... import NGINX_VERSION
from ...conf.scope import Scope
from ...core.logs import Logs
from ...core.main import MainConf
from ...core.worker import WorkerLife
from ...errors import ConfError
from ...http.session import Session
from ...log import Log, Severity
from .chunk import BoundChunk, Chunk
from .conf import LuaConf, LuaSettings
from .connections import Pools
from .dictionary import Dictionary
from .machine import CannotLoad, Machine, Surroundings
from .state import LuaRun
from .timers import Timers

# Of the modules whose APIs these are: 0.10.29, and 0.0.20 in "stream".
LUA_VERSION, STREAM_VERSION = 10029, 20


class LuaHost:
    """One per configuration and process for "http", and another for "stream"."""

    def __init__(self) -> None:
        self.scope: Scope = None  # type: ignore[assignment]  # from the start on
        self.machine: Machine | None = None
        self.number, self.workers, self.exiting = -1, 1, False
        self.owns_process = False
        self.conf: LuaConf = None  # type: ignore[assignment]
        self.timers, self.pools = Timers(self), Pools()

    @property
    def is_used(self) -> bool:
        """Whether the configuration has such a block, and Lua in it."""
        return self.conf is not None and self.settings.used

    @property
    def settings(self) -> LuaSettings:
        return self.conf.settings

    def prepare(self, scope: Scope, conf: LuaConf) -> None:
        self.scope, self.conf = scope, conf

    @property
    def log(self) -> Log:
        return self.scope.shared(Logs).of(self.conf.level[MainConf])

    def new_machine(self) -> Machine:
        """A Lua state that has run "init_by_lua"; raises ConfError if that fails."""
        # What there is for Lua to call is a third of this package, and seldom needed.
        from .functions import FUNCTIONS, STREAM_FUNCTIONS

        settings, in_stream = self.settings, self.conf.is_of_stream
        root = self.scope.options.full_name("")
        around = Surroundings(
            settings,
            self.log,
            root,
            {name: Dictionary(zone) for name, zone in settings.dictionaries.items()},
            {**(STREAM_FUNCTIONS if in_stream else FUNCTIONS), **self._own_functions()},
            {
                "subsystem": "stream" if in_stream else "http",
                "debug": False,
                "prefix": lambda: root,
                "nginx_version": _version(NGINX_VERSION),
                "nginx_configure": lambda: f" --prefix={root}",
                "ngx_lua_version": STREAM_VERSION if in_stream else LUA_VERSION,
                "is_console": False,
            },
            self.pools,
        )
        machine = Machine(around)
        self._run_once(machine, settings.init, "init")
        return machine

    def machine_for(self, r: Session) -> Machine:
        """The state of this process, or a new one for each session if code is not kept."""
        if self.machine is None or not r.conf(LuaConf).lua_code_cache:
            return self.new_machine()
        return self.machine

    def _run_once(self, machine: Machine, chunk: Chunk | None, phase: str) -> None:
        """Runs code of no request; raises ConfError."""
        if chunk is None:
            return
        run = LuaRun(machine, self.log, self.conf, phase)
        tag = f"{phase}_by_lua" if chunk.path is None else f"{phase}_by_lua_file"
        try:
            code = machine.load(BoundChunk(chunk, None), None)
            ok, failure = machine.call(code, run, run.shared, phase)
        except CannotLoad as error:
            raise ConfError(f"{tag} error: {error.reason}").nowhere() from None
        finally:
            run.close()
        if not ok:
            raise ConfError(f"{tag} error: {failure}").nowhere()

    # -- the life of the process -----------------------------------------------------------

    def start(self) -> None:
        """In the master; raises ConfError if "init_by_lua" fails."""
        if self.machine is None:
            self.machine = self.new_machine()

    def start_worker(self, life: WorkerLife) -> None:
        self.number, self.owns_process = life.number, life.owns_process
        self.start()
        self.timers.begin(life)
        self._run_logged(self.settings.init_worker, "init_worker")

    def end_worker(self) -> None:
        self.pools.close()
        self._run_logged(self.settings.exit_worker, "exit_worker")

    def _run_logged(self, chunk: Chunk | None, phase: str) -> None:
        assert self.machine is not None
        try:
            self._run_once(self.machine, chunk, phase)
        except ConfError as error:
            self.log.write(Severity.ERR, str(error))

    def _own_functions(self) -> dict[str, Callable[..., Any]]:
        """What Lua can ask about the process; its state must not keep this object."""
        host, timers = proxy(self), proxy(self.timers)
        return {
            "worker_pid": os.getpid,
            "master_pid": lambda: host.master_pid(),
            "process_type": lambda: "master" if host.number < 0 else "worker",
            "worker_id": lambda: max(host.number, 0),
            "worker_count": lambda: host.scope_main.workers or os.cpu_count() or 1,
            "worker_exiting": lambda: host.exiting,
            "start_timer": lambda *arguments: timers.start(*arguments),
            "timer_counts": lambda: timers.counts(),
            "give_up": lambda: host.give_up(),
            "watch": lambda seconds: host.watch(seconds),
        }

    def master_pid(self) -> int:
        return os.getpid() if self.number < 0 else os.getppid()

    @property
    def scope_main(self) -> MainConf:
        level: Any = self.conf.level
        while level.outer is not None:
            level = level.outer
        main: MainConf = level[MainConf]
        return main

    def watch(self, seconds: float) -> None:
        """A signal ends the worker after so many seconds of processor time, none if it is 0."""
        if self.owns_process:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    def give_up(self) -> None:
        """Code runs on although it was told to end: the worker is replaced."""
        if not self.owns_process:
            return
        text = "code of Lua does not end, the worker exits"
        self.log.write(Severity.ALERT, f'{text} ("pyngx_lua_timeout")')
        os._exit(1)


def _version(text: str) -> int:
    major, minor, patch = (int(part) for part in text.split("."))
    return major * 1000000 + minor * 1000 + patch
