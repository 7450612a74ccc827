"""Awaits what code of Lua waits for, and goes on with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any, NamedTuple

from ...log import Severity
from .calls import Calls, Operations
from .state import LuaRun

ENDS = frozenset({"done", "exit", "exec", "jump", "error"})
NOTHING: tuple[Any, ...] = ()

calls = Calls()
operations = Operations()


class Ended(NamedTuple):
    """How code has come to its end: one of ENDS, with its arguments."""

    kind: str
    values: tuple[Any, ...] = NOTHING


DONE = Ended("done")


def start(run: LuaRun, code: Any, *arguments: Any) -> Ended | Coroutine[Any, Any, Ended]:
    """Runs code of the run's phase as far as it does not wait: how it has ended, or what goes on
    with it."""
    outcome = run.machine.enter(code, run, run.shared, run.phase, *arguments)
    if outcome is None:
        return DONE
    thread, wanted, *values = outcome
    if wanted in ENDS and not run.tasks:
        return Ended(wanted, tuple(values))
    return drive(run, thread, wanted, tuple(values))


async def drive(run: LuaRun, thread: Any, wanted: str, values: tuple[Any, ...]) -> Ended:
    """Goes on with the entry thread, and then waits for the light threads that are left."""
    ended = await _drive(run, thread, wanted, values, is_entry=True)
    while ended.kind == "done" and run.tasks:
        found = await _first(run, asyncio.wait(run.tasks.values()))
        if isinstance(found, Ended):
            return found
    return ended


async def _drive(
    run: LuaRun, thread: Any, wanted: str, values: tuple[Any, ...], *, is_entry: bool = False
) -> Ended:
    step = run.machine.step
    while wanted not in ENDS:
        waiting = operations.functions[wanted](run, *values)
        # Others have their turns in order: a task more between them would be one turn late.
        waits_for_threads = is_entry and run.tasks and wanted != "turn"
        result = await (_first(run, waiting) if waits_for_threads else waiting)
        if isinstance(result, Ended):
            return result
        if is_entry and run.aborted is not None and run.aborted.done():
            ended: Ended = run.aborted.result()
            return ended
        if run.shared is None:  # the request is over
            raise ConnectionResetError
        outcome = step(thread, *result)
        if outcome is None:
            return DONE
        thread, wanted, *rest = outcome
        values = tuple(rest)
    return Ended(wanted, values)


async def _first(run: LuaRun, waiting: Awaitable[Any]) -> Any:
    """The result, or how a light thread has ended all of it meanwhile."""
    aborted = run.aborted
    assert aborted is not None
    task = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait((task, aborted), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
    if aborted.done():
        return aborted.result()
    return task.result()


# -- light threads --------------------------------------------------------------------------


@calls
def spawned(run: LuaRun, number: int, thread: Any, wanted: str, *values: Any) -> None:
    """A light thread waits for the first time."""
    loop = asyncio.get_running_loop()
    if run.aborted is None or run.aborted.done():
        run.aborted = loop.create_future()
    task = loop.create_task(_drive_thread(run, thread, wanted, values))
    run.tasks[number] = task
    task.add_done_callback(lambda _: run.tasks.pop(number, None))


async def _drive_thread(run: LuaRun, thread: Any, wanted: str, values: tuple[Any, ...]) -> None:
    with contextlib.suppress(ConnectionError):
        ended = await _drive(run, thread, wanted, values)
        if ended.kind == "error":
            log_thread(run, ended.values[0])
        elif ended.kind != "done" and run.aborted is not None and not run.aborted.done():
            run.aborted.set_result(ended)


@calls
def log_thread(run: LuaRun, text: str) -> None:
    run.log(Severity.ERR, f"lua user thread aborted: runtime error: {text}")


@calls
def kill(run: LuaRun, number: int) -> None:
    task = run.tasks.pop(number, None)
    if task is not None:
        task.cancel()


@operations
async def join(run: LuaRun, *numbers: int) -> tuple[Any, ...]:
    """Waits until one of the light threads is over."""
    tasks = [run.tasks[number] for number in numbers if number in run.tasks]
    if len(tasks) == len(numbers):
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return NOTHING


@operations
async def turn(run: LuaRun) -> tuple[Any, ...]:
    """Lets others run."""
    await asyncio.sleep(0)
    return NOTHING


@operations
async def sleep(run: LuaRun, seconds: float) -> tuple[Any, ...]:
    await asyncio.sleep(seconds)
    return NOTHING
