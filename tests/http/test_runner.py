"""Coroutines that are driven without a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pyngx_jwt.http.runner import Runner, run_eagerly

Steps = Coroutine[Any, Any, None]


class Run:
    """A coroutine that runs, and how it has ended."""

    def __init__(self, steps: Steps) -> None:
        self.ends: list[BaseException | None] = []
        self.over = asyncio.Event()
        self.runner = run_eagerly(steps, asyncio.get_running_loop(), self._done)

    def _done(self, error: BaseException | None) -> None:
        self.ends.append(error)
        self.over.set()

    async def end(self) -> BaseException | None:
        await self.over.wait()
        (error,) = self.ends
        return error

    def cancel(self) -> None:
        assert isinstance(self.runner, Runner)
        self.runner.cancel()


def played(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(act())


def test_an_end_without_waiting() -> None:
    async def steps() -> None:
        pass

    async def act() -> None:
        run = Run(steps())
        assert run.runner is None
        assert run.ends == []

    played(act)


def test_an_error_without_waiting() -> None:
    async def steps() -> None:
        raise LookupError

    async def act() -> None:
        with pytest.raises(LookupError):
            Run(steps())

    played(act)


def test_it_goes_on_when_what_it_waits_for_is_done() -> None:
    async def act() -> None:
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        got: list[int] = []

        async def steps() -> None:
            got.append(await first)
            await asyncio.sleep(0)  # a bare yield
            got.append(2)

        run = Run(steps())
        assert run.ends == []
        first.set_result(1)
        assert await run.end() is None
        assert got == [1, 2]

    played(act)


def test_an_error_after_waiting() -> None:
    async def steps() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def act() -> None:
        assert isinstance(await Run(steps()).end(), LookupError)

    played(act)


def test_it_is_cancelled_where_it_waits() -> None:
    async def act() -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def steps() -> None:
            await never

        run = Run(steps())
        run.cancel()
        assert isinstance(await run.end(), asyncio.CancelledError)
        assert never.cancelled()

    played(act)


def test_it_is_cancelled_in_a_bare_yield() -> None:
    async def steps() -> None:
        await asyncio.sleep(0)

    async def act() -> None:
        run = Run(steps())
        run.cancel()
        assert isinstance(await run.end(), asyncio.CancelledError)

    played(act)


@pytest.mark.parametrize("waits", [False, True])
def test_it_may_outlive_a_cancellation(waits: bool) -> None:
    async def steps() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if waits:
                await asyncio.sleep(0)

    async def act() -> None:
        run = Run(steps())
        run.cancel()
        assert await run.end() is None

    played(act)
