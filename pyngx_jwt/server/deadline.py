"""A deadline that is set often and seldom passes.

To set it is to store a float; the one timer of the event loop behind it is moved only when it
fires too early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

RESOLUTION = 0.001  # seconds: the loop may fire that much too early


def _never() -> None:
    """What a deadline does that was stopped."""


class Deadline:
    """Calls `expired` once when the time has come; `at` is the loop's time, inf for none."""

    __slots__ = ("_expired", "_loop", "_timer", "_timer_at", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop, self._expired = loop, expired
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self.at = inf

    def set(self, seconds: float) -> None:
        """From now on."""
        self.at = at = self._loop.time() + seconds
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._fire)

    def clear(self) -> None:
        """There is none any more."""
        self.at = inf

    def stop(self) -> None:
        """There never will be one again.  What would be called is let go of: it refers back to
        the deadline, and would wait for the garbage collector."""
        self.at, self._expired = inf, _never
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, inf

    def _fire(self) -> None:
        self._timer, self._timer_at = None, inf
        if self.at == inf:
            return
        if self._loop.time() + RESOLUTION < self.at:
            self._timer_at = self.at
            self._timer = self._loop.call_at(self.at, self._fire)
        else:
            self.at = inf
            self._expired()
