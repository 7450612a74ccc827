"""Opens connections to upstream servers: TCP, unix sockets, TLS over either."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from ..log import errno_text
from ..metrics.handshakes import UNCOUNTED, HandshakeCounts
from ..metrics.kinds import TLS_TIMEOUT
from ..tls.client import ClientHandshake
from ..tls.errors import TlsError
from ..tls.transport import TlsTransport
from .address import Local, PeerAddress
from .client import PeerConnection, PeerSettings
from .errors import TIMED_OUT, ConnectError
from .tls import PeerHandshake, check_certificate, handshake_error

# What connect() itself returns has other words than what comes of waiting.
_TOLD_LATER = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH}
_UNREACHABLE = {
    *(errno.ECONNREFUSED, errno.EAGAIN, errno.ECONNRESET, errno.ENETDOWN, errno.ENETUNREACH),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH),
}
_TRANSPARENT = {  # level and option, as <linux/in.h> and <linux/in6.h> have them
    socket.AF_INET: (socket.IPPROTO_IP, 19),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 75),
}
_LINGER = 1.0  # seconds for the peer to take our goodbye


class Endpoint(Protocol):
    """Our end of a connection to a server: a protocol of the event loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def tls_failed(self, error: TlsError) -> None:
        """What has come was not TLS, or an alert."""

    def close(self) -> None: ...


E = TypeVar("E", bound=Endpoint)


async def connect(
    address: PeerAddress,
    settings: PeerSettings,
    *,
    ssl: PeerHandshake | None = None,
    local: Local | None = None,
    kind: type[PeerConnection] = PeerConnection,
    counts: HandshakeCounts = UNCOUNTED,
) -> PeerConnection:
    """Opens a connection, with TLS if `ssl` says how.  Raises ConnectError."""
    loop = asyncio.get_running_loop()
    return await open_endpoint(
        lambda: kind(loop, address), address, settings, ssl=ssl, local=local, counts=counts
    )


async def open_endpoint(
    make: Callable[[], E],
    address: PeerAddress,
    settings: PeerSettings,
    *,
    ssl: PeerHandshake | None = None,
    local: Local | None = None,
    preface: bytes = b"",
    counts: HandshakeCounts = UNCOUNTED,
) -> E:
    """The same for an end of any kind; `preface` is sent before TLS.  Raises ConnectError.

    It has a task of its own: the caller need not be one.
    """
    shake = _Shake(ssl, preface, counts) if ssl is not None else None
    opening = asyncio.ensure_future(_open(make, address, settings, shake, local))
    try:
        await asyncio.wait((opening,), timeout=settings.connect_timeout)
    except asyncio.CancelledError:
        _abandon(opening)
        raise
    if not opening.done():
        _abandon(opening)
        is_shaking = shake is not None and shake.has_begun
        if is_shaking:
            counts.failed(TLS_TIMEOUT)
        raise ConnectError(TIMED_OUT, timed_out=True, handshaking=is_shaking)
    error = opening.exception()
    if error is not None:
        raise _worded(error, address, local) from None
    return opening.result()


async def _open(
    make: Callable[[], E],
    address: PeerAddress,
    settings: PeerSettings,
    shake: _Shake | None,
    local: Local | None,
) -> E:
    loop = asyncio.get_running_loop()
    endpoint = make()
    if shake is None:
        await _reach(loop, lambda: endpoint, address, settings, local)
        return endpoint
    handshake = ClientHandshake(shake.ssl.start(), loop, shake.preface)
    await _reach(loop, lambda: handshake, address, settings, local)
    await shake.run(handshake)
    tls, failed = handshake.tls, endpoint.tls_failed
    transport = TlsTransport(handshake.transport, tls, endpoint, failed, _LINGER)
    endpoint.connection_made(cast("asyncio.Transport", transport))
    transport.begin()
    return endpoint


async def _reach(
    loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], Any],
    address: PeerAddress,
    settings: PeerSettings,
    local: Local | None,
) -> None:
    if address.family == socket.AF_UNIX:
        await loop.create_unix_connection(protocol, address.host)
        return
    if local is not None and local.transparent:
        bound = await _connect_from(local, address)
        transport, _ = await loop.create_connection(protocol, sock=bound)
    else:
        own = local[:2] if local is not None else None
        transport, _ = await loop.create_connection(
            protocol, address.host, address.port, local_addr=own
        )
    if settings.socket_keepalive:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _connect_from(local: Local, address: PeerAddress) -> socket.socket:
    """A connection from an address that the machine need not have."""
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        try:
            sock.setsockopt(*_TRANSPARENT[address.family], 1)
        except OSError as error:
            text = f"setsockopt(IP_TRANSPARENT) failed {errno_text(error)}"
            raise ConnectError(text, critical=True, local=True) from None
        sock.bind(local[:2])
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


class _Shake:
    """The handshake of a connection that is being opened."""

    __slots__ = ("_counts", "has_begun", "preface", "ssl")

    def __init__(self, ssl: PeerHandshake, preface: bytes, counts: HandshakeCounts) -> None:
        self.ssl, self.preface, self._counts = ssl, preface, counts
        self.has_begun = False

    async def run(self, handshake: ClientHandshake) -> None:
        """Raises ConnectError."""
        self.has_begun = True
        try:
            await handshake.done
        except TlsError as error:
            self._counts.failed(error.outcome)
            raise handshake_error(error) from None
        except OSError as error:
            self._counts.failed()
            reason = f" {errno_text(error)}" if error.errno else ""
            closed = f"peer closed connection in SSL handshake{reason}"
            raise ConnectError(closed, handshaking=True) from None
        except BaseException:
            handshake.transport.close()
            raise
        self._check(handshake)

    def _check(self, handshake: ClientHandshake) -> None:
        """A certificate that is not the server's does not make the handshake one that failed."""
        is_resumed = handshake.tls.is_resumed
        try:
            if self.ssl.verifies:
                check_certificate(handshake.tls, self.ssl)
        except ConnectError as error:
            self._counts.done(is_resumed=is_resumed, verify_failure=error.outcome)
            handshake.transport.close()
            raise
        self._counts.done(is_resumed=is_resumed)


def _abandon(opening: asyncio.Future[E]) -> None:
    """Closes the connection, should it come all the same."""
    opening.add_done_callback(_close)
    opening.cancel()


def _close(opening: asyncio.Future[E]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _worded(error: BaseException, address: PeerAddress, local: Local | None) -> BaseException:
    """The error in nginx's words; anything but OSError is a bug and stays what it is."""
    if not isinstance(error, OSError):
        return error
    if local is not None and error.errno == errno.EADDRNOTAVAIL:
        return ConnectError(
            f"bind({local[0]}) failed {errno_text(error)}", critical=True, local=True
        )
    if address.family == socket.AF_UNIX or error.errno not in _TOLD_LATER:
        text = f"connect() to {address.name} failed {errno_text(error)}"
        return ConnectError(text, critical=error.errno not in _UNREACHABLE)
    timed_out = isinstance(error, TimeoutError)
    return ConnectError(f"connect() failed {errno_text(error)}", timed_out=timed_out)
