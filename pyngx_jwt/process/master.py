"""The master process: starts workers, replaces them, and acts on signals.

It serves nothing and runs no event loop, so that it may fork at any time.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import NoReturn

from ..core.module import MasterEvent
from ..log import Log, Severity, errno_text
from .boot import Boot
from .children import Child, reap
from .generation import Generation, load_generation
from .pidfile import OLD, delete_pidfile, rename_pidfile
from .serving import log_exception
from .signals import Signals, block_signals, log_signal, unblock_signals
from .sockets import discard
from .systemd import KEPT, Manager
from .titles import title_master
from .upgrade import execute_new_binary
from .watch import CHANGED
from .worker import QUIT, REOPEN, TERMINATE, Worker

KILL_AFTER = 1.5  # seconds between TERM and KILL, the sum of nginx's delays
START_DEADLINE = 30.0  # seconds after which a reload no longer waits for slow workers
MOST_RELOADS = 16  # between two searches for garbage
REJECTED = 4  # reloads that leave no more garbage than one that is rejected
ZONES_GONE = "another program has removed files of shared memory zones"
RESPAWN_PAUSE = 0.5  # seconds from one start of a worker to the next one in its place


class Master:
    """One running master; ``run`` returns the exit status."""

    def __init__(self, boot: Boot, generation: Generation, signals: Signals) -> None:
        self.boot, self.generation, self.signals = boot, generation, signals
        self.manager = Manager(boot.environ)
        self.children: list[Child] = []
        self.new_binary = 0  # its pid
        self.noaccepting = False
        self.terminate = self.quit = False
        self._number = 0  # of the generation
        self._reloads = 0  # since garbage was looked for
        self._kill_at: float | None = None
        self._retire_at: float | None = None  # when old workers go, ready or not
        self._watch = generation.watch(time.monotonic())
        self._acts: dict[signal.Signals, tuple[str, Callable[[], None]]] = {
            signal.SIGCHLD: ("", self._reap),
            signal.SIGTERM: ("exiting", self._terminate),
            signal.SIGINT: ("exiting", self._terminate),
            signal.SIGQUIT: ("shutting down", self._quit),
            signal.SIGHUP: ("reconfiguring", self._reconfigure),
            signal.SIGUSR1: ("reopening logs", self._reopen),
            signal.SIGUSR2: ("changing binary", self._change_binary),
            signal.SIGWINCH: ("stop accepting connections", self._noaccept),
        }

    @property
    def log(self) -> Log:
        return self.generation.log

    def run(self) -> int:
        title_master()
        self.generation.note(MasterEvent.STARTED)
        self._start_workers()
        while True:
            self.signals.wait(self._until_next(), [x.channel for x in self.children if x.channel])
            for child in self.children:
                child.hear()
            for number in self.signals.take():
                self._act(number)
            self._look_at_files()
            self._retire_old()
            self._report_ready()
            self._kill_slow()
            self._respawn()
            if (self.terminate or self.quit) and not self._live():
                return self._exit()

    def _act(self, number: signal.Signals) -> None:
        words, act = self._acts[number]
        if number is signal.SIGWINCH and not self.boot.daemonized:
            words, act = "", lambda: None
        if number is signal.SIGUSR2 and (self.new_binary or self.boot.executor_runs):
            words, act = "ignoring", self._refuse_change
        log_signal(number, words, self.log)
        act()

    def _until_next(self) -> float | None:
        """Seconds until something is due that no signal announces."""
        due = [at for at in (self._kill_at, self._retire_at) if at is not None]
        if self._watch is not None:
            due.append(self._watch.next_look)
        due += [x.respawn_at for x in self.children if x.respawn_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _live(self) -> bool:
        return any(x.pid and not x.detached for x in self.children)

    # Workers

    def _start_workers(self) -> None:
        """The workers of the generation in force."""
        self._number += 1
        gc.freeze()  # what the children share must not be copied by their collectors
        self.log.write(Severity.NOTICE, "start worker processes")
        for index in range(self.generation.cycle.main.worker_processes):
            child = Child("worker process", index, self._number)
            self.children.append(child)
            self._spawn(child)

    def _spawn(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        block_signals()
        try:
            pid = os.fork()
        except OSError as error:
            self.log.write(
                Severity.ALERT, f'fork() failed while spawning "{child.name}" {errno_text(error)}'
            )
            child.respawn_at = time.monotonic() + RESPAWN_PAUSE
            pid = -1
        if pid == 0:
            ours.close()
            self._become_worker(child, theirs)
        unblock_signals()
        theirs.close()
        if pid == -1:
            ours.close()
            return
        self.log.write(Severity.NOTICE, f"start {child.name} {pid}")
        child.started(pid, ours)

    def _become_worker(self, child: Child, channel: socket.socket) -> NoReturn:
        """In the new process, which must never get back into the master's code."""
        code = 2
        try:
            self.signals.release()
            for other in self.children:
                other.close_channel()
            generation = self.generation
            mine = [x for x in generation.sockets if x.belongs_to(child.index)]
            for listening in generation.sockets:
                if listening not in mine:
                    listening.close(self.log)
            worker = Worker(
                generation.cycle,
                mine,
                child.index,
                generation.user,
                channel,
                self.boot.serve,
                self.boot.numbers,
                self.boot.daemonized,
            )
            code = worker.run()
        except BaseException as error:
            log_exception(error, self.log)
        finally:
            os._exit(code)

    def _tell(self, word: bytes, number: signal.Signals, children: list[Child]) -> None:
        for child in children:
            child.send(word, number, self.log)

    def _workers(self) -> list[Child]:
        return [x for x in self.children if x.pid and not x.detached]

    def _reap(self) -> None:
        ended = reap(self.children, self.log)
        if any(not child.detached for child in ended):
            self._clean_up_after_workers()
        for child in ended:
            child.close_channel()
            if child.pid == self.new_binary:
                self._new_binary_ended()
            stopping = self.terminate or self.quit
            current = child.generation == self._number
            if child.may_respawn and current and not stopping:
                child.respawn_at = max(time.monotonic(), child.started_at + RESPAWN_PAUSE)
            child.pid = 0
        self.children = [x for x in self.children if x.pid or x.respawn_at is not None]

    def _clean_up_after_workers(self) -> None:
        """They may have been killed; what they held of the zones would be missed one day."""
        if not self.generation.cycle.zones.are_there:
            return
        try:
            self.generation.cycle.zones.check_readers()
        except Exception as error:  # the master outlives whatever is wrong with a zone
            log_exception(error, self.log)

    def _respawn(self) -> None:
        if self.terminate or self.quit:
            return
        now = time.monotonic()
        due = [x for x in self.children if x.respawn_at is not None and x.respawn_at <= now]
        if due and not self.new_binary and not self.generation.cycle.zones.are_there:
            self._renew_zones(due)
            return
        for child in due:
            child.respawn_at = None
            self.generation.note(MasterEvent.RESPAWNED)
            self._spawn(child)

    def _renew_zones(self, due: list[Child]) -> None:
        """The others still share the zones, but a new worker cannot open them."""
        directory = self.generation.zone_directory
        where = f' in "{directory.path}"' if directory is not None else ""
        self.log.write(Severity.ALERT, f"{ZONES_GONE}{where}: they begin empty, by a reload")
        former = self.generation
        self._reconfigure()
        for child in due:
            is_replaced = self.generation is not former
            child.respawn_at = None if is_replaced else time.monotonic() + START_DEADLINE
        self.children = [x for x in self.children if x.pid or x.respawn_at is not None]

    def _report_ready(self) -> None:
        """The service manager waits for all workers of a start, and for those of a reload until
        the old ones are told to go."""
        if not self.manager.waits or self._retire_at is not None:
            return
        current = [x for x in self.children if x.generation == self._number and not x.detached]
        if all(x.ready for x in current):
            self.manager.ready()

    # Signals

    def _terminate(self) -> None:
        self.terminate = True
        self.manager.stopping()
        self._tell(TERMINATE, signal.SIGTERM, self._workers())
        if self._kill_at is None:
            self._kill_at = time.monotonic() + KILL_AFTER

    def _kill_slow(self) -> None:
        if self._kill_at is not None and self._kill_at <= time.monotonic():
            self._tell(b"", signal.SIGKILL, self._workers())
            self._kill_at = time.monotonic() + KILL_AFTER

    def _quit(self) -> None:
        self.quit = True
        self.manager.stopping()
        self._close_sockets()  # first: who came to these alone would be reset, not refused
        self._tell(QUIT, signal.SIGQUIT, [x for x in self._workers() if not x.exiting])

    def _reconfigure(self) -> None:
        if self.terminate or self.quit:
            return
        if self.new_binary:
            self._start_workers()
            self.noaccepting = False
            return
        self.log.write(Severity.NOTICE, "reconfiguring")
        self.manager.reloading()
        gc.unfreeze()
        options, load = self.boot.options, self.boot.load
        generation = load_generation(options, load, self.log, self.generation, [])
        if generation is None:
            self.generation.note(MasterEvent.REJECTED)
            self._clean_up_after(REJECTED)  # an error has ended the reading of it
            gc.freeze()
            self.manager.ready(KEPT)
            return
        old, self.generation = self.generation, generation
        old.cycle.zones.retire(generation.cycle.zones)  # workers have them open
        generation.log.redirect_stderr()
        generation.note(MasterEvent.RELOADED)
        self._watch = generation.watch(time.monotonic())
        old.cycle.let_go()
        self._clean_up_after(1)
        del generation, old
        self._start_workers()
        self._retire_at = time.monotonic() + START_DEADLINE

    def _clean_up_after(self, reloads: int) -> None:
        """Frees the little that is left of configurations which were let go, once there have
        been some, as to look for it takes as long as to load one."""
        self._reloads += reloads
        if self._reloads >= MOST_RELOADS:
            self._reloads = 0
            gc.collect()

    def _look_at_files(self) -> None:
        if self._watch is not None and self._watch.has_changed(time.monotonic()):
            self.log.write(Severity.NOTICE, CHANGED)
            self._reconfigure()

    def _retire_old(self) -> None:
        """Ends the workers of former generations once new ones serve."""
        if self._retire_at is None:
            return
        new = [x for x in self.children if x.generation == self._number and not x.detached]
        if not all(x.ready for x in new) and time.monotonic() < self._retire_at:
            return
        self._retire_at = None
        if self.generation.cycle.main.worker_processes and not any(x.ready for x in new):
            self.manager.ready("no new worker process serves")
            self.log.write(Severity.ALERT, "no new worker process serves, old ones are kept")
            return
        self.manager.ready()
        old = [x for x in self._workers() if x.generation != self._number and not x.exiting]
        self._tell(QUIT, signal.SIGQUIT, old)

    def _reopen(self) -> None:
        self.log.write(Severity.NOTICE, "reopening logs")
        user = self.generation.user
        self.generation.cycle.open_files.reopen(self.log, user[0] if user else None)
        self.log.redirect_stderr()
        self._tell(REOPEN, signal.SIGUSR1, self._workers())

    def _noaccept(self) -> None:
        self.noaccepting = True
        self._tell(QUIT, signal.SIGQUIT, [x for x in self._workers() if not x.exiting])

    # A new binary

    def _refuse_change(self) -> None:
        self.log.write(
            Severity.CRIT,
            "the changing binary signal is ignored: you should shutdown or terminate "
            "before either old or new binary's process",
        )

    def _change_binary(self) -> None:
        self.log.write(Severity.NOTICE, "changing binary")
        main = self.generation.cycle.main
        if not rename_pidfile(
            main.pid, main.pid + OLD, f"to {main.pid}{OLD} failed before a new binary", self.log
        ):
            return
        known = self._hand_over()
        pid = execute_new_binary(
            self.generation.sockets, main.env, self.boot.environ, self.log, known
        )
        if pid == -1:
            self._restore_pidfile("after an attempt to execute a new binary")
            return
        self.new_binary = pid
        child = Child("new binary process", 0, self._number, detached=True)
        child.started(pid, None)
        self.children.append(child)

    def _hand_over(self) -> bytes:
        try:
            return self.generation.cycle.hand_over()
        except Exception as error:  # the new binary starts all the same
            log_exception(error, self.log)
            return b""

    def _new_binary_ended(self) -> None:
        self._restore_pidfile("after the new binary process exited")
        self.new_binary = 0
        if self.noaccepting:
            self.noaccepting = False
            self._start_workers()

    def _restore_pidfile(self, when: str) -> None:
        path = self.generation.cycle.main.pid
        rename_pidfile(path + OLD, path, f"back to {path} failed {when}", self.log)

    # The end

    def _close_sockets(self) -> None:
        """Unix sockets keep their file while another binary serves them."""
        inherited = not self.boot.executor_runs
        sockets = self.generation.sockets
        discard(sockets, self.log, files=not self.new_binary, inherited=inherited)

    def _exit(self) -> int:
        path = self.generation.cycle.main.pid
        delete_pidfile(path + OLD if self.new_binary else path, self.log)
        self.log.write(Severity.NOTICE, "exit")
        self._close_sockets()
        with contextlib.suppress(OSError):
            self.generation.cycle.open_files.flush(self.log)
        if self.generation.zone_directory is not None:
            self.generation.zone_directory.remove()
        return 0
