"""Waiting for the other end, with timeouts that cost next to nothing.

Both deadlines of a connection share one lazy timer: to set one is to store a float, and a
timer that fires before its time is moved on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from math import inf
from typing import Any, Final, TypeAlias

_TIMER_RESOLUTION: Final = 0.001  # seconds: the loop may fire that much too early


class Signal:
    """A future for one coroutine that waits, as far as it and what runs it can tell.

    `go_on` lets it go on at once instead of in the loop's next turn, unless a task runs it:
    tasks cannot be nested.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_done", "_is_off", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False  # by this tasks tell what can be waited for
        self._callback: Callable[[Any], Any] | None = None
        self._context: Context | None = None  # that of a task
        self._done = self._is_off = False

    def go_on(self) -> None:
        """Is done; what follows must be ready for all that the coroutine may do."""
        if self._callback is None or self._context is not None:
            self.set_result()
            return
        self._done = True
        self._callback(self)

    def set_result(self, result: None = None) -> None:
        """Is done."""
        self._done = True
        if self._callback is not None:
            self._loop.call_soon(self._callback, self, context=self._context)

    def cancel(self, msg: object = None) -> bool:
        if self._done:
            return False
        self._is_off = True
        self.set_result()
        return True

    def done(self) -> bool:
        return self._done

    def result(self) -> None:
        if self._is_off:
            raise asyncio.CancelledError

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """A task asks whether it is its own."""
        return asyncio.get_running_loop()

    def add_done_callback(
        self, callback: Callable[[Any], Any], *, context: Context | None = None
    ) -> None:
        self._callback, self._context = callback, context
        if self._done:
            self.set_result()

    def __await__(self) -> Generator[Any, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        self.result()


Waiter: TypeAlias = "asyncio.Future[None] | Signal"


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

    def _readable(self, timeout: float) -> Signal:
        """Done when something came, or will never come."""
        self._read_waiter = waiter = Signal(self._loop)
        self._read_deadline = deadline = self._loop.time() + timeout
        if deadline < self._timer_at:
            self._schedule(deadline)
        return waiter

    def _writable(self, timeout: float) -> asyncio.Future[None]:
        """Done when there is room, or when nothing more is to be sent."""
        self._write_waiter = waiter = self._loop.create_future()
        self._send_deadline = self._loop.time() + timeout
        self._schedule(self._send_deadline)
        return waiter

    def _let_reader_go_on(self) -> None:
        """As _wake_reader(), but at once: nothing may come after it."""
        waiter = self._read_waiter
        if not isinstance(waiter, Signal):
            self._wake_reader()
            return
        self._read_waiter = None
        self._read_deadline = inf
        if not waiter.done():
            waiter.go_on()

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
