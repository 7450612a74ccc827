"""One process that serves and acts on signals itself (``master_process off``)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable

from ..core.module import MasterEvent
from ..log import Log, Severity
from .boot import Boot
from .generation import Generation, load_generation
from .loop import new_event_loop
from .pidfile import delete_pidfile
from .serving import Serving
from .signals import Signals, log_signal
from .sockets import discard
from .systemd import KEPT, Manager
from .titles import title_single
from .watch import CHANGED, FileWatch
from .worker import FATAL, init_worker


class Single:
    """The one process; ``run`` returns the exit status."""

    def __init__(self, boot: Boot, generation: Generation, signals: Signals) -> None:
        self.boot, self.generation, self.signals = boot, generation, signals
        self.manager = Manager(boot.environ)
        self.servers: list[Serving] = []  # the last one is of the configuration in force
        self._watching: asyncio.Task[None] | None = None
        self._acts: dict[signal.Signals, tuple[str, Callable[[], None] | None]] = {
            signal.SIGTERM: ("exiting", self._terminate),
            signal.SIGINT: ("exiting", self._terminate),
            signal.SIGQUIT: ("shutting down", self._quit),
            signal.SIGHUP: ("reconfiguring", self._reconfigure),
            signal.SIGUSR1: ("reopening logs", self._reopen),
            signal.SIGUSR2: ("ignoring", None),
            signal.SIGWINCH: ("", None),
        }

    @property
    def log(self) -> Log:
        return self.generation.log

    def run(self) -> int:
        title_single()
        # Root stays root, as in nginx: there is no master to keep the privileges.
        if not init_worker(self.generation.cycle.main, None, self.boot.environ, self.log):
            return FATAL
        loop = new_event_loop(self.log)
        try:
            code = loop.run_until_complete(self._serve())
        finally:
            with contextlib.suppress(Exception):
                loop.close()
        self.generation.cycle.open_files.flush(self.log)
        delete_pidfile(self.generation.cycle.main.pid, self.log)
        self.log.write(Severity.NOTICE, "exit")
        self._close_sockets()
        self.generation.cycle.exit()
        if self.generation.zone_directory is not None:
            self.generation.zone_directory.remove()
        return code

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        self.generation.note(MasterEvent.STARTED)
        self._start_server()
        for number in self._acts:
            loop.add_signal_handler(number, self._signalled, number)
        for number in self.signals.take():  # what came before the loop ran
            self._signalled(number)
        self.servers[-1].when_serving(self.manager.ready)
        code = 0
        while self.servers:
            server = self.servers[0]
            if not await server.done() and server is self.servers[-1]:
                code = FATAL
            self.servers.remove(server)
        if self._watching is not None:
            self._watching.cancel()
        return code

    def _watch_files(self) -> None:
        """Looks at the files of the configuration in force, if they are to be looked at."""
        if self._watching is not None:
            self._watching.cancel()
        watch = self.generation.watch(time.monotonic())
        looking = self._look_at_files(watch) if watch is not None else None
        self._watching = asyncio.get_running_loop().create_task(looking) if looking else None

    async def _look_at_files(self, watch: FileWatch) -> None:
        while True:
            await asyncio.sleep(watch.interval)
            if watch.has_changed(time.monotonic()):
                self.log.write(Severity.NOTICE, CHANGED)
                self._reconfigure()

    def _start_server(self) -> None:
        cycle = self.generation.cycle
        # Copies: the server closes its own, ours are kept for the next configuration.
        sockets = [(x.listen, x.socket.dup()) for x in self.generation.sockets if x.socket]
        self.servers.append(Serving(cycle, sockets, self.boot.serve, self.boot.numbers))
        self._watch_files()

    def _signalled(self, number: signal.Signals) -> None:
        if number not in self._acts:
            return
        words, act = self._acts[number]
        log_signal(number, words, self.log)
        if act is not None:
            act()

    def _terminate(self) -> None:
        self.manager.stopping()
        for server in self.servers:
            server.terminate()

    def _quit(self) -> None:
        self.log.write(Severity.NOTICE, "gracefully shutting down")
        self.manager.stopping()
        for server in self.servers:
            server.quit()
        self._close_sockets()

    def _reconfigure(self) -> None:
        if self.servers[-1].stopping:
            return
        self.log.write(Severity.NOTICE, "reconfiguring")
        self.manager.reloading()
        options, load = self.boot.options, self.boot.load
        generation = load_generation(options, load, self.log, self.generation, [])
        if generation is None:
            self.manager.ready(KEPT)
            self.generation.note(MasterEvent.REJECTED)
            return
        gc.unfreeze()  # what only the old configuration needs can be collected once it ends
        former, self.generation = self.generation, generation
        generation.note(MasterEvent.RELOADED)
        generation.log.redirect_stderr()
        old = self.servers[-1]
        self._start_server()

        def replace() -> None:
            self.manager.ready()
            old.quit()

        self.servers[-1].when_serving(replace)
        old.task.add_done_callback(lambda _: former.cycle.zones.retire(self.generation.cycle.zones))

    def _reopen(self) -> None:
        self.log.write(Severity.NOTICE, "reopening logs")
        self.generation.cycle.open_files.reopen(self.log)
        self.log.redirect_stderr()

    def _close_sockets(self) -> None:
        discard(self.generation.sockets, self.log, inherited=not self.boot.executor_runs)
