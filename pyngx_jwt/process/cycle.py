"""What a process needs of a configuration, and what a server gets from its process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

from ..core.module import MasterEvent
from ..core.ports import ListenOptions
from ..log import Log, OpenFiles
from ..options import Options
from ..zones import Zones


class ProcessSettings(Protocol):
    """The main directives that concern processes; times in seconds, paths full."""

    @property
    def daemon(self) -> bool: ...
    @property
    def master_process(self) -> bool: ...
    @property
    def pid(self) -> str: ...
    @property
    def worker_processes(self) -> int: ...
    @property
    def worker_rlimit_nofile(self) -> int: ...  # 0 is "as it is"
    @property
    def worker_shutdown_timeout(self) -> float: ...  # 0 is none
    @property
    def working_directory(self) -> str: ...  # "" is "as it is"
    @property
    def user(self) -> tuple[int, int] | None: ...  # uid and gid; None if not set
    @property
    def env(self) -> tuple[str, ...]: ...  # "NAME" or "NAME=value"
    @property
    def keeps_net_raw(self) -> bool: ...  # a capability of root
    @property
    def watch(self) -> float: ...  # quiet seconds before a changed file counts, negative: never


class LoadedCycle(Protocol):
    """A loaded configuration."""

    @property
    def main(self) -> ProcessSettings: ...
    @property
    def listens(self) -> Sequence[ListenOptions]: ...
    @property
    def log(self) -> Log: ...  # of the main level
    @property
    def open_files(self) -> OpenFiles: ...  # not open yet
    @property
    def directories(self) -> Sequence[str]: ...  # temp and cache paths, made if missing
    @property
    def files(self) -> Sequence[tuple[str, str]]: ...  # path and text of each, for -T
    @property
    def zones(self) -> Zones: ...  # not started yet
    @property
    def understanding(self) -> str: ...  # how it was read, for -t -v

    def check_user(self, user: tuple[int, int]) -> None:
        """Raises ConfError if workers of this uid and gid cannot serve it."""

    def check_continues(self, old: Any) -> None:
        """Raises ConfError if it cannot take the place of another cycle."""

    def hand_over(self) -> bytes:
        """What a new binary that takes over should know."""

    def take_over(self, data: bytes) -> None:
        """Uses what another binary has handed over."""

    def start(self) -> None:
        """Called once its zones have been started; raises ConfError."""

    def watched(self) -> tuple[str, ...]:
        """The names of the files that it consists of."""

    def note(self, event: MasterEvent) -> None:
        """Something has happened to the configuration."""

    def let_go(self) -> None:
        """Called where another is in its place, or it was rejected, and the process does not
        serve it."""

    def exit(self) -> None:
        """Called where the process ends."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class Control:
    """How a process stops its server.

    ``quit``: stop accepting, close idle connections, finish what is in flight, return.
    ``terminate``: return at once; ``quit`` is then set too, if it was not before.
    ``serves`` is for the server to clear if it does not accept connections from its first step on,
    and to set when it does.
    """

    __slots__ = ("numbers", "quit", "serves", "terminate", "worker")

    def __init__(self, worker: int = 0, numbers: Iterator[int] | None = None) -> None:
        self.worker = worker  # which of the workers this is; a job for one of them is for 0
        self.numbers = count(1) if numbers is None else numbers  # of client connections
        self.quit: asyncio.Event = asyncio.Event()
        self.terminate: asyncio.Event = asyncio.Event()
        self.serves: asyncio.Event = _set_event()


# Reads the configuration; raises ConfError. Warnings go to the log as they come.
Load = Callable[[Options, Log], LoadedCycle]
# Serves the sockets, which are its own to close, until it is to stop.
Serve = Callable[[Any, list[tuple[Any, socket.socket]], Control], Coroutine[Any, Any, None]]
