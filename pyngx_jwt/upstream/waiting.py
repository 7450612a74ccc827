"""Waiting for the other end, with timeouts that cost next to nothing.

Both deadlines of a connection share one lazy timer: to set one is to store a float, and a
timer that fires before its time is moved on.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TypeAlias

_TIMER_RESOLUTION = 0.001  # seconds: the loop may fire that much too early

Waiter: TypeAlias = "asyncio.Future[None]"


class Waiting(asyncio.Protocol):
    """A protocol that one reader and one writer may wait for."""

    __slots__ = (
        "_loop",
        "_lost",
        "_read_deadline",
        "_read_waiter",
        "_send_deadline",
        "_timer",
        "_timer_at",
        "_write_waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lost = False  # the connection is closed, or as good as that
        self._read_waiter: Waiter | None = None
        self._write_waiter: Waiter | None = None
        self._read_deadline = self._send_deadline = self._timer_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def _read_expired(self) -> None:
        """The read deadline has passed."""
        raise NotImplementedError

    def _send_expired(self) -> None:
        """The send deadline has passed: it is moved, or the writer is woken."""
        raise NotImplementedError

    def _readable(self, timeout: float) -> Waiter:
        """Done when something came, or will never come."""
        self._read_waiter = waiter = self._loop.create_future()
        self._read_deadline = deadline = self._loop.time() + timeout
        if deadline < self._timer_at:
            self._schedule(deadline)
        return waiter

    def _writable(self, timeout: float) -> Waiter:
        """Done when there is room, or when nothing more is to be sent."""
        self._write_waiter = waiter = self._loop.create_future()
        self._send_deadline = self._loop.time() + timeout
        self._schedule(self._send_deadline)
        return waiter

    def _wake_reader(self) -> None:
        waiter = self._read_waiter
        if waiter is not None:
            self._read_waiter = None
            self._read_deadline = inf
            if not waiter.done():
                waiter.set_result(None)

    def _wake_writer(self) -> None:
        waiter = self._write_waiter
        if waiter is not None:
            self._write_waiter = None
            self._send_deadline = inf
            if not waiter.done():
                waiter.set_result(None)

    def _schedule(self, when: float) -> None:
        """Sees to it that the timer fires at that time or before."""
        if when < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, inf
        now = self._loop.time() + _TIMER_RESOLUTION
        if self._read_deadline <= now:
            self._read_expired()
        if self._send_deadline <= now:
            self._send_expired()
        if not self._lost:
            self._schedule(min(self._read_deadline, self._send_deadline))

    def _stop_timer(self) -> None:
        self._timer_at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
