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


class IncomingBody:
    """A request body between the connection, which takes it in, and its reader."""

    __slots__ = (
        *("_error", "_parts", "_waiter", "_wanted", "_wire_length"),
        *("complete", "discarding", "received"),
    )

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error = 0
        self.received = self._wire_length = 0
        self.complete = self.discarding = self._wanted = False

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        if data and not self.discarding:
            self._parts.append(data)

    def fail(self, status: int) -> None:
        """What reads the body will raise BodyError with this status."""
        if not self.complete:
            self._error = self._error or status
            self._wake()

    def discard(self) -> None:
        """Throws away what is here and what comes."""
        self.discarding = True
        self._parts.clear()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    @property
    def failed(self) -> int:
        """The status for a body that cannot be had, 0 if nothing is wrong with it."""
        return self._error

    async def read(self) -> bytes:
        """The next bytes, b"" at the end; raises BodyError."""
        self._wanted = True
        if not self._parts and not self.complete and not self._error:
            await self._wait()
        if self._parts:
            return self.at_hand()
        if self._error:
            raise BodyError(self._error)
        return b""

    @property
    def consumed(self) -> int:
        """Bytes of the connection that were the body, framing of chunks included; none if
        nothing reads the body (r->request_length)."""
        return self._wire_length if self._wanted else 0

    @property
    def is_awaited(self) -> bool:
        """Whether a reader waits for more."""
        return self._waiter is not None

    def expect_all(self) -> None:
        """The whole body will be kept."""

    def at_hand(self) -> bytes:
        """What has come and was not read yet."""
        self._wanted = True
        parts = self._parts
        if not parts:
            return b""
        data = parts.popleft() if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data

    def before_read(self) -> None:
        """A reader waits."""

    def after_read(self) -> None:
        """It does no more."""

    async def _wait(self) -> None:
        """Waits for more.  A reader that is cancelled may find another in its place, which goes
        on waiting."""
        self.before_read()
        waiter: asyncio.Future[None] | None = None
        try:
            while not self._parts and not self.complete and not self._error:
                waiter = self._waiter = asyncio.get_running_loop().create_future()
                await waiter
        finally:
            if self._waiter is waiter:
                self._waiter = None
                self.after_read()


class ClientBody(IncomingBody):
    """The body of an HTTP/1 request.

    `left` is what Content-Length still promises, -1 for a chunked body.
    """

    __slots__ = ("_decoder", "_feed", "_paused", "left", "waiting_bytes")

    def __init__(self, feed: Feed, length: int) -> None:
        super().__init__()
        self._feed, self.left = feed, length
        self._decoder: Any = None
        if length < 0:
            from ..http1.chunked import ChunkedDecoder

            self._decoder = ChunkedDecoder()
        self._paused = False
        self.waiting_bytes = 0
        self.complete = length == 0

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
        if not self.discarding:
            self._wire_length += end - at
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

    @property
    def is_paused(self) -> bool:
        """Whether the connection waits for its reader."""
        return self._paused

    def _take(self, data: bytes) -> None:
        super()._take(data)
        if not self.discarding:
            self.waiting_bytes += len(data)

    def discard(self) -> None:
        super().discard()
        self._taken()

    def at_hand(self) -> bytes:
        data = super().at_hand()
        if data:
            self._taken()
        return data

    def _taken(self) -> None:
        self.waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._feed.resume_reading()

    def before_read(self) -> None:
        self._feed.before_read()

    def after_read(self) -> None:
        self._feed.after_read()


class BodyStream(Protocol):
    """What a body needs of its stream."""

    def before_read(self) -> None: ...
    def after_read(self) -> None: ...

    def widen(self, window: int | None) -> None:
        """Lets the client send so much more of the body; None: all of it."""

    def refuse_body(self, text: str) -> None:
        """Logs what is wrong with it."""


class StreamBody(IncomingBody):
    """The body of an HTTP/2 request; its length is -1 if it was not announced."""

    __slots__ = ("_length", "_limited", "_stream")

    def __init__(self, stream: BodyStream, length: int) -> None:
        super().__init__()
        self._stream, self._length = stream, length
        self._limited = False

    def feed(self, data: bytes, *, end: bool) -> None:
        """Takes bytes of the body (ngx_http_v2_filter_request_body)."""
        received = self.received + len(data)
        if -1 < self._length < received:
            self._refuse("client intended to send body data larger than declared")
        elif end and self._length not in (-1, received):
            self._refuse(
                f"client prematurely closed stream: only {received} out of {self._length} bytes "
                "of request body received"
            )
        else:
            self._take(data)
            self._wire_length += len(data)
            self.complete = end
        self._wake()

    def _refuse(self, text: str) -> None:
        if not self._error:
            self._stream.refuse_body(text)
            self.fail(400)

    def expect_all(self) -> None:
        self._stream.widen(None)

    async def read(self) -> bytes:
        self._widen()
        return await super().read()

    def at_hand(self) -> bytes:
        data = super().at_hand()
        self._widen()
        return data

    def _widen(self) -> None:
        if not (self.complete or self._error):
            self._stream.widen(max(self._length + 1, 0))

    def before_read(self) -> None:
        self._stream.before_read()

    def after_read(self) -> None:
        self._stream.after_read()
