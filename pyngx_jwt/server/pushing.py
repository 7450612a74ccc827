"""A response on its way from the engine, which does not wait, to another program's server, which
does: what the doors to such servers have in common."""

from __future__ import annotations

import asyncio
import contextlib

from ..http.request import InParts, Request
from .connection import ClientConnection

HIGH_WATER = 65536  # bytes of an answer held back before its handler has to wait


class PushingSink(InParts):
    """Keeps the body until it is pushed; a door says how in `push`."""

    def __init__(self, client: ClientConnection) -> None:
        self.client = client
        self.r: Request | None = None  # once there is a head
        self.parts: list[bytes] = []
        self.held = 0
        self.ended = False
        self._unbuffered = False
        self._flushes: set[asyncio.Task[None]] = set()

    async def push(self) -> None:
        """Gives the server what there is."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        r = self.r
        if r is None or (r.header_only and not r.upgraded):
            return
        self.parts.append(data)
        self.held += len(data)
        self.count(len(data))

    def count(self, length: int) -> None:
        assert self.r is not None
        self.r.bytes_sent += length
        self.client.sent += length

    def take(self) -> bytes:
        """What is held back."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.held = 0
        return data

    @property
    def paused(self) -> bool:
        return self._unbuffered or self.held > HIGH_WATER

    def hint(self, fields: list[tuple[str, str]]) -> None:
        """Such servers have no interim responses."""

    def flush(self) -> None:
        """Sends what there is soon, and from now on everything as it comes."""
        self._unbuffered = True
        self._start_flush()

    def end(self) -> None:
        self.ended = True
        if self.r is not None and self.r.background:  # the end of the request waits for that
            self._start_flush()

    def abort(self) -> None:
        self.ended = False

    def _start_flush(self) -> None:
        if self.r is not None:
            task = asyncio.create_task(self._flush())
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        with contextlib.suppress(OSError, TimeoutError):  # the end of the request meets them too
            await self.push()
