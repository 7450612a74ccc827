"""Responses in parts whose writer fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pyngx_jwt.http.postpone import Postponed

SECONDS = 30.0  # of which a response that ends takes none


class Sink:
    """The client has left."""

    paused = True
    aborted = False

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None: ...

    async def drain(self) -> None:
        raise ConnectionResetError


class Response:
    def __init__(self) -> None:
        self.main, self.cleanups, self.background = self, (), ()
        self.unbuffered, self.header_only = True, False


def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.interpreted("the response and its sink are made up")
@pytest.mark.parametrize("step", [fail, lambda: None])
def test_it_ends_when_its_writer_has_failed(step: Callable[[], None]) -> None:
    async def finish() -> None:
        r: Any = Response()
        sink: Any = Sink()
        postponed = Postponed(r, sink)
        postponed.then(step)
        await asyncio.wait_for(postponed.finish(), SECONDS)
        failures = await asyncio.gather(*r.background, return_exceptions=True)
        assert sink.aborted or isinstance(failures[0], ZeroDivisionError)

    asyncio.run(finish())
