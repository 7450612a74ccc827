"""A server running in this process, for one configuration."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable, Iterator

from ..core.ports import ListenOptions
from ..log import Log, Severity
from .cycle import Control, LoadedCycle, Serve

PATIENCE = 1.0  # seconds that a server has to return once it was told to terminate


class Serving:
    """Starts the server on the running loop; ``sockets`` become the server's."""

    def __init__(
        self,
        cycle: LoadedCycle,
        sockets: list[tuple[ListenOptions, socket.socket]],
        serve: Serve,
        numbers: Iterator[int],
        worker: int = 0,
    ) -> None:
        self.control = Control(worker, numbers)
        self.stopping = False
        self._timeout = cycle.main.worker_shutdown_timeout
        self._log = cycle.log
        self._acting: asyncio.Task[None] | None = None
        self.task = asyncio.get_running_loop().create_task(serve(cycle, sockets, self.control))

    def quit(self) -> None:
        """Ends gracefully, in ``worker_shutdown_timeout`` at most."""
        if self.stopping:
            return
        self.stopping = True
        self.control.quit.set()
        if self._timeout:
            asyncio.get_running_loop().call_later(self._timeout, self.terminate)

    def terminate(self) -> None:
        """Ends at once, even if the server does not."""
        self.stopping = True
        self.control.terminate.set()
        self.control.quit.set()
        asyncio.get_running_loop().call_later(PATIENCE, self.task.cancel)

    def when_serving(self, act: Callable[[], None]) -> None:
        """Has something done after the first step of the server, or later, when it accepts
        connections; never, if it ends before."""
        self._acting = asyncio.get_running_loop().create_task(self._when_serving(act))

    async def _when_serving(self, act: Callable[[], None]) -> None:
        if not self.control.serves.is_set():
            serves = asyncio.get_running_loop().create_task(self.control.serves.wait())
            await asyncio.wait({serves, self.task}, return_when=asyncio.FIRST_COMPLETED)
            serves.cancel()
        if not self.task.done():
            act()

    async def done(self) -> bool:
        """Waits for the end; False if it was not asked for, which is a bug that was logged."""
        try:
            await self.task
        except asyncio.CancelledError:
            return self.stopping
        except Exception as error:
            log_exception(error, self._log)
            return False
        if not self.stopping:
            self._log.write(Severity.ERR, "the server returned without being asked to")
        return self.stopping


def log_exception(error: BaseException, log: Log) -> None:
    """A bug, with its traceback, in one entry of the log."""
    log.write(Severity.ERR, "".join(traceback.format_exception(error)).rstrip("\n"), lines=True)
