"""Drives a coroutine from future to future.

What asyncio's Task does for us without what it costs: no task is made before the first wait,
nothing is scheduled to begin or to end it, and no registry knows of it.  What runs under it must
not ask for the current task (asyncio.timeout, asyncio.wait_for); awaiting tasks is fine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

Done = Callable[[BaseException | None], None]
# What a coroutine seems to come to at its end: to raise and to catch StopIteration costs as much as
# to parse three header lines.
ENDED: Final = object()
_next: Final = next


def run_eagerly(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, done: Done
) -> Runner | None:
    """Runs a coroutine up to its first wait; None if that was its end (`done` is not called)."""
    steps = coroutine.__await__()
    waited = _next(steps, ENDED)
    return None if waited is ENDED else Runner(steps, waited, loop, done)


class Runner:
    """A coroutine that waits; `done` gets the exception it ends with, or None."""

    __slots__ = ("_cancelled", "_done", "_loop", "_steps", "_waited")

    def __init__(
        self,
        steps: Generator[Any, Any, None],
        waited: Any,
        loop: asyncio.AbstractEventLoop,
        done: Done,
    ) -> None:
        self._steps, self._loop, self._done = steps, loop, done
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
        try:
            following = self._throw() if self._cancelled else _next(self._steps, ENDED)
        except BaseException as error:
            self._done(error)
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
        else:
            if following is ENDED:
                self._done(None)
            else:
                self._wait(following)

    def _throw(self) -> Any:
        self._cancelled = False
        try:
            return self._steps.throw(asyncio.CancelledError())
        except StopIteration:
            return ENDED
