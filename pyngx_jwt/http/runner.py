"""Drives a coroutine from future to future.

What asyncio's Task does for us without what it costs: no task is made before the first wait,
nothing is scheduled to begin or to end it, and no registry knows of it.  What runs under it must
not ask for the current task (asyncio.timeout, asyncio.wait_for); awaiting tasks is fine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Done = Callable[[BaseException | None], None]


def run_eagerly(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, done: Done
) -> Runner | None:
    """Runs a coroutine up to its first wait; None if that was its end (`done` is not called)."""
    try:
        waited = coroutine.send(None)
    except StopIteration:
        return None
    return Runner(coroutine, waited, loop, done)


class Runner:
    """A coroutine that waits; `done` gets the exception it ends with, or None."""

    __slots__ = ("_cancelled", "_coroutine", "_done", "_loop", "_waited")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        waited: Any,
        loop: asyncio.AbstractEventLoop,
        done: Done,
    ) -> None:
        self._coroutine, self._loop, self._done = coroutine, loop, done
        self._cancelled = False
        self._wait(waited)

    def cancel(self) -> None:
        """Raises CancelledError in the coroutine, where it waits."""
        if self._waited is None or not self._waited.cancel():
            self._cancelled = True

    def _wait(self, waited: Any) -> None:
        """Goes on when the future is done; a bare yield waits for the loop's next turn."""
        self._waited = waited
        if waited is None:
            self._loop.call_soon(self._step)
        else:
            waited._asyncio_future_blocking = False
            waited.add_done_callback(self._step)

    def _step(self, waited: Any = None) -> None:
        coroutine = self._coroutine
        try:
            if self._cancelled:
                self._cancelled = False
                following = coroutine.throw(asyncio.CancelledError())
            else:
                following = coroutine.send(None)
        except StopIteration:
            self._done(None)
        except BaseException as error:
            self._done(error)
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
        else:
            self._wait(following)
