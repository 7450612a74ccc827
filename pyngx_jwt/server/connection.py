"""A client's connection, as requests see it: who is at either end, and what has gone over it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from ..http.cidr import NONE
from ..http.ports import ListenAddress, Port
from ..http.request import Request, Server
from ..log import Severity
from .deadline import Deadline
from .front_end import FrontEnd

_TCP_INFO_SIZE = 232  # bytes; more than the fields we read need in any kernel's struct tcp_info


UNKNOWN = "unknown"  # as a client's address


def packed_address(text: str) -> bytes:
    """An address as sockets have it; raises OSError and ValueError."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text.partition("%")[0])


class ClientConnection:
    """What all front ends know of a connection, whatever protocol it speaks."""

    __slots__ = (
        *("binary_remote_addr", "number", "proxy_protocol", "remote_addr", "remote_port"),
        *("requests", "sent", "server_addr", "server_port", "sni", "ssl", "start"),
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.start = 0.0  # seconds since the epoch
        self.requests = 0
        self.sent = 0  # bytes
        self.remote_addr, self.remote_port, self.binary_remote_addr = "unix:", "", b""
        self.server_addr = self.server_port = ""
        self.proxy_protocol: Any = None
        self.ssl: Any = None
        self.sni = ""  # the host that the client names in the handshake

    def take_addresses(self, peer: Any, own: Any) -> None:
        """Notes both ends, as the socket has them; a unix socket has no peer, nor has one whose
        client is gone."""
        if isinstance(peer, tuple) and isinstance(own, tuple):
            self.remote_addr, self.remote_port = peer[0], str(peer[1])
            self.server_addr, self.server_port = own[0], str(own[1])
            self.binary_remote_addr = packed_address(peer[0])
        elif not isinstance(own, str | bytes):
            self.forget_peer()
        elif own:
            self.server_addr = f"unix:{os.fsencode(own).decode('latin-1')}"

    def forget_peer(self) -> None:
        """The peer is unknown.  It must not be taken for one of a unix socket, which has no
        address either, and rules for addresses need one: it gets one that no rule can name."""
        self.remote_addr, self.remote_port, self.binary_remote_addr = UNKNOWN, "", NONE


class SocketConnection(ClientConnection, asyncio.Protocol):
    """A connection of a socket, whatever protocol it speaks: who is at either end, and the ways
    to end it."""

    __slots__ = (
        "address",
        "closed",
        "deadline",
        "port",
        "request",
        "server",
        "transport",
        "worker",
    )
    transport: Any
    request: Request | None  # of a protocol that has one at a time

    def __init__(self, worker: FrontEnd, port: Port, number: int) -> None:
        super().__init__(number)
        self.worker, self.port = worker, port
        self.address: ListenAddress = port.address
        self.server: Server = port.address.names.default  # until the client has named one
        self.closed = False
        self.request = None
        self.deadline = Deadline(worker.loop, self._timed_out)

    def connection_made(self, transport: Any) -> None:
        raise NotImplementedError

    def take_transport(self, transport: Any, high: int) -> bool:
        """Takes over a connection; False if its client is gone already.  `high`: bytes that wait
        for the kernel before the transport says so."""
        self.transport = transport
        transport.set_write_buffer_limits(high)
        self.start = time.time()
        self.worker.connections.add(self)
        self.worker.accepted += 1
        self.ssl = transport.get_extra_info("ssl_object")
        if self.port.listen.family == socket.AF_UNIX:
            self.take_addresses(None, self.port.listen.host)
            return True
        listen, peer = self.port.listen, transport.get_extra_info("peername")
        if listen.family == socket.AF_INET and not listen.wildcard:
            own: Any = listen.host, listen.port  # which the kernel need not be asked for
        else:
            own = transport.get_extra_info("sockname")
        if peer is None:  # its address is unknown
            transport.abort()
            return False
        self.take_addresses(peer, own)
        if self.port.others and own:
            self.address = self.port.address_of(own)
            self.server = self.address.names.default
        return True

    def choose_server(self, server: Server) -> None:
        """Takes the server that the client has named in its handshake."""
        self.server = server

    # What FrontEnd counts.

    def current(self) -> Sequence[Request]:
        """The requests that are being served."""
        return () if self.request is None else (self.request,)

    @property
    def writing(self) -> int:
        """The requests that are being served or answered."""
        raise NotImplementedError

    @property
    def reading(self) -> int:
        """The requests that have begun and cannot be served yet."""
        raise NotImplementedError

    def shut_down(self) -> None:
        """Closes if it idles between requests; otherwise after the next one."""
        raise NotImplementedError

    def _timed_out(self) -> None:
        raise NotImplementedError

    def lost(self) -> None:
        """The connection is gone."""
        self.closed = True
        self.worker.connections.discard(self)
        self.worker.requests_before += self.requests
        self.deadline.stop()

    def tcp_info(self) -> bytes:
        """The kernel's struct tcp_info, b"" where there is none."""
        return tcp_info_of(self.transport.get_extra_info("socket"))

    def put(self, data: bytes) -> None:
        """Writes, unless the client is gone."""
        if not (self.closed or self.transport.is_closing()):
            self.transport.write(data)

    def close(self) -> None:
        """Closes once everything has been written."""
        self.transport.close()

    @property
    def resets(self) -> bool:
        """Whether a connection that timed out is reset instead of closed."""
        reset: bool = self.server.core.reset_timedout_connection
        return reset

    def cut(self) -> None:
        """Closes at once, whatever it does."""
        self.transport.abort()

    def reset(self) -> None:
        """Closes at once, without a goodbye."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def log(self, level: Severity, text: str) -> None:
        """Logs what concerns the connection and no request."""
        self.port.log(self.server, level, text, (self.remote_addr,), self.number)


def tcp_info_of(sock: socket.socket | None) -> bytes:
    """The kernel's struct tcp_info, b"" where there is none."""
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return b""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return b""
