"""The ends of a connection as handlers read and write them: bytes of TCP, datagrams of UDP.

A channel belongs to one task that reads and one that writes.  It holds no more than a piece of what
comes in, and of what goes out no more than was written last: `drain` waits until the kernel has
taken it all.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ..tls.connection import TlsConnection
from ..tls.errors import TlsError

ENOUGH = 16384  # bytes that wait to be read before the sender has to wait
MOST_DATAGRAMS = 256  # that wait to be read; further ones are lost


class Channel:
    """One end; `buffer` is what has come and was not read."""

    is_udp = False

    def __init__(self) -> None:
        self.buffer = b""
        self.received = 0  # bytes that were read
        self.sent = 0
        self.ended = False  # nothing more comes
        self.closed = False
        self.error: Exception | None = None  # what has ended it
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def more(self) -> bool:
        """Waits until more is in the buffer; False if nothing will come."""
        if self.ended:
            return False
        size = len(self.buffer)
        self._want()
        while len(self.buffer) == size and not self.ended:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return len(self.buffer) > size

    async def read(self, most: int) -> bytes | None:
        """At most so many bytes, None at the end; of UDP a whole datagram, which can be empty."""
        raise NotImplementedError

    def unread(self, data: bytes) -> None:
        """What has been read last is to be read again."""
        self.received -= len(data)
        self.buffer = data + self.buffer

    def write(self, data: bytes) -> None:
        """Sends, unless the other side is gone."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Waits until all has been sent that was written."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken."""
        return 0

    @property
    def local_name(self) -> str:
        """Our address as logs have it."""
        return ""

    @property
    def tls(self) -> TlsConnection | None:
        """For a look at what was agreed upon; None without TLS."""
        return None

    def set_nodelay(self) -> None:
        """Sends small pieces at once (TCP_NODELAY)."""

    def end_writing(self) -> None:
        """Tells the other side that nothing follows."""

    def close(self) -> None:
        """Closes; what is not sent yet still is."""
        raise NotImplementedError

    def abort(self) -> None:
        """Closes at once."""
        raise NotImplementedError

    def limit(self, datagrams: int) -> None:
        """Of UDP: what comes after so many datagrams begins another session."""

    def _want(self) -> None:
        """The buffer may grow."""

    def _wake(self, waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class TcpChannel(Channel, asyncio.Protocol):
    """An end of a connection, with TLS or without."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: Any = None
        self._full = self._paused = False

    # -- for handlers ----------------------------------------------------------------------

    async def read(self, most: int) -> bytes | None:
        if not self.buffer and not await self.more():
            return None
        data = self.buffer
        if len(data) > most:
            data, self.buffer = data[:most], data[most:]
        else:
            self.buffer = b""
        self.received += len(data)
        if len(self.buffer) < ENOUGH:
            self.resume()
        return data

    def take(self) -> bytes:
        """All that has come: it is not what handlers read, but of TLS below it."""
        data, self.buffer = self.buffer, b""
        self._want()
        return data

    def write(self, data: bytes) -> None:
        if data and not self.closed and not self.transport.is_closing():
            self.sent += len(data)
            self.transport.write(data)

    async def drain(self) -> None:
        while self._full and not self.closed:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    @property
    def unsent(self) -> int:
        size: int = 0 if self.closed else self.transport.get_write_buffer_size()
        return size

    @property
    def local_name(self) -> str:
        return name_of(self.transport.get_extra_info("sockname"))

    @property
    def tls(self) -> TlsConnection | None:
        tls: TlsConnection | None = self.transport.get_extra_info("ssl_object")
        return tls

    def set_nodelay(self) -> None:
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end_writing(self) -> None:
        if not self.closed and not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _want(self) -> None:
        self.resume()

    def resume(self) -> None:
        """Goes on reading."""
        if self._paused and not self.closed:
            self._paused = False
            self.transport.resume_reading()

    # -- the transport's callbacks ---------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Without a buffer of its own the transport says at once what the kernel has not taken."""
        self.transport = transport
        transport.set_write_buffer_limits(high=1)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        if len(self.buffer) >= ENOUGH and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake(self._reader)

    def eof_received(self) -> bool:
        self.ended = True
        self._wake(self._reader)
        return True

    def tls_failed(self, error: TlsError) -> None:
        """What has come was not TLS, or an alert."""
        self.error = error

    def connection_lost(self, error: Exception | None) -> None:
        self.error = self.error or error
        self.ended = self.closed = True
        self._full = False
        self._wake(self._reader)
        self._wake(self._writer)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake(self._writer)


class UdpChannel(Channel):
    """What one address sends and is sent."""

    is_udp = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[bytes] = []  # datagrams that were not read

    async def read(self, most: int) -> bytes | None:
        while not self.waiting and not self.ended:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if not self.waiting:
            return None
        data = self.waiting.pop(0)
        self.buffer = b""
        self.received += len(data)
        return data

    def unread(self, data: bytes) -> None:
        self.received -= len(data)
        self.buffer = data
        self.waiting.insert(0, data)

    def arrived(self, data: bytes) -> None:
        """A datagram has come."""
        if len(self.waiting) >= MOST_DATAGRAMS:
            return
        if not self.waiting:
            self.buffer = data
        self.waiting.append(data)
        self._wake(self._reader)

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes."""
        self.error = self.error or error
        self.ended = True
        self._wake(self._reader)


def name_of(own: object) -> str:
    """The address of a socket as logs have it."""
    if not isinstance(own, tuple):
        return "unix:"
    host, port = own[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
