"""Opens connections to upstream servers: TCP, unix sockets, TLS over either."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl as tls
from typing import Any

from ..log import errno_text
from .address import Local, PeerAddress
from .client import PeerConnection, PeerSettings
from .errors import TIMED_OUT, ConnectError
from .tls import PeerHandshake, check_certificate, verify_error

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
_SHUTDOWN_TIMEOUT = 1.0  # seconds for the peer to answer our close_notify


async def connect(
    address: PeerAddress,
    settings: PeerSettings,
    *,
    ssl: tls.SSLContext | PeerHandshake | None = None,
    server_hostname: str = "",
    local: Local | None = None,
    kind: type[PeerConnection] = PeerConnection,
) -> PeerConnection:
    """Opens a connection; an empty server_hostname sends no SNI.  Raises ConnectError.

    A PeerHandshake knows the name itself.
    It has a task of its own: the caller need not be one.
    """
    opening = asyncio.ensure_future(_open(kind, address, settings, ssl, server_hostname, local))
    try:
        await asyncio.wait((opening,), timeout=settings.connect_timeout)
    except asyncio.CancelledError:
        _abandon(opening)
        raise
    if not opening.done():
        _abandon(opening)
        raise ConnectError(TIMED_OUT, timed_out=True)
    error = opening.exception()
    if error is not None:
        raise _worded(error, address, ssl, local) from None
    return _check(opening.result(), ssl)


async def _open(
    kind: type[PeerConnection],
    address: PeerAddress,
    settings: PeerSettings,
    ssl: tls.SSLContext | PeerHandshake | None,
    server_hostname: str,
    local: Local | None,
) -> PeerConnection:
    loop = asyncio.get_running_loop()
    connection = kind(loop, address)
    security = _security(settings, ssl, server_hostname)
    if address.family == socket.AF_UNIX:
        await loop.create_unix_connection(lambda: connection, address.host, **security)
        return connection
    if local is not None and local.transparent:
        bound = await _connect_from(local, address)
        transport, _ = await loop.create_connection(lambda: connection, sock=bound, **security)
    else:
        transport, _ = await loop.create_connection(
            lambda: connection,
            address.host,
            address.port,
            local_addr=local[:2] if local is not None else None,
            **security,
        )
    if settings.socket_keepalive:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


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


def _check(
    connection: PeerConnection, ssl: tls.SSLContext | PeerHandshake | None
) -> PeerConnection:
    if isinstance(ssl, PeerHandshake) and ssl.depth >= 0:
        ssl_object = connection.ssl_object
        assert ssl_object is not None
        try:
            check_certificate(ssl_object, ssl)
        except ConnectError:
            connection.close()
            raise
    return connection


def _security(
    settings: PeerSettings, ssl: tls.SSLContext | PeerHandshake | None, name: str
) -> dict[str, Any]:
    if ssl is None:
        return {}
    return {
        "ssl": ssl,
        "server_hostname": name,
        "ssl_handshake_timeout": settings.connect_timeout + 1,  # connect()'s comes first
        "ssl_shutdown_timeout": _SHUTDOWN_TIMEOUT,
    }


def _abandon(opening: asyncio.Future[PeerConnection]) -> None:
    """Closes the connection, should it come all the same."""
    opening.add_done_callback(_close)
    opening.cancel()


def _close(opening: asyncio.Future[PeerConnection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _worded(
    error: BaseException,
    address: PeerAddress,
    ssl: tls.SSLContext | PeerHandshake | None,
    local: Local | None,
) -> BaseException:
    """The error in nginx's words; anything but OSError is a bug and stays what it is."""
    if isinstance(error, tls.SSLCertVerificationError):
        return verify_error(error)
    if isinstance(error, tls.SSLError):
        return ConnectError(f"SSL_do_handshake() failed (SSL: {error})", handshaking=True)
    if not isinstance(error, OSError):
        return error
    if ssl is not None and not error.errno:
        return ConnectError("peer closed connection in SSL handshake", handshaking=True)
    if local is not None and error.errno == errno.EADDRNOTAVAIL:
        return ConnectError(
            f"bind({local[0]}) failed {errno_text(error)}", critical=True, local=True
        )
    if address.family == socket.AF_UNIX or error.errno not in _TOLD_LATER:
        text = f"connect() to {address.name} failed {errno_text(error)}"
        return ConnectError(text, critical=error.errno not in _UNREACHABLE)
    timed_out = isinstance(error, TimeoutError)
    return ConnectError(f"connect() failed {errno_text(error)}", timed_out=timed_out)
