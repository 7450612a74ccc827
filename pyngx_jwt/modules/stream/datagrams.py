"""UDP to an upstream: a socket of its own for each session."""

from __future__ import annotations

import asyncio
import socket

from ...log import errno_text
from ...stream.channel import UdpChannel, name_of
from ...upstream.address import Local, PeerAddress
from ...upstream.errors import ConnectError

LARGEST = 65535  # bytes of a datagram
AT_ONCE = 32  # datagrams that are read in one turn of the event loop


class UpstreamDatagrams(UdpChannel):
    """The end of such a socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def local_name(self) -> str:
        return name_of(self._sock.getsockname())

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        try:
            self._sock.send(data)
            self.sent += len(data)
        except BlockingIOError:
            pass  # it is lost, as a datagram may be
        except OSError as error:
            self.end(error)

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data = self._sock.recv(LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                self.end(error)
                return
            self.arrived(data)

    def end(self, error: Exception | None = None) -> None:
        super().end(error)
        self._stop_reading()

    def _stop_reading(self) -> None:
        if not self.closed:
            self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        if not self.closed:
            self._stop_reading()
            self.closed = True
            self._sock.close()

    def abort(self) -> None:
        self.close()


def open_datagrams(address: PeerAddress, local: Local | None) -> UpstreamDatagrams:
    """Raises ConnectError."""
    try:
        sock = socket.socket(address.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise ConnectError(f"socket() failed {errno_text(error)}", critical=True) from None
    try:
        if local is not None:
            sock.bind(local[:2])
        if address.family == socket.AF_UNIX:
            sock.connect(address.host)
        else:
            sock.connect((address.host, address.port))
    except OSError as error:
        sock.close()
        text = f"connect() to {address.name} failed {errno_text(error)}"
        raise ConnectError(text, critical=True) from None
    return UpstreamDatagrams(sock)
