"""Requests that wait until a server can take them ("queue")."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .balancer import PeerChoice, Timing
from .peer import Peer

T = TypeVar("T")
POLL = 0.1  # seconds; what changes in other workers, and with time, tells no one


class Queue:
    """The requests of one worker that wait for a server of a group, first come, first served."""

    __slots__ = ("_overflows", "_waiting", "length", "timeout")

    def __init__(self, length: int, timeout: float) -> None:
        self.length, self.timeout = length, timeout  # seconds
        self._waiting: deque[asyncio.Event] = deque()
        self._overflows = 0

    @property
    def is_used(self) -> bool:
        """Whether requests wait: those that come now are behind them."""
        return bool(self._waiting)

    @property
    def size(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def overflow_count(self) -> tuple[int]:
        """How many found it full."""
        return (self._overflows,)

    async def wait(self, take: Callable[[], T | None]) -> T | None:
        """Waits until `take` gives something; None if the queue is full, or it takes too long."""
        if len(self._waiting) >= self.length:
            self._overflows += 1
            return None
        deadline = asyncio.get_running_loop().time() + self.timeout
        turn = asyncio.Event()
        self._waiting.append(turn)
        try:
            return await self._wait(turn, deadline, take)
        finally:
            self._waiting.remove(turn)
            self.wake()

    async def _wait(
        self, turn: asyncio.Event, deadline: float, take: Callable[[], T | None]
    ) -> T | None:
        now = asyncio.get_running_loop().time
        while (left := deadline - now()) > 0:
            is_first = self._waiting[0] is turn
            if is_first and (found := take()) is not None:
                return found
            turn.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(turn.wait(), min(left, POLL) if is_first else left)
        return None

    def wake(self) -> None:
        """A server may have become free."""
        if self._waiting:
            self._waiting[0].set()


class QueuedChoice:
    """A choice that lets the queue know when a server is free."""

    __slots__ = ("choice", "queue")

    def __init__(self, choice: PeerChoice, queue: Queue) -> None:
        self.choice, self.queue = choice, queue

    @property
    def tries(self) -> int:
        return self.choice.tries

    @tries.setter
    def tries(self, tries: int) -> None:
        self.choice.tries = tries

    def get(self, now: int, hint: str = "") -> Peer | None:
        return self.choice.get(now, hint)

    def answered(self, timing: Timing) -> None:
        self.choice.answered(timing)

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        disabled = self.choice.free(failed, now, timing)
        self.queue.wake()
        return disabled
