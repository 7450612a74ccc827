"""Signals as values: they are received through a pipe, so that a wait can watch files too."""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Iterable
from types import FrameType
from typing import Protocol

from ..log import Log, Severity

# Those that mean something to a process, in the order a master acts on them.
HANDLED = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


class HasFileno(Protocol):
    def fileno(self) -> int: ...


def _note(number: int, frame: FrameType | None) -> None:
    """The pipe is written to by the interpreter; nothing is left to do."""


class Signals:
    """The signals of a master; one object a process."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _note)

    def wait(self, timeout: float | None, files: Iterable[HasFileno] = ()) -> None:
        """Waits for a signal, for one of the files to be readable, or ``timeout`` seconds."""
        with selectors.DefaultSelector() as selector:
            for file in (self._reader, *files):
                selector.register(file.fileno(), selectors.EVENT_READ)
            selector.select(timeout)

    def take(self) -> list[signal.Signals]:
        """What came since the last call, each once, in the order of HANDLED."""
        came = b""
        while data := self._read():
            came += data
        return [number for number in HANDLED if number in came]

    def _read(self) -> bytes:
        try:
            return self._reader.recv(4096)
        except BlockingIOError:
            return b""

    def release(self) -> None:
        """In a child: its signals are no longer ours, and do nothing special yet.

        Signals must be blocked, or they would be lost between here and new handlers.
        """
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)


def unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def log_signal(number: signal.Signals, action: str, log: Log) -> None:
    """``signal 1 (SIGHUP) received, reconfiguring``."""
    ending = f", {action}" if action else ""
    log.write(Severity.NOTICE, f"signal {number.value} ({number.name}) received{ending}")
