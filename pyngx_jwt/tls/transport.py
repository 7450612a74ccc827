"""A TLS connection after its handshake: to its user a transport, to the socket a protocol.

The event loops' own TLS drops the alert that explains a failed handshake, and knows only what
Python's ``ssl`` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .connection import TlsConnection
from .errors import TlsError
from .library import SIZE


class TlsTransport(asyncio.Protocol):
    """Encrypts what the user's protocol writes, and hands it what it decrypts.

    `failed` gets what goes wrong in reading; the connection is closed then.  `linger` is how many
    seconds the peer has for the last bytes."""

    def __init__(
        self,
        transport: Any,
        tls: TlsConnection,
        protocol: Any,
        failed: Callable[[TlsError], None],
        linger: float,
    ) -> None:
        self._transport, self._tls, self._protocol = transport, tls, protocol
        self._failed, self._linger = failed, linger
        self._paused = self._ended = self._closed = False
        self._last_call: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Takes over from the handshake, after which more may have come already."""
        self._transport.set_protocol(self)
        if early := self._tls.take_early():
            self._protocol.data_received(early)
        self._read()

    # -- for the socket --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._tls.feed(data)
        if not (self._paused or self._ended or self._closed):
            self._decrypt()

    def _read(self) -> None:
        """Goes on with what has come, if any."""
        if not (self._paused or self._ended or self._closed) and self._tls.pending:
            self._decrypt()

    def _decrypt(self) -> None:
        tls, has_more = self._tls, True
        while has_more:
            try:
                data = tls.read()
            except TlsError as error:
                self._fail(error)
                return
            if data:
                self._protocol.data_received(data)
            elif data is None:
                self._flush()  # what TLS itself may have to say
            else:
                self._end()
            has_more = tls.pending > 0 and data is not None
            if self._paused or self._ended or self._closed:
                return

    def _fail(self, error: TlsError) -> None:
        self._failed(error)
        self._flush()  # the alert
        self._close()

    def eof_received(self) -> bool:
        if not self._ended:
            self._end()
        return True

    def _end(self) -> None:
        self._ended = True
        if not self._protocol.eof_received():
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        if self._last_call is not None:
            self._last_call.cancel()
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # -- for the user ----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if data and not self._closed:
            self._tls.write(data)
            self._flush()

    def _flush(self) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        data = self._tls.take()
        while data:
            transport.write(data)
            data = self._tls.take() if len(data) == SIZE else b""

    def pause_reading(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._read)

    def set_protocol(self, protocol: Any) -> None:
        """Another one goes on with what follows."""
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._tls
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int) -> None:
        self._transport.set_write_buffer_limits(high=high)

    def get_write_buffer_size(self) -> int:
        size: int = self._transport.get_write_buffer_size()
        return size

    def is_closing(self) -> bool:
        return self._closed or bool(self._transport.is_closing())

    def write_eof(self) -> None:
        """Says that nothing follows; the peer may still send."""
        if not self.is_closing():
            self._tls.shut_down()
            self._flush()
            self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """TLS ends in both directions at once."""
        return False

    def close(self) -> None:
        """Says goodbye, and closes once that has been sent."""
        if self.is_closing():
            return
        self._tls.shut_down()
        self._flush()
        self._close()

    def _close(self) -> None:
        """A peer that reads nothing does not take the last alert either."""
        self._closed = True
        self._transport.close()
        loop = asyncio.get_running_loop()
        self._last_call = loop.call_later(self._linger, self._transport.abort)

    def abort(self) -> None:
        self._closed = True
        self._transport.abort()
