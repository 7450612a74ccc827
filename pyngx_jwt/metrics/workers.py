"""What a worker says of itself and of the clients of all workers."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..zones.store import Counts
from .kinds import CLIENTS, WORKER
from .tallies import Reported, Tallies

PAGE = resource.getpagesize()


class WorkerState(NamedTuple):
    """The numbers that a worker reports; `started` is in milliseconds since the epoch, `memory`
    in bytes that are resident."""

    number: int
    started: int
    memory: int
    active: int
    reading: int
    writing: int
    waiting: int
    requests: int
    accepted: int
    is_quitting: int


class WorkerReport:
    """Reports the state of this worker, and counts its clients."""

    def __init__(
        self,
        tallies: Tallies,
        number: int,
        count: Callable[[], Counts],
        is_quitting: Callable[[], bool],
    ) -> None:
        self._number, self._count, self._is_quitting = number, count, is_quitting
        self._started = int(time.time() * 1000)
        tallies.follow(tallies.row(CLIENTS), self._clients)

    def _clients(self) -> tuple[int, int]:
        counts = self._count()
        return counts.accepted, counts.requests

    def report(self) -> Iterator[Reported]:
        """What the worker does now."""
        counts = self._count()
        state = WorkerState(
            self._number,
            self._started,
            resident_memory(),
            counts.active,
            counts.reading,
            counts.writing,
            counts.waiting,
            counts.requests,
            counts.accepted,
            int(self._is_quitting()),
        )
        yield WORKER, (), tuple(state)


def resident_memory() -> int:
    """Bytes of this process that are in memory."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
