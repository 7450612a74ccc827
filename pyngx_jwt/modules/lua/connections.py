"""Connections of code ("ngx.socket"): what has come over them, and those that are idle."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Awaitable
from typing import Any, TypeVar

from ...http.client import BodyError
from ...stream.channel import Channel
from .state import LuaRequest, LuaRun

T = TypeVar("T")
READ_AHEAD = 65536  # bytes that are kept before reading is paused
TIMEOUT, CLOSED = "timeout", "closed"
BUSY_READING, BUSY_WRITING = "socket busy reading", "socket busy writing"
MOST_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by peer",
    errno.EPIPE: "broken pipe",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "network is unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
}


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """The result; raises TimeoutError when it takes longer.  Needs no task of the caller."""
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


async def awaited(waiter: asyncio.Future[None], seconds: float) -> None:
    """Raises TimeoutError when nobody sets the result in time."""
    handle = asyncio.get_running_loop().call_later(seconds, _time_out, waiter)
    try:
        await waiter
    finally:
        handle.cancel()


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def reason_of(error: BaseException) -> str:
    """What code is told about an error."""
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, OSError) and error.errno:
        return MOST_REASONS.get(error.errno) or os.strerror(error.errno).lower()
    return CLOSED


class Stream(asyncio.Protocol):
    """A connection with what has come of it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_over = False
        self.error: BaseException | None = None
        self.transport: Any = None
        self._paused_writing = self._paused_reading = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self.uses = 0  # before this one
        self.pool = ""
        self.idle: asyncio.TimerHandle | None = None
        self.when_idle_ends: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > READ_AHEAD and not self._paused_reading:
            self._paused_reading = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.is_over = True
        self._wake()
        return False

    def connection_lost(self, error: BaseException | None) -> None:
        self.is_over, self.error = True, error
        self._wake()
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self.when_idle_ends is not None:
            self.when_idle_ends(self)

    async def more(self, seconds: float) -> bool:
        """Waits for more in the buffer; False at the end.  Raises TimeoutError."""
        had = len(self.buffer)
        if self.is_over:
            return False
        if self._paused_reading:
            self._paused_reading = False
            self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        while len(self.buffer) == had and not self.is_over:
            self._reader = loop.create_future()
            try:
                await awaited(self._reader, seconds)
            finally:
                self._reader = None
        return len(self.buffer) > had

    async def send(self, data: bytes, seconds: float) -> None:
        """Raises OSError, TimeoutError."""
        if self.is_over or self.transport.is_closing():
            raise self.error if isinstance(self.error, OSError) else BrokenPipeError()
        self.transport.write(data)
        if not self._paused_writing:
            return
        loop = asyncio.get_running_loop()
        self._writer = loop.create_future()
        try:
            await awaited(self._writer, seconds)
        finally:
            self._writer = None
        if self.is_over and self._paused_writing:
            raise self.error if isinstance(self.error, OSError) else BrokenPipeError()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class BodyStream:
    """The request body, for "ngx.req.socket"."""

    def __init__(self, run: LuaRequest) -> None:
        self.buffer = bytearray()
        self._body = run.r.body_in
        self.is_over = self._body is None

    async def more(self, seconds: float) -> bool:
        if self.is_over or self._body is None:
            return False
        try:
            data = await within(seconds, self._body.read())
        except BodyError:
            data = b""
        self.is_over = not data
        self.buffer += data
        return bool(data)

    def close(self) -> None:
        """The body is the request's."""


