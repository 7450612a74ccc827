"""The TLS handshake of a connection in "stream"."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ...http1.host import validate_host
from ...log import Severity
from ...metrics.kinds import TLS_TIMEOUT
from ...stream.channel import TcpChannel
from ...stream.session import StreamSession
from ...tls.connection import TlsConnection
from ...tls.errors import TlsError
from ...tls.hello import Hello, HelloReader
from ...tls.transport import TlsTransport
from .conf import SslConf

UNRECOGNIZED_NAME = bytes((21, 3, 3, 0, 2, 2, 112))  # an alert, before any version is agreed upon
CLOSED = "peer closed connection in SSL handshake"
LINGER = 5.0  # seconds for a client to take our last bytes


async def handshake(s: StreamSession) -> bool:
    """Whether the connection is encrypted now; logs why not (ngx_stream_ssl_init_connection)."""
    channel, s.action = s.channel, "SSL handshaking"
    assert isinstance(channel, TcpChannel)
    if s.server.tcp_nodelay:
        channel.set_nodelay()
    try:
        async with asyncio.timeout(s.conf(SslConf).ssl_handshake_timeout):
            return await _shake(s, channel)
    except TimeoutError:
        s.address.handshakes[s.server].failed(TLS_TIMEOUT)
        return False
    except TlsError as error:
        s.address.handshakes[s.server].failed(error.outcome)
        s.log(error.severity(), str(error))
        return False


async def _shake(s: StreamSession, channel: TcpChannel) -> bool:
    hello, data = await _read_hello(channel)
    if hello is None:
        return _closed(s)
    tls = _connection(s, hello)
    if tls is None:
        channel.transport.write(UNRECOGNIZED_NAME)
        s.address.handshakes[s.server].failed()
        s.log(Severity.INFO, "handshake rejected")
        return False
    tls.feed(data)
    while not tls.advance(channel.transport.write):
        if not await channel.more():
            return _closed(s)
        tls.feed(channel.take())
    await _check_status(s, tls)
    assert s.address.tls is not None
    failure = s.address.tls[s.server].verify_failure(tls)
    s.address.handshakes[s.server].done(is_resumed=tls.is_resumed, verify_failure=failure)
    s.connection.ssl, s.connection.sni = tls, hello.host
    rest = channel.take()
    transport = TlsTransport(channel.transport, tls, channel, channel.tls_failed, LINGER)
    channel.connection_made(transport)
    transport.begin()
    if rest:
        transport.data_received(rest)
    return True


def _closed(s: StreamSession) -> bool:
    s.address.handshakes[s.server].failed()
    s.log(Severity.INFO, CLOSED)
    return False


async def _read_hello(channel: TcpChannel) -> tuple[Hello | None, bytes]:
    """What the client says first, with all that has come; None if it is gone."""
    reader, data = HelloReader(), b""
    while channel.buffer or await channel.more():
        piece = channel.take()
        data += piece
        if (hello := reader.feed(piece)) is not None:
            return hello, data
    return None, data


def _connection(s: StreamSession, hello: Hello) -> TlsConnection | None:
    """That of the server which the client names; None if it is to be refused."""
    named, host = validate_host(hello.host), ""
    server = s.address.names.find(named[0], s) if named is not None else None
    if server is not None and named is not None:
        s.server, host = server, named[0]
    settings = s.address.tls.get(s.server) if s.address.tls is not None else None
    if settings is None:
        return None
    protocols = [name.encode("latin-1") for name in s.conf(SslConf).alpn]

    def choose(offered: Iterable[bytes]) -> bytes | None:
        return next((name for name in protocols if name in offered), None)

    def certify() -> bool:
        """Shows the certificates that variables name."""
        assert settings.names is not None
        s.connection.sni = hello.host
        s.connection.ssl = tls
        try:
            for name in settings.names(s):
                name.show(tls)
        except TlsError as error:
            s.log(Severity.ERR, str(error))
            return False
        return True

    tls = TlsConnection(settings.context, choose, certify, host)
    return tls


async def _check_status(s: StreamSession, tls: TlsConnection) -> None:
    """Asks the issuer of the client's certificate, if need be."""
    settings = s.address.tls[s.server] if s.address.tls is not None else None
    status = settings.status if settings is not None else None
    if status is None or tls.verify_error or tls.peer is None:
        return

    def report(text: str) -> None:
        s.log(Severity.ERR, f"{text} while requesting certificate status")

    action, s.action = s.action, ""
    tls.status_error = await status.check(tls, report)
    s.action = action
