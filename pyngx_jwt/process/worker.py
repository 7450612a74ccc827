"""A worker process: gives up privileges, serves, and ends when its master says so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Mapping

from ..core.capabilities import hold_capabilities, keep_net_raw
from ..core.module import User
from ..log import Log, Severity, errno_text
from .cycle import LoadedCycle, ProcessSettings, Serve
from .environment import set_environment
from .loop import new_event_loop
from .serving import Serving, log_exception
from .signals import log_signal, unblock_signals
from .sockets import Listening
from .titles import title_leaving_worker, title_worker

# What master and worker say to each other over their channel, a byte each.
QUIT, TERMINATE, REOPEN, READY = b"Q", b"T", b"R", b"+"
FATAL = 2  # the exit code of a worker that would end again if it were started again


class Worker:
    """All that a worker is started with; ``channel`` is its end of the pair."""

    __slots__ = ("channel", "cycle", "daemonized", "index", "numbers", "serve", "sockets", "user")

    def __init__(
        self,
        cycle: LoadedCycle,
        sockets: list[Listening],
        index: int,
        user: User | None,
        channel: socket.socket,
        serve: Serve,
        numbers: Iterator[int],
        daemonized: bool,
    ) -> None:
        self.cycle = cycle
        self.sockets = sockets
        self.index = index
        self.user = user
        self.channel = channel
        self.serve = serve
        self.numbers = numbers
        self.daemonized = daemonized

    def run(self) -> int:
        """Serves until told to stop; the exit status."""
        log = self.cycle.log
        title_worker()  # while we may
        try:
            if not init_worker(self.cycle.main, self.user, os.environ, log):
                return FATAL
            code = self._serve()
        except Exception as error:
            log_exception(error, log)
            return FATAL
        if code == 0:
            log.write(Severity.NOTICE, "exiting")
        self.cycle.exit()
        self.cycle.open_files.flush(log)
        log.write(Severity.NOTICE, "exit")
        return code

    def _serve(self) -> int:
        loop = new_event_loop(self.cycle.log)
        try:
            return loop.run_until_complete(_Running(self).run())
        finally:
            with contextlib.suppress(Exception):
                loop.close()


class _Running:
    """A worker while its loop runs."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.log = worker.cycle.log
        self.ready = False

    async def run(self) -> int:
        worker, loop = self.worker, asyncio.get_running_loop()
        sockets = [(x.listen, x.socket) for x in worker.sockets if x.socket is not None]
        self.serving = Serving(worker.cycle, sockets, worker.serve, worker.numbers, worker.index)
        self._handle_signals(loop)
        worker.channel.setblocking(False)
        loop.add_reader(worker.channel, self._listen_to_master)
        unblock_signals()
        self.serving.when_serving(self._say_ready)
        ended_as_told = await self.serving.done()
        loop.remove_reader(worker.channel)
        if ended_as_told:
            return 0
        return 1 if self.ready else FATAL

    def _handle_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        noaccept = ("shutting down", self.quit) if self.worker.daemonized else ("", None)
        actions: dict[signal.Signals, tuple[str, Callable[[], None] | None]] = {
            signal.SIGQUIT: ("shutting down", self.quit),
            signal.SIGWINCH: noaccept,
            signal.SIGTERM: ("exiting", self.terminate),
            signal.SIGINT: ("exiting", self.terminate),
            signal.SIGUSR1: ("reopening logs", self.reopen),
            signal.SIGHUP: ("ignoring", None),
            signal.SIGUSR2: ("ignoring", None),
        }
        for number, (words, act) in actions.items():
            loop.add_signal_handler(number, self._signalled, number, words, act)

    def _signalled(
        self, number: signal.Signals, words: str, act: Callable[[], None] | None
    ) -> None:
        log_signal(number, words, self.log)
        if act is not None:
            act()

    def _listen_to_master(self) -> None:
        try:
            heard = self.worker.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(self.worker.channel)
            self.log.write(Severity.NOTICE, "the master process is gone, shutting down")
            self.quit()
        for word, act in ((REOPEN, self.reopen), (QUIT, self.quit), (TERMINATE, self.terminate)):
            if word in heard:
                act()

    def _say_ready(self) -> None:
        self.ready = True
        with contextlib.suppress(OSError):
            self.worker.channel.send(READY)

    def quit(self) -> None:
        if not self.serving.stopping:
            title_leaving_worker()
            self.log.write(Severity.NOTICE, "gracefully shutting down")
        self.serving.quit()

    def terminate(self) -> None:
        self.serving.terminate()

    def reopen(self) -> None:
        self.log.write(Severity.NOTICE, "reopening logs")
        self.worker.cycle.open_files.reopen(self.log)


def init_worker(
    main: ProcessSettings, user: User | None, environ: Mapping[str, str], log: Log
) -> bool:
    """Sets limits, user, directory and environment; False if one failed
    (ngx_worker_process_init)."""
    set_environment(main.env, environ)
    if main.worker_rlimit_nofile:
        limit = main.worker_rlimit_nofile
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        except (OSError, ValueError) as error:
            reason = errno_text(error) if isinstance(error, OSError) else f"({error})"
            log.write(Severity.ALERT, f"setrlimit(RLIMIT_NOFILE, {limit}) failed {reason}")
    became = _become_user(user, log, keeps_net_raw=main.keeps_net_raw)
    return became and _change_directory(main.working_directory, log)


def _become_user(user: User | None, log: Log, *, keeps_net_raw: bool) -> bool:
    if user is None:
        return True
    uid, gid = user
    doing = f"setgid({gid})"
    try:
        os.setgid(gid)
        doing = f"initgroups({uid}, {gid})"
        _set_groups(uid, gid)
        if keeps_net_raw and uid:
            hold_capabilities()
        doing = f"setuid({uid})"
        os.setuid(uid)
        if keeps_net_raw and uid:
            keep_net_raw()
    except OSError as error:
        log.write(Severity.EMERG, f"{error.filename or doing} failed {errno_text(error)}")
        return False
    return True


def _set_groups(uid: int, gid: int) -> None:
    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:  # a user without a name has no other groups
        os.setgroups([gid])


def _change_directory(directory: str, log: Log) -> bool:
    try:
        if directory:
            os.chdir(directory.encode("latin-1"))
    except OSError as error:
        log.write(Severity.ALERT, f'chdir("{directory}") failed {errno_text(error)}')
        return False
    return True