class ClientStream:
    """The connection of a client of "stream", for "ngx.req.socket": of UDP its first datagram."""

    def __init__(self, channel: Channel, writing: asyncio.Lock) -> None:
        """The lock is held by the only one that waits until the channel is drained."""
        self.buffer = bytearray()
        self.is_over = self.is_consumed = False
        self.error: Exception | None = None
        self._channel, self._writing = channel, writing

    async def more(self, seconds: float) -> bool:
        """Waits for more in the buffer; False at the end.  Raises TimeoutError."""
        self.is_consumed = True
        if self.is_over:
            return False
        async with asyncio.timeout(seconds):
            data = await self._channel.read(READ_AHEAD)
        self.is_over = data is None or self._channel.is_udp
        self.error = self._channel.error
        self.buffer += data or b""
        return bool(data)

    async def send(self, data: bytes, seconds: float) -> None:
        """Raises OSError, TimeoutError."""
        channel = self._channel
        channel.write(data)
        async with self._writing, asyncio.timeout(seconds):
            await channel.drain()
        if channel.closed:
            raise channel.error if isinstance(channel.error, OSError) else BrokenPipeError()

    def give_back(self) -> None:
        """What has been read and not taken can be read by others."""
        if self.buffer:
            self._channel.unread(bytes(self.buffer))
            self.buffer.clear()
            self.is_over = False

    def close(self) -> None:
        """The connection is the session's."""


class LuaSocket:
    """A socket of the code; its connection is that of this use only."""

    def __init__(self, run: LuaRun) -> None:
        conf = run.conf
        self.connect_timeout = conf.lua_socket_connect_timeout
        self.send_timeout = conf.lua_socket_send_timeout
        self.read_timeout = conf.lua_socket_read_timeout
        self.keepalive_timeout = conf.lua_socket_keepalive_timeout
        self.pool_size = conf.lua_socket_pool_size
        self.logs_errors = conf.lua_socket_log_errors
        self.stream: Any = None
        self.host = ""
        self.own_address: tuple[str, int] | None = None
        self.options: list[tuple[int, int, int]] = []  # to be set when it is connected
        self.is_reading = self.is_sending = False  # one of its threads waits

    @property
    def busy(self) -> str:
        """What keeps it from being closed, kept or connected; "" if nothing does."""
        if self.is_reading:
            return BUSY_READING
        return BUSY_WRITING if self.is_sending else ""

    def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()


class Pools:
    """Idle connections by the name of their pool, of one worker."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[Stream]] = {}

    def take(self, name: str) -> Stream | None:
        streams = self._idle.get(name)
        while streams:
            stream = streams.pop()
            self._wake_up(stream)
            if not stream.is_over and not stream.buffer:
                stream.uses += 1
                return stream
            stream.close()
        return None

    def put(self, name: str, stream: Stream, seconds: float, most: int) -> None:
        streams = self._idle.setdefault(name, deque())
        if len(streams) >= most:
            oldest = streams.popleft()
            self._wake_up(oldest)
            oldest.close()
        stream.pool = name
        stream.when_idle_ends = self._drop
        if seconds > 0:
            stream.idle = asyncio.get_running_loop().call_later(seconds, self._drop, stream)
        streams.append(stream)

    def count(self, name: str) -> int:
        return len(self._idle.get(name, ()))

    def _drop(self, stream: Stream) -> None:
        self._wake_up(stream)
        streams = self._idle.get(stream.pool)
        if streams is not None and stream in streams:
            streams.remove(stream)
            if not streams:
                del self._idle[stream.pool]
        stream.close()

    @staticmethod
    def _wake_up(stream: Stream) -> None:
        stream.when_idle_ends = None
        if stream.idle is not None:
            stream.idle.cancel()
            stream.idle = None

    def close(self) -> None:
        for streams in tuple(self._idle.values()):
            for stream in tuple(streams):
                self._drop(stream)


class Datagrams(asyncio.DatagramProtocol):
    """A socket of datagrams."""

    def __init__(self) -> None:
        self.received: deque[bytes] = deque()
        self.error: Exception | None = None
        self.transport: Any = None
        self._reader: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.received.append(data)
        self._wake()

    def error_received(self, error: Exception) -> None:
        self.error = error
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def receive(self, seconds: float) -> bytes:
        """Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        while not self.received:
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            self._reader = loop.create_future()
            try:
                await awaited(self._reader, seconds)
            finally:
                self._reader = None
        return self.received.popleft()

    def close(self) -> None:
        self.transport.close()
