"""How a connection to a TLS port begins: by a handshake, or as the plain HTTP of a mistaken client.

The server that the client names (SNI) decides about everything: protocols, ciphers, certificate,
or that it is refused. So its hello is read before OpenSSL has a part in it, as nginx does in
ngx_http_ssl_servername.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from ..http.ports import ListenAddress, Port
from ..http.regex import RegexFailed
from ..http.request import Server
from ..http.tls import alpn_of
from ..http1.host import validate_host
from ..log import Severity, errno_text
from .connection import SocketConnection
from .front_end import TIMED_OUT, FrontEnd
from .hello import HANDSHAKE, Hello, HelloReader
from .tls import Pipe, TlsTransport, open_pipe
from .tls_errors import describe, text_of

SSLV2 = 0x80  # a bit of the first byte
# Alerts (RFC 8446, 6).
INTERNAL_ERROR, UNRECOGNIZED_NAME, NO_APPLICATION_PROTOCOL = 80, 112, 120
CLOSED = "peer closed connection in SSL handshake"
FAILED = "SSL_do_handshake() failed"
CALLBACK_FAILED = f"{FAILED} {text_of(234, 'callback failed')}"
NO_PROTOCOL = f"{FAILED} {text_of(235, 'no application protocol')}"


class Handshake(asyncio.Protocol):
    """Stands in the place of a connection's HTTP until the client can be served."""

    transport: Any
    address: ListenAddress
    server: Server
    timer: asyncio.TimerHandle

    def __init__(
        self,
        worker: FrontEnd,
        port: Port,
        number: int,
        speak: Callable[[str | None], SocketConnection],
    ) -> None:
        """`speak` makes the protocol after TLS, by what ALPN chose; None is without TLS."""
        self.worker, self.port, self.number, self.speak = worker, port, number, speak
        self.hello = HelloReader()
        self.incoming = ssl.MemoryBIO()
        self.pipe: Pipe | None = None
        self.begun = self.over = False
        self.sni = ""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address = self.port.address_of(transport.get_extra_info("sockname"))
        self.server = self.address.names.default
        self.worker.handshakes.add(self)
        timeout = self.server.core.client_header_timeout
        self.timer = self.worker.loop.call_later(timeout, self._timed_out)
        if self.address.tls is None:
            self._start_plain()

    def _leave(self) -> None:
        self.over = True
        self.timer.cancel()
        self.worker.handshakes.discard(self)

    def _start_plain(self) -> SocketConnection:
        self._leave()
        protocol = self.speak(None)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        return protocol

    # -- reading ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.over:
            return
        if not self.begun:
            self.begun = True
            if data[0] != HANDSHAKE and not data[0] & SSLV2:
                self._start_plain().data_received(data)
                return
        self.incoming.write(data)
        if self.pipe is None:
            hello = self.hello.feed(data)
            if hello is None or not self._choose(hello):
                return
        self._go_on()

    def _choose(self, hello: Hello) -> bool:
        """Takes the server that the client names, unless that one refuses."""
        assert self.address.tls is not None
        self.sni = hello.host
        named = validate_host(hello.host)
        try:
            server = self.address.names.find_at_handshake(named[0]) if named else None
        except RegexFailed as error:
            self._log(Severity.ALERT, f'pcre2_match() failed: {error} on "{hello.host}"')
            self._refuse(INTERNAL_ERROR, CALLBACK_FAILED)
            return False
        if server is not None:
            self.server = server
        context = self.address.tls.get(self.server)
        if context is None:
            self._refuse(UNRECOGNIZED_NAME, "handshake rejected")
        elif hello.protocols and hello.protocols.isdisjoint(
            alpn_of(self.server in self.address.http2)
        ):
            self._refuse(NO_APPLICATION_PROTOCOL, NO_PROTOCOL)
        else:
            self.pipe = open_pipe(context, self.incoming)
        return self.pipe is not None

    def _go_on(self) -> None:
        pipe = self.pipe
        assert pipe is not None
        failure: ssl.SSLError | None = None
        done = False
        try:
            pipe.tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            failure = error
        if pipe.outgoing.pending:
            self.transport.write(pipe.outgoing.read())
        if failure is not None:
            self._fail(failure)
        elif done:
            self._leave()
            protocol = self.speak(pipe.tls.selected_alpn_protocol())
            protocol.sni = self.sni
            TlsTransport(self.transport, pipe, protocol).start(self.server)

    # -- failing ---------------------------------------------------------------------------

    def _refuse(self, alert: int, text: str) -> None:
        """Sends a fatal alert, before any version has been agreed upon."""
        self.transport.write(bytes((21, 3, 3, 0, 2, 2, alert)))
        self._give_up(Severity.INFO, text)

    def _fail(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLZeroReturnError):
            self._give_up(Severity.INFO, CLOSED)
            return
        level, why = describe(error)
        self._give_up(level, f"{FAILED} {why}")

    def _give_up(self, level: Severity, text: str) -> None:
        """The timer runs on, for a client that does not take the alert."""
        self.over = True
        self._log(level, text)
        self.transport.close()

    def _timed_out(self) -> None:
        if not self.over:
            self.over = True
            self._log(Severity.INFO, TIMED_OUT)
        self.transport.abort()

    def eof_received(self) -> bool:
        self._lost("")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(f" {errno_text(error)}" if isinstance(error, OSError) else "")
        self._leave()
        self.worker.accepted += 1

    def _lost(self, why: str) -> None:
        if self.over:
            return
        self.over = True
        if self.begun:
            self._log(Severity.INFO, CLOSED + why)
        else:
            self._log(Severity.INFO, f"recv() failed{why}" if why else "client closed connection")

    def _log(self, level: Severity, text: str) -> None:
        self.port.log(
            self.server,
            level,
            f"{text} while SSL handshaking",
            self.transport.get_extra_info("peername"),
            self.number,
        )
