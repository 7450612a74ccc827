"""The client's side of a handshake."""

from __future__ import annotations

import asyncio
from typing import Any

from .connection import TlsConnection
from .errors import TlsError


class ClientHandshake(asyncio.Protocol):
    """Stands in the place of a connection's protocol until its handshake is over.

    `done` has no result; it raises TlsError, or the OSError that has ended the connection."""

    transport: Any

    def __init__(
        self, tls: TlsConnection, loop: asyncio.AbstractEventLoop, preface: bytes = b""
    ) -> None:
        """`preface` is sent before the handshake, as it is."""
        self.tls, self.preface = tls, preface
        self.done: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.preface:
            transport.write(self.preface)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self.tls.feed(data)
        if not self.done.done():
            self._go_on()

    def _go_on(self) -> None:
        try:
            if self.tls.advance(self.transport.write):
                self.done.set_result(None)
        except TlsError as error:
            self.done.set_exception(error)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError())
