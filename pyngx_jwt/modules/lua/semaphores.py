"""What light threads and requests of a worker wait for ("ngx.semaphore")."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from .calls import Calls, Operations
from .connections import TIMEOUT, awaited
from .state import LuaRun

calls = Calls()
operations = Operations()


class Semaphore:
    """A count, and those who wait until it is above zero."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiters: deque[asyncio.Future[None]] = deque()


@calls
def semaphore_new(count: int) -> Semaphore:
    return Semaphore(int(count))


@calls
def semaphore_post(semaphore: Semaphore, count: int) -> None:
    left = int(count)
    while left and semaphore.waiters:
        waiter = semaphore.waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            left -= 1
    semaphore.count += left


@calls
def semaphore_count(semaphore: Semaphore) -> int:
    waiting = sum(not waiter.done() for waiter in semaphore.waiters)
    return semaphore.count - waiting


@calls
def semaphore_take(semaphore: Semaphore) -> bool:
    if semaphore.count <= 0:
        return False
    semaphore.count -= 1
    return True


@operations
async def semaphore_wait(run: LuaRun, semaphore: Semaphore, seconds: float) -> tuple[Any, ...]:
    waiter = asyncio.get_running_loop().create_future()
    semaphore.waiters.append(waiter)
    try:
        await awaited(waiter, seconds)
    except TimeoutError:
        return False, TIMEOUT
    finally:
        if waiter in semaphore.waiters:
            semaphore.waiters.remove(waiter)
    return (True,)
