"""Accepts connections: the event loop does it for TLS and "stream", we for all others.

A PROXY protocol header comes before anything else, TLS included, so it is taken off the socket
before the event loop has the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from ..http.ports import ListenAddress, Port
from ..http2.frames import PREFACE
from ..log import Severity, errno_text
from .front_end import TIMED_OUT, FrontEnd
from .http1 import HttpProtocol
from .proxy_protocol import MAX_HEADER, BrokenHeader, ProxyProtocol, read_header
from .sockets import SocketTransport

PAUSE = 0.5  # seconds without accepting when the system is out of something
Detecting = Callable[[], Any]


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


class Accepting:
    """Stands where the event loop's server stands for others: accepts what waits, up to a limit,
    since others have to be served as well."""

    def __init__(self, worker: FrontEnd, port: Port, bound: socket.socket) -> None:
        self.worker, self.port, self.bound = worker, port, bound
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
        try:
            self._take(self.worker.accepts)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """A client that has left meanwhile does not keep us from accepting others."""
        is_left = error.errno == errno.ECONNABORTED
        log = self.port.address.names.default.location.log
        level = Severity.ERR if is_left else Severity.CRIT
        log.write(level, f"accept4() failed {errno_text(error)}")
        if not is_left:
            loop = self.worker.loop
            loop.remove_reader(self.bound)
            self._pause = loop.call_later(PAUSE, self._open)

    def _take(self, most: int) -> None:
        """Accepts up to so many; raises the OSError of accept()."""
        raise NotImplementedError


class DirectAcceptor(Accepting):
    """Accepts HTTP connections without TLS, and serves what they have brought."""

    def __init__(
        self, worker: FrontEnd, port: Port, bound: socket.socket, first: Detecting | None
    ) -> None:
        """`first` makes the first protocol of a connection that may speak HTTP/2; with None all
        speak HTTP/1."""
        self._options = worker.options_of(port.address.names.default)
        self._first, self._watch = first, worker.sockets()
        self._expected = 1  # connections that may be waiting
        self._family = int(bound.family)
        if port.listen.family != socket.AF_UNIX:
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # is inherited
        super().__init__(worker, port, bound)

    def _take(self, most: int) -> None:
        """To find out that none waits any more takes an exception, so more than one are tried only
        when the last time they came."""
        number = most if self.worker.multi_accept else min(self._expected, most)
        self._expected = max(number // 2, 1)
        for _ in range(number):
            fd, peer = self.bound._accept()  # type: ignore[attr-defined]
            os.set_blocking(fd, False)
            transport = SocketTransport(self._watch, fd, self._family, peer)
            self._watch.hold()
            try:
                self._serve(transport)
            except Exception as error:
                transport.failed(error)
            finally:
                transport.wait()
                self._watch.bury()
        self._expected = number * 2

    def _serve(self, transport: SocketTransport) -> None:
        data, worker = transport.read_early(), self.worker
        first = self._first
        if first is not None and PREFACE.startswith(data[: len(PREFACE)]):
            other = first()
            transport.set_protocol(other)
            other.connection_made(transport)
            transport.bring(data)
            return
        protocol = HttpProtocol(worker, self.port, self._options, next(worker.numbers))
        transport.set_protocol(protocol)
        if protocol.arrive(transport):
            transport.bring(data)
            protocol.await_first_head()


class Acceptor(Accepting):
    """Accepts connections that begin with a PROXY protocol header."""

    def __init__(
        self,
        worker: FrontEnd,
        port: Port,
        bound: socket.socket,
        first: Callable[[ProxyProtocol | None], asyncio.BaseProtocol],
    ) -> None:
        """`first` makes the first protocol of a connection with its PROXY header."""
        self.first = first
        super().__init__(worker, port, bound)

    def _take(self, most: int) -> None:
        for _ in range(most):
            self._take_one(*self.bound.accept())

    def _take_one(self, sock: socket.socket, peer: Any) -> None:
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
