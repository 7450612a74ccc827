"""The event loop.  The only file that knows uvloop."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import uvloop

from ..log import Log, Severity


def new_event_loop(log: Log) -> asyncio.AbstractEventLoop:
    """A loop for this process, to be made after its fork; stray errors go to the log."""
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if loop.is_closed():  # names that are still being looked up do not matter any more
            return
        error = context.get("exception")
        lines = traceback.format_exception(error) if error else []
        text = "".join(
            [f"{context.get('message', 'an error in the event loop')}\n", *lines]
        ).rstrip("\n")
        log.write(Severity.ERR, text, lines=True)

    loop.set_exception_handler(report)
    return loop
