"""Sockets of HTTP clients without TLS, read and written without transports of the event loop.

Most new connections bring a request at once: it is read as soon as they are accepted, as nginx does
with "deferred", and mostly answered before anything has been set up to wait.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from .watch import READABLE, WRITABLE, SocketWatch, Watched

READ: Final = 65536  # bytes at a time
_receive: Final = os.read
_send: Final = os.write


class SocketTransport(Watched):
    """What an asyncio.Transport is to its protocol, as far as HTTP needs it."""

    __slots__ = (
        *("_closing", "_ends", "_error", "_events", "_family", "_fd", "_high", "_is_over"),
        *("_paused", "_peer", "_protocol", "_reading", "_size", "_socket", "_unsent", "_watch"),
    )

    def __init__(self, watch: SocketWatch, fd: int, family: int, peer: Any) -> None:
        self._watch, self._fd, self._family, self._peer = watch, fd, family, peer
        self._protocol: Any = None
        self._socket: socket.socket | None = None  # made for the few that ask for it
        self._events = 0  # that are waited for
        self._high = READ
        self._unsent: list[memoryview] = []
        self._size = 0  # bytes of that
        self._reading = True
        self._closing = False  # no more is read or written but what is unsent
        self._is_over = False  # nor that
        self._ends = False  # the client is to see the end of what is sent
        self._paused = False  # so is the protocol
        self._error: OSError | None = None

    def read_early(self) -> bytes:
        """What has come already.  If that is the end, or an error, it is seen again later."""
        try:
            return _receive(self._fd, READ)
        except OSError:
            return b""

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def bring(self, data: bytes) -> None:
        """Hands over what was read early, to the protocol that the connection has by now."""
        if data and not self._closing:
            self._protocol.data_received(data)

    # -- for the watch ---------------------------------------------------------------------

    def happened(self, events: int) -> None:
        try:
            if self._reading and events != WRITABLE:
                self._read()
            if self._unsent and events != READABLE and not self._is_over:
                self._flush()
        except Exception as error:
            self.failed(error)

    def bury(self) -> None:
        protocol = self._protocol
        self._protocol = None
        self._watch.forget(self._fd)
        try:
            protocol.connection_lost(self._error)
        except Exception as error:
            self._watch.failed(error)
        if self._socket is not None:
            self._socket.detach()
        os.close(self._fd)
        self._fd = -1

    def failed(self, error: Exception) -> None:
        """A bug: the connection ends."""
        self._watch.failed(error)
        self.abort()

    def wait(self) -> None:
        """Waits for what is to be done next."""
        if self._is_over:
            return
        events = READABLE if self._reading else 0
        if self._unsent:
            events |= WRITABLE
        if events != self._events:
            self._watch.watch(self._fd, self, self._events, events)
            self._events = events

    def _over(self, error: OSError | None) -> None:
        if not self._is_over:
            self._closing = self._is_over = True
            self._reading = False
            self._error = error
            self._unsent, self._size = [], 0
            self._watch.closed(self)

    # -- reading ---------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = _receive(self._fd, READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._over(error)
            return
        if data:
            self._protocol.data_received(data)
            return
        self._reading = False
        if self._protocol.eof_received():
            self.wait()
        else:
            self.close()

    def pause_reading(self) -> None:
        if self._reading and not self._closing:
            self._reading = False
            self.wait()

    def resume_reading(self) -> None:
        if not (self._reading or self._closing):
            self._reading = True
            self.wait()

    # -- writing ---------------------------------------------------------------------------

    def set_write_buffer_limits(self, high: int) -> None:
        self._high = high

    def get_write_buffer_size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        if self._is_over or not data:
            return
        sent = 0
        if not self._unsent:
            try:
                sent = _send(self._fd, data)
            except BlockingIOError:
                pass
            except OSError as error:
                self._over(error)
                return
            if sent == len(data):
                return
        self._unsent.append(memoryview(data)[sent:])
        self._size += len(data) - sent
        self.wait()
        if self._size > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def _flush(self) -> None:
        """Sends what could not be sent before."""
        while self._unsent:
            first = self._unsent[0]
            try:
                sent = _send(self._fd, first)
            except BlockingIOError:
                return
            except OSError as error:
                self._over(error)
                return
            self._size -= sent
            if sent < len(first):
                self._unsent[0] = first[sent:]
                return
            del self._unsent[0]
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()
        if self._unsent or self._is_over:
            return
        if self._closing:
            self._over(None)
            return
        if self._ends:
            self._shut_down()
        self.wait()

    # -- the end ---------------------------------------------------------------------------

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._ends:
            self._ends = True
            if not (self._unsent or self._is_over):
                self._shut_down()

    def _shut_down(self) -> None:
        try:
            self._whole_socket().shutdown(socket.SHUT_WR)
        except OSError as error:
            self._over(error)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Closes once everything has been written."""
        if self._closing:
            return
        self._closing = True
        self._reading = False
        if self._unsent:
            self.wait()
        else:
            self._over(None)

    def abort(self) -> None:
        """Closes at once."""
        self._over(None)

    # -- what there is to know -------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return self._peer
        if self._fd < 0:
            return default
        if name == "socket":
            return self._whole_socket()
        if name == "sockname":
            return self._whole_socket().getsockname()
        return default

    def _whole_socket(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(self._family, socket.SOCK_STREAM, 0, self._fd)
        return self._socket
