"""A worker as modules see it: what they have it do beside serving, and how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any

from ..conf.scope import Scope
from ..zones.store import Counts

Work = Coroutine[Any, Any, None]


class WorkerLife:
    """From the start to the end of a worker, or of whatever else serves a configuration.

    `number` is which of the workers it is; a job for one of them is for 0.  `count` counts its
    connections, and `requests` are those that it serves now.  Where the process is not its own, it
    must not end it."""

    def __init__(
        self,
        scope: Scope,
        count: Callable[[], Counts],
        number: int = 0,
        requests: Callable[[], Iterable[Any]] = tuple,
        *,
        owns_process: bool = True,
    ) -> None:
        self.count, self.number, self.owns_process = count, number, owns_process
        self.requests = requests
        self.is_quitting = False
        self._scope = scope
        self._until_quit: list[asyncio.Task[None]] = []
        self._until_end: list[asyncio.Task[None]] = []
        self._unfinished: list[Collection[asyncio.Task[None]]] = []
        self._first: list[Work] = []

    def start(self) -> None:
        """Runs on the loop of the worker, before it accepts connections."""
        for module in self._scope.modules:
            for act in module.worker_starts:
                act(self._scope, self)

    def before_serving(self, work: Work) -> None:
        """To be called at the start: no connection is accepted before this is done, which must not
        take long."""
        self._first.append(work)

    @property
    def is_prepared(self) -> bool:
        """Whether connections can be accepted without `prepare`."""
        return not self._first

    async def prepare(self) -> None:
        """Does what is to be done before a connection is accepted."""
        work, self._first = self._first, []
        await asyncio.gather(*work)

    def until_quit(self, work: Work) -> None:
        """Runs beside the requests as long as new ones are accepted."""
        self._until_quit.append(asyncio.get_running_loop().create_task(work))

    def until_end(self, work: Work) -> None:
        """Runs until the last request is over."""
        self._until_end.append(asyncio.get_running_loop().create_task(work))

    def finishes(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """The worker does not end before these tasks, if it has the time; they may change."""
        self._unfinished.append(tasks)

    @property
    def is_busy(self) -> bool:
        """Whether there is still work that should be finished."""
        return any(self._unfinished)

    def quit(self) -> None:
        """No more connections are accepted."""
        self.is_quitting = True
        for task in self._until_quit:
            task.cancel()

    async def end(self) -> None:
        """All requests are over, or are given up."""
        self.quit()
        unfinished = [task for tasks in self._unfinished for task in tasks]
        for task in (*self._until_end, *unfinished):
            task.cancel()
        tasks = (*self._until_quit, *self._until_end, *unfinished)
        await asyncio.gather(*tasks, return_exceptions=True)
        for module in self._scope.modules:
            for act in module.worker_ends:
                act(self._scope)
