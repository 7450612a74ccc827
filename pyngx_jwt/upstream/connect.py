"""Opens connections to upstream servers: TCP, unix sockets, TLS over either."""

from __future__ import annotations

import asyncio
import socket
import ssl as tls

from ..log import errno_text
from .address import Address
from .client import Connection, Settings
from .errors import TIMED_OUT, ConnectError


async def connect(
    address: Address,
    settings: Settings,
    *,
    ssl: tls.SSLContext | None = None,
    server_hostname: str = "",
    local: tuple[str, int] | None = None,
) -> Connection:
    """Opens a connection; an empty server_hostname sends no SNI.  Raises ConnectError."""
    try:
        async with asyncio.timeout(settings.connect_timeout):
            return await _open(address, settings, ssl, server_hostname, local)
    except TimeoutError as error:
        message = TIMED_OUT if error.errno is None else f"connect() failed {errno_text(error)}"
        raise ConnectError(message, timed_out=True) from None
    except tls.SSLError as error:
        raise ConnectError(f"SSL_do_handshake() failed (SSL: {error})") from None
    except OSError as error:
        raise ConnectError(f"connect() failed {errno_text(error)}") from None


async def _open(
    address: Address,
    settings: Settings,
    ssl: tls.SSLContext | None,
    server_hostname: str,
    local: tuple[str, int] | None,
) -> Connection:
    loop = asyncio.get_running_loop()
    connection = Connection(loop, address)
    name = server_hostname if ssl else None
    if address.family == socket.AF_UNIX:
        await loop.create_unix_connection(
            lambda: connection, address.host, ssl=ssl, server_hostname=name
        )
        return connection
    transport, _ = await loop.create_connection(
        lambda: connection,
        address.host,
        address.port,
        ssl=ssl,
        server_hostname=name,
        local_addr=local,
    )
    if settings.socket_keepalive:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection
