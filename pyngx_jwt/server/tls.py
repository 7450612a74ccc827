"""A TLS connection after its handshake: to its HTTP a transport, to the socket a protocol.

The event loops' own TLS drops the alert that explains a failed handshake, and takes one
context for all servers of an address.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Any

from ..http.request import Server
from .connection import SocketConnection
from .tls_errors import describe

RECORD = 16384  # no read brings more


@dataclass(frozen=True, slots=True)
class Pipe:
    """OpenSSL's side of a connection: bytes go in and come out, it knows no socket."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


def open_pipe(context: ssl.SSLContext, incoming: ssl.MemoryBIO) -> Pipe:
    """The server's side of a new connection; what has come of it already is in `incoming`."""
    outgoing = ssl.MemoryBIO()
    return Pipe(context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)


class TlsTransport(asyncio.Protocol):
    """Encrypts what HTTP writes, and hands it what it decrypts."""

    def __init__(self, transport: Any, pipe: Pipe, protocol: SocketConnection) -> None:
        self._transport, self._pipe, self._protocol = transport, pipe, protocol
        self._paused = self._ended = self._closed = False
        self._last_call: asyncio.TimerHandle | None = None

    def start(self, server: Server) -> None:
        """Takes over from the handshake, in which the client has named this server."""
        self._transport.set_protocol(self)
        self._protocol.connection_made(self)
        self._protocol.choose_server(server)
        self._read()

    # -- for the socket --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._pipe.incoming.write(data)
        self._read()

    def _read(self) -> None:
        incoming, pending = self._pipe.incoming, self._pipe.tls.pending
        while not (self._paused or self._ended or self._closed) and (incoming.pending or pending()):
            data = self._decrypted()
            if data:
                self._protocol.data_received(data)
            elif data is None:
                break
            else:
                self._end()
        self._flush()

    def _decrypted(self) -> bytes | None:
        """What one record holds, b"" at the end, None if more has to come."""
        try:
            return self._pipe.tls.read(RECORD)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            self._fail(error)
            return None

    def _fail(self, error: ssl.SSLError) -> None:
        level, why = describe(error)
        text = f"SSL_read() failed {why}"
        r = self._protocol.request
        if r is not None:
            r.log(level, text)
        else:
            self._protocol.log(level, f"{text} while waiting for request")
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

    # -- for HTTP --------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if data and not self._closed:
            self._pipe.tls.write(data)
            self._flush()

    def _flush(self) -> None:
        if self._pipe.outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._pipe.outgoing.read())

    def pause_reading(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._protocol.worker.loop.call_soon(self._read)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._pipe.tls
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int) -> None:
        self._transport.set_write_buffer_limits(high=high)

    def get_write_buffer_size(self) -> int:
        size: int = self._transport.get_write_buffer_size()
        return size

    def is_closing(self) -> bool:
        return self._closed or bool(self._transport.is_closing())

    def can_write_eof(self) -> bool:
        """TLS ends in both directions at once."""
        return False

    def close(self) -> None:
        """Says goodbye, and closes once that has been sent."""
        if self.is_closing():
            return
        with contextlib.suppress(ssl.SSLError):  # the client has not said goodbye yet
            self._pipe.tls.unwrap()
        self._flush()
        self._close()

    def _close(self) -> None:
        """A client that reads nothing does not take the last alert either."""
        self._closed = True
        self._transport.close()
        loop, timeout = self._protocol.worker.loop, self._protocol.server.core.send_timeout
        self._last_call = loop.call_later(timeout, self._transport.abort)

    def abort(self) -> None:
        self._closed = True
        self._transport.abort()
