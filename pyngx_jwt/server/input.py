"""A request body as it comes in on a connection."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from ..http.client import BodyError

HIGH_WATER = 65536  # bytes waiting to be read before the client is paused


class Feed(Protocol):
    """What a body needs of its connection."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def before_read(self) -> None: ...
    def after_read(self) -> None: ...


class ClientBody:
    """Bytes of the request body, between the connection and their reader.

    `left` is what Content-Length still promises, -1 for a chunked body.
    """

    __slots__ = (
        "_decoder",
        "_error",
        "_feed",
        "_parts",
        "_paused",
        "_waiter",
        "complete",
        "discarding",
        "left",
        "received",
        "waiting_bytes",
    )

    def __init__(self, feed: Feed, length: int) -> None:
        self._feed, self.left = feed, length
        self._decoder: Any = None
        if length < 0:
            from ..http1.chunked import ChunkedDecoder

            self._decoder = ChunkedDecoder()
        self._parts: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error = 0
        self._paused = False
        self.waiting_bytes = self.received = 0
        self.complete = length == 0
        self.discarding = False

    def feed(self, data: bytes, at: int = 0) -> int:
        """Takes bytes of the connection from a position on; where the body's bytes end."""
        if self._decoder is None:
            end = min(at + self.left, len(data))
            self.left -= end - at
            self.complete = self.left == 0
            self._take(data[at:end])
        else:
            end = self._feed_chunks(data, at)
        if self.waiting_bytes > HIGH_WATER and not self._paused:
            self._paused = True
            self._feed.pause_reading()
        self._wake()
        return end

    def _feed_chunks(self, data: bytes, at: int) -> int:
        assert self._decoder is not None
        result = self._decoder.feed(data, at)
        for part in result.chunks:
            self._take(part)
        if result.status:
            self.fail(result.status)
        elif result.done:
            self.complete = True
            end: int = result.end
            return end
        return len(data)

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        if data and not self.discarding:
            self._parts.append(data)
            self.waiting_bytes += len(data)

    def fail(self, status: int) -> None:
        """What reads the body will raise BodyError with this status."""
        if not self.complete:
            self._error = self._error or status
            self._wake()

    def discard(self) -> None:
        """Throws away what is here and what comes."""
        self.discarding = True
        self._parts.clear()
        self.waiting_bytes = 0
        self._resume()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._feed.resume_reading()

    @property
    def failed(self) -> int:
        """The status for a body that cannot be had, 0 if nothing is wrong with it."""
        return self._error

    async def read(self) -> bytes:
        """The next bytes, b"" at the end; raises BodyError."""
        if not self._parts and not self.complete and not self._error:
            await self._wait()
        if self._parts:
            return self.at_hand()
        if self._error:
            raise BodyError(self._error)
        return b""

    def at_hand(self) -> bytes:
        """What has come and was not read yet."""
        if not self._parts:
            return b""
        data = self._parts.popleft() if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self.waiting_bytes = 0
        self._resume()
        return data

    async def _wait(self) -> None:
        self._feed.before_read()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            while not self._parts and not self.complete and not self._error:
                await self._waiter
                self._waiter = asyncio.get_running_loop().create_future()
        finally:
            self._waiter = None
            self._feed.after_read()
