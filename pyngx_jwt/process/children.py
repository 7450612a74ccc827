"""The processes that a master has started."""

from __future__ import annotations

import os
import signal
import socket
import time

from ..log import Log, Severity, errno_text
from .worker import FATAL, READY


class Child:
    """One entry of the process table; ``channel`` is the master's end of the pair."""

    __slots__ = (
        "channel",
        "detached",
        "exiting",
        "generation",
        "index",
        "may_respawn",
        "name",
        "pid",
        "ready",
        "respawn_at",
        "started_at",
    )

    def __init__(self, name: str, index: int, generation: int, *, detached: bool = False) -> None:
        self.name, self.index, self.generation = name, index, generation
        self.detached = detached  # a new binary: not ours to signal or to wait for
        self.may_respawn = not detached
        self.pid = 0
        self.channel: socket.socket | None = None
        self.ready = self.exiting = False
        self.started_at = 0.0
        self.respawn_at: float | None = None

    def started(self, pid: int, channel: socket.socket | None) -> None:
        self.pid, self.channel = pid, channel
        self.ready = False
        self.started_at = time.monotonic()
        if channel is not None:
            channel.setblocking(False)

    def hear(self) -> None:
        """Takes what the child says; it says that it is ready, or hangs up."""
        if self.channel is None:
            return
        try:
            heard = self.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        self.ready = self.ready or READY in heard
        if not heard:
            self.close_channel()

    def send(self, word: bytes, number: signal.Signals, log: Log) -> None:
        """Says a word over the channel, or sends the signal if there is none to say."""
        if not (word and self._say(word)):
            try:
                os.kill(self.pid, number)
            except OSError as error:
                what = f"kill({self.pid}, {number.value}) failed"
                log.write(Severity.ALERT, f"{what} {errno_text(error)}")
        if number is not signal.SIGUSR1:
            self.exiting, self.may_respawn = True, False

    def _say(self, word: bytes) -> bool:
        if self.channel is None:
            return False
        try:
            return self.channel.send(word) == len(word)
        except OSError:
            return False

    def close_channel(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None


def reap(children: list[Child], log: Log) -> list[Child]:
    """The children that have ended, each reported to the log (ngx_process_get_status)."""
    ended: list[Child] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        child = next((x for x in children if x.pid == pid), None)
        name = child.name if child else "unknown process"
        _report_end(name, pid, status, log)
        if child is None:
            continue
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == FATAL and child.may_respawn:
            what = f"{name} {pid} exited with fatal code {FATAL} and cannot be respawned"
            log.write(Severity.ALERT, what)
            child.may_respawn = False
        ended.append(child)


def _report_end(name: str, pid: int, status: int, log: Log) -> None:
    if os.WIFSIGNALED(status):
        core = " (core dumped)" if os.WCOREDUMP(status) else ""
        log.write(Severity.ALERT, f"{name} {pid} exited on signal {os.WTERMSIG(status)}{core}")
    else:
        log.write(Severity.NOTICE, f"{name} {pid} exited with code {os.WEXITSTATUS(status)}")
