"""Accepts connections.

A PROXY protocol header comes before anything else, TLS included, so it is taken off the socket
before the event loop has the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from ..http.ports import ListenAddress, Port
from ..log import Severity, errno_text
from .front_end import TIMED_OUT, FrontEnd
from .proxy_protocol import MAX_HEADER, BrokenHeader, ProxyProtocol, read_header

PAUSE = 0.5  # seconds without accepting when the system is out of something


class Listening:
    """The event loop's server of a socket, and what waits behind the connection that it accepts.

    libuv accepts one connection in each turn of its loop, in which all connections are served that
    have something to say.  New ones would wait the longer the more there are of them, so those
    behind the first are accepted in the same turn.  Most are the first: accepting those here, too,
    would cost more than libuv does."""

    def __init__(
        self, worker: FrontEnd, bound: socket.socket, first: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        """`first` makes the first protocol of a connection."""
        self.worker, self.bound, self.first = worker, bound, first
        bound.setblocking(False)
        self._server: asyncio.Server | None = None
        self._is_due = False

    async def open(self, backlog: int) -> None:
        """Starts to accept."""
        loop = self.worker.loop
        self._server = await loop.create_server(self._make, sock=self.bound, backlog=backlog)

    def close(self) -> None:
        """Accepts no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _make(self) -> asyncio.BaseProtocol:
        if not self._is_due:
            self._is_due = True
            self.worker.loop.call_soon(self._take_others)
        return self.first()

    def _take_others(self) -> None:
        self._is_due = False
        if self._server is None:
            return
        loop, arriving = self.worker.loop, self.worker.arriving
        for _ in range(self.worker.accepts):
            try:
                sock, _peer = self.bound.accept()
            except OSError:  # none waits; what is wrong otherwise the event loop meets as well
                return
            task = loop.create_task(loop.connect_accepted_socket(self.first, sock))
            arriving.add(task)
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self.worker.arriving.discard(task)
        if not task.cancelled():
            task.exception()  # the client is gone


class Acceptor:
    """Stands where the event loop's server stands for other addresses."""

    def __init__(
        self,
        worker: FrontEnd,
        port: Port,
        bound: socket.socket,
        first: Callable[[ProxyProtocol | None], asyncio.BaseProtocol],
    ) -> None:
        """`first` makes the first protocol of a connection with its PROXY header."""
        self.worker, self.port, self.bound, self.first = worker, port, bound, first
        bound.setblocking(False)
        self._pause: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Accepts no more; connections whose header has not come yet are kept."""
        if self._pause is not None:
            self._pause.cancel()
        self.worker.loop.remove_reader(self.bound)
        self.bound.close()

    def _open(self) -> None:
        self._pause = None
        self.worker.loop.add_reader(self.bound, self._accept)

    def _accept(self) -> None:
        """Takes what waits, up to a limit: others have to be served as well."""
        try:
            for _ in range(self.worker.accepts):
                self._take(*self.bound.accept())
        except BlockingIOError:
            return
        except OSError as error:
            log = self.port.address.names.default.location.log
            log.write(Severity.CRIT, f"accept4() failed {errno_text(error)}")
            loop = self.worker.loop
            loop.remove_reader(self.bound)
            self._pause = loop.call_later(PAUSE, self._open)

    def _take(self, sock: socket.socket, peer: Any) -> None:
        task = self.worker.loop.create_task(self._welcome(sock, peer))
        self.worker.handshakes.add(task)
        task.add_done_callback(self.worker.handshakes.discard)

    async def _welcome(self, sock: socket.socket, peer: Any) -> None:
        address = self.port.address_of(sock.getsockname())
        core = address.names.default.core
        header: ProxyProtocol | None = None
        sock.setblocking(False)
        try:
            if address.listen.proxy_protocol:
                async with asyncio.timeout(core.client_header_timeout):
                    header = await self._header(sock, peer, address)
        except TimeoutError:
            self._report(TIMED_OUT, peer, address, Severity.INFO)
            sock.close()
            return
        except (BrokenHeader, OSError):
            sock.close()
            return
        with contextlib.suppress(OSError):  # the client is gone
            await self.worker.loop.connect_accepted_socket(lambda: self.first(header), sock)

    async def _header(
        self, sock: socket.socket, peer: Any, address: ListenAddress
    ) -> ProxyProtocol | None:
        data = await self._peek(sock)
        try:
            if not data:
                raise BrokenHeader("")
            header, length = read_header(data)
        except BrokenHeader as error:
            self._report(str(error), peer, address)
            raise
        sock.recv(length)
        return header

    async def _peek(self, sock: socket.socket) -> bytes:
        loop = self.worker.loop
        while True:
            with contextlib.suppress(BlockingIOError):
                return sock.recv(MAX_HEADER, socket.MSG_PEEK)
            readable = loop.create_future()
            loop.add_reader(sock.fileno(), _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(sock.fileno())

    def _report(
        self, text: str, peer: Any, address: ListenAddress, level: Severity = Severity.ERR
    ) -> None:
        if text:
            self.port.log(
                address.names.default,
                level,
                f"{text} while reading PROXY protocol",
                peer,
                next(self.worker.numbers),
            )


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
