"""Tells HTTP/2 from HTTP/1 on ports without TLS, by the first bytes (ngx_http_wait_request)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..http.ports import ListenAddress, Port
from ..http.tls import H2
from ..http2.frames import PREFACE
from .connection import SocketConnection
from .front_end import FrontEnd


class Detector(asyncio.Protocol):
    """Stands in the place of a connection's protocol until it is known."""

    transport: Any
    timer: asyncio.TimerHandle

    def __init__(
        self,
        worker: FrontEnd,
        port: Port,
        number: int,
        speak: Callable[[str | None], SocketConnection],
    ) -> None:
        """`speak` makes the protocol by its name; None is HTTP/1."""
        self.worker, self.port, self.number, self.speak = worker, port, number, speak
        self.seen = b""
        self.over = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        address: ListenAddress = self.port.address_of(transport.get_extra_info("sockname"))
        server = address.names.default
        self.worker.handshakes.add(self)
        timeout = server.core.client_header_timeout
        self.timer = self.worker.loop.call_later(timeout, self._timed_out)
        if server not in address.http2:
            self._hand_over(None)

    def data_received(self, data: bytes) -> None:
        assert not self.over, "the connection has another protocol"
        self.seen += data
        if self.seen.startswith(PREFACE):
            self._hand_over(H2)
        elif not PREFACE.startswith(self.seen):
            self._hand_over(None)

    def _hand_over(self, name: str | None) -> SocketConnection:
        self._leave()
        protocol = self.speak(name)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self.seen and not self.transport.is_closing():
            protocol.data_received(self.seen)
        return protocol

    def _leave(self) -> None:
        self.over = True
        self.timer.cancel()
        self.worker.handshakes.discard(self)

    def _timed_out(self) -> None:
        self.transport.close()

    def eof_received(self) -> bool:
        """What has come is the beginning of an HTTP/1 request."""
        return bool(self._hand_over(None).eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over:
            self._leave()
            self.worker.accepted += 1
