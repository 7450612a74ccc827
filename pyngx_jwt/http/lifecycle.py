"""The life of a request behind any front end: it begins, the client may leave, it ends.

A front end begins it with `start`, says `leave` when the client is gone, and `conclude` (of the
engine) when the client has the last byte of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ..log import Severity
from .engine import answer, begin
from .request import Request, Status
from .runner import Done, Runner, run_eagerly
from .status import CLIENT_CLOSED

CLIENT_GONE = "client prematurely closed connection"


def note_dropped(r: Request) -> None:
    """Logs the header lines that were not taken for headers."""
    for line in r.head.dropped:
        text = f'client sent invalid header line: "{line}"'
        r.log(Severity.INFO, f"{text} while reading client request headers")


class Cancellable(Protocol):
    """What runs the rest of a request."""

    @property
    def cancel(self) -> Callable[[], object]: ...


def serve(r: Request, status: Status = 0) -> Coroutine[Any, Any, None] | None:
    """Serves a request, or answers it with `status`, as far as nothing waits; the rest, None if
    that was all of it."""
    return answer(r, status) if status else begin(r)


def start(
    r: Request, loop: asyncio.AbstractEventLoop, done: Done, status: Status = 0
) -> Runner | None:
    """Serves a request, or answers it with `status`, as far as nothing waits; what runs the rest
    and calls `done` in the end, None if that was all of it."""
    rest = serve(r, status)
    return None if rest is None else run_eagerly(rest, loop, done)


def leave(r: Request, running: Cancellable) -> bool:
    """The client is gone: so is its request, unless that goes on regardless (then: False)."""
    if r.ignore_abort:
        return False
    note_absence(r)
    for clean in r.cleanups:  # not when what is cancelled gets to run
        clean()
    r.cleanups = ()
    running.cancel()
    return True


def note_absence(r: Request) -> None:
    """Logs that the client has left, which is the status if it has not been sent another."""
    if not r.header_sent:
        r.status = CLIENT_CLOSED
    r.log(Severity.INFO, CLIENT_GONE)
