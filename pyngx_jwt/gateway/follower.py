"""A client that may be slower than the upstream whose response is being stored."""

from __future__ import annotations

import asyncio
import os

from ..cache import Writer
from ..http.request import Request
from ..log import Severity, fault_text


class Follower:
    """Sends what is written; what the client does not take at once comes from the file later,
    so that neither the upstream nor the cache waits for the client (ngx_event_pipe)."""

    __slots__ = ("fd", "gone", "r", "sent", "stored", "task", "writer")

    def __init__(self, r: Request, writer: Writer) -> None:
        self.r, self.writer = r, writer
        self.sent = self.stored = 0  # bytes of the body
        self.gone = r.header_only  # nothing is to be sent
        self.fd = -1
        self.task: asyncio.Task[None] | None = None

    @property
    def needs_file(self) -> bool:
        """Whether the client waits for what only the file has, or waits for nothing."""
        return self.gone or self.task is not None

    def take(self, data: bytes) -> None:
        """Data that have been written to the cache, and go to the client now or later."""
        self.stored += len(data)
        r = self.r
        if self.gone or self.task is not None:
            return
        if r.parent is None and r.connection.closed:
            self.gone = True
        elif (r.sink.paused or r.rate or r.inflates) and self._has_file():
            self.task = asyncio.get_running_loop().create_task(self._follow())
        else:
            r.write(data)
            self.sent = self.stored

    def _has_file(self) -> bool:
        """Whether all that was stored can be read."""
        if self.writer.fd >= 0 or self.fd < 0:  # else it is complete and has been closed
            if not self.writer.flush():
                return False
            if self.fd < 0:
                self.fd = os.dup(self.writer.fd)
        return True

    async def _follow(self) -> None:
        """Sends from the file until the client has all that was stored."""
        r, start = self.r, self.writer.body_start
        try:
            while self.sent < self.stored and not self.gone:
                if r.sink.paused:
                    await r.sink.drain()
                self.gone = not self._has_file()
                wanted = min(r.piece, self.stored - self.sent)
                data = os.pread(self.fd, wanted, start + self.sent)
                self.gone |= not data
                read, sending = len(data), r.send(data)
                del data  # it is not kept for as long as the client takes
                await sending
                self.sent += read
        except OSError as error:
            self.gone = True
            if not isinstance(error, ConnectionResetError):
                r.log(Severity.CRIT, f'pread() "{self.writer.path}" failed {fault_text(error)}')
        self.task = None

    async def finish(self) -> None:
        """Waits until the client has everything."""
        if self.task is not None:
            await self.task

    def close(self) -> None:
        """Gives up what is under way."""
        if self.task is not None:
            self.task.cancel()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
