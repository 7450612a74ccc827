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

    def __init__(self, tls: TlsConnection, loop: asyncio.AbstractEventLoop) -> None:
        self.tls = tls
        self.done: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self.tls.feed(data)
        if not self.done.done():
            self._go_on()

    def _go_on(self) -> None:
        done, failure = False, None
        try:
            done = self.tls.handshake()
        except TlsError as error:
            failure = error
        while data := self.tls.take():
            self.transport.write(data)
        if failure is not None:
            self.done.set_exception(failure)
            self.transport.close()
        elif done:
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError())
