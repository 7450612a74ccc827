"""A temporary file for what a slow client does not take at once (ngx_event_pipe)."""

from __future__ import annotations

import asyncio
import contextlib
import os

from ..cache import HashedPath, Writer
from ..http.request import Request
from .follower import Follower


class Spool(Follower):
    """Sends what the client takes; the rest goes through a file without a name, until the client
    has caught up with it.  So the upstream does not wait for the client."""

    __slots__ = ("most",)

    def __init__(self, r: Request, files: HashedPath, *, write_size: int, most: int) -> None:
        super().__init__(r, Writer(files.file, b"", r.log, write_size))
        self.most = most  # bytes of the file

    @property
    def is_busy(self) -> bool:
        """Whether the client still gets what is in the file."""
        return self.task is not None

    @property
    def failed(self) -> bool:
        """Whether the client gets no more although it is there."""
        return self.gone and not self.r.connection.closed

    def fits(self, size: int) -> bool:
        return self.stored + size <= self.most

    def put(self, data: bytes) -> bool:
        """Data for the client; whether they are the first in the file."""
        if self.r.parent is None and self.r.connection.closed:
            self.gone = True
        if self.gone:
            return False
        if not self.writer.write(data):
            self.gone = True
            return False
        self.stored += len(data)
        if self.task is not None:
            return False
        is_first = self.fd < 0
        if not self._has_file():
            self.gone = True
            return False
        if is_first:
            with contextlib.suppress(OSError):
                os.unlink(self.writer.path)
        self.task = asyncio.get_running_loop().create_task(self._follow())
        return is_first

    def close(self) -> None:
        super().close()
        self.writer.close()
