"""How a connection to a TLS port begins: by a handshake, or as the plain HTTP of a mistaken client.

The server that the client names (SNI) decides about everything: protocols, ciphers, certificate,
or that it is refused. So its hello is read before OpenSSL has a part in it, as nginx does in
ngx_http_ssl_servername.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from ..http.head import new_head
from ..http.ports import Greeting, ListenAddress, Port, ServerTls
from ..http.regex import RegexFailed
from ..http.request import Request, Server
from ..http.tls import alpn_of
from ..http1.host import validate_host
from ..log import Severity, errno_text
from ..metrics.handshakes import HandshakeCounts
from ..metrics.kinds import TLS_TIMEOUT
from ..tls.client_status import ClientStatus
from ..tls.connection import TlsConnection
from ..tls.early import EarlyTlsConnection
from ..tls.errors import TlsError, text_of
from ..tls.hello import HANDSHAKE, Hello, HelloReader
from ..tls.transport import TlsTransport
from .connection import SocketConnection
from .front_end import TIMED_OUT, FrontEnd

SSLV2 = 0x80  # a bit of the first byte
# Alerts (RFC 8446, 6).
INTERNAL_ERROR, UNRECOGNIZED_NAME = 80, 112
CLOSED = "peer closed connection in SSL handshake"
FAILED = "SSL_do_handshake() failed"
CALLBACK_FAILED = f"{FAILED} {text_of(234, 'callback failed')}"


class Handshake(asyncio.Protocol):
    """Stands in the place of a connection's HTTP until the client can be served."""

    transport: Any
    address: ListenAddress
    server: Server
    settings: ServerTls
    said: Hello
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
        self.early = b""  # what has come before there is a connection
        self.tls: TlsConnection | None = None
        self.checking: asyncio.Task[None] | None = None  # by others, who are waited for
        self.greeting: Greeting | None = None  # for code that has a say
        self.certified: int | None = None  # what it says of the certificates
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
        self.greeting = None  # which knows this handshake
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
        if self.tls is not None:
            self.tls.feed(data)
            if self.checking is None:
                self._go_on()
            return
        self.early += data
        if self.checking is None and (hello := self.hello.feed(data)) is not None:
            self._greet(hello)

    def _greet(self, hello: Hello) -> None:
        """Has code of the default server look at the hello, as it has the first context."""
        self.said, greet = hello, self.address.greet
        if greet is None:
            self._start_tls(True)
            return
        answer = greet(self._greeting())
        if isinstance(answer, bool):
            self._start_tls(answer)
        else:
            self._wait(self._answered(answer, self._start_tls))

    def _greeting(self) -> Greeting:
        if self.greeting is None:
            self.greeting = Greeting(self.said, self.transport, self._write)
        return self.greeting

    def _start_tls(self, is_welcome: bool) -> None:
        if not is_welcome:
            self._refuse(INTERNAL_ERROR, CALLBACK_FAILED)
        elif self._choose(self.said):
            self._go_on()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        """What comes meanwhile stays in the kernel."""
        self.transport.pause_reading()
        self.checking = self.worker.loop.create_task(work)

    async def _answered(self, answer: Awaitable[bool], then: Callable[[bool], None]) -> None:
        is_good = await answer
        if not self.over:
            self.checking = None
            self.transport.resume_reading()
            then(is_good)

    def _choose(self, hello: Hello) -> bool:
        """Takes the server that the client names, unless that one refuses."""
        assert self.address.tls is not None
        self.sni = hello.host
        try:
            self.server, host = server_at_handshake(self.address, hello.host)
        except RegexFailed as error:
            self._log(Severity.ALERT, f'pcre2_match() failed: {error} on "{hello.host}"')
            self._refuse(INTERNAL_ERROR, CALLBACK_FAILED)
            return False
        settings = self.address.tls.get(self.server)
        if settings is None:
            self._refuse(UNRECOGNIZED_NAME, "handshake rejected")
        else:
            self.settings = settings
            kind = EarlyTlsConnection if settings.context.takes_early_data else TlsConnection
            self.tls = kind(settings.context, self._protocol, self._certify, host)
            if self.greeting is not None and self.greeting.protocols:
                self.tls.allow_only(self.greeting.protocols)
            self.tls.feed(self.early)
        return self.tls is not None

    def _protocol(self, offered: Iterable[bytes]) -> bytes | None:
        """Which of the client's protocols it shall be."""
        accepted = alpn_of(self.server in self.address.http2)
        return next((name for name in accepted if name in offered), None)

    def _certify(self) -> int:
        """Shows the certificates that variables name, and asks the code (Certify)."""
        if self.certified is not None:
            return self.certified
        if self.settings.names is not None and not self._show_named():
            return 0
        if self.settings.certify is None:
            return 1
        greeting = self._greeting()
        greeting.tls = self.tls
        answer = self.settings.certify(greeting)
        if isinstance(answer, bool):
            return int(answer)
        self._wait(self._answered(answer, self._take_certified))
        return -1

    def _take_certified(self, is_good: bool) -> None:
        self.certified = int(is_good)
        self._go_on()

    def _show_named(self) -> bool:
        """ngx_http_ssl_certificate."""
        assert self.settings.names is not None and self.tls is not None
        client: Any = self.speak(None)  # as far as variables ask for it
        client.transport, client.ssl, client.sni = self.transport, self.tls, self.sni
        client.take_addresses(
            self.transport.get_extra_info("peername"), self.transport.get_extra_info("sockname")
        )
        try:
            show_certificates(self.settings, client, self.server, self.tls)
        except TlsError as error:
            self._log(Severity.ERR, str(error))
            return False
        return True

    def _go_on(self) -> None:
        tls = self.tls
        assert tls is not None
        try:
            done = tls.advance(self.transport.write)
        except TlsError as error:
            self._give_up(error.severity(), str(error), error.outcome)
            return
        if done:
            self._check(tls)

    def _check(self, tls: TlsConnection) -> None:
        """Asks the issuer of the client's certificate, if need be, before anything is served."""
        status = self.settings.status
        if status is None or tls.verify_error or tls.peer is None:
            self._serve(tls)
        else:
            self._wait(self._check_status(status, tls))

    async def _check_status(self, status: ClientStatus, tls: TlsConnection) -> None:
        doing = "requesting certificate status"
        tls.status_error = await status.check(
            tls, lambda text: self._log(Severity.ERR, text, doing)
        )
        if not self.over:
            self.transport.resume_reading()
            self._serve(tls)

    def _serve(self, tls: TlsConnection) -> None:
        """Goes over to the protocol that the client has chosen."""
        self._leave()
        failure = self.settings.verify_failure(tls)
        self._counts.done(is_resumed=tls.is_resumed, verify_failure=failure)
        protocol = self.speak(tls.alpn or None)
        protocol.sni = self.sni
        linger: float = self.server.core.send_timeout
        transport = TlsTransport(
            self.transport, tls, protocol, lambda error: _log_failure(protocol, error), linger
        )
        if isinstance(tls, EarlyTlsConnection):
            tls.hold = lambda holds: (
                transport.pause_writing() if holds else transport.resume_writing()
            )
        protocol.connection_made(transport)
        protocol.choose_server(self.server)
        transport.begin()

    @property
    def _counts(self) -> HandshakeCounts:
        return self.address.handshakes[self.server]

    # -- failing ---------------------------------------------------------------------------

    def _refuse(self, alert: int, text: str) -> None:
        """Sends a fatal alert, before any version has been agreed upon."""
        self.transport.write(bytes((21, 3, 3, 0, 2, 2, alert)))
        self._give_up(Severity.INFO, text)

    def _give_up(self, level: Severity, text: str, outcome: int = 0) -> None:
        """The timer runs on, for a client that does not take the alert."""
        self.over = True
        self._counts.failed(outcome)
        self._log(level, text)
        self.transport.close()

    def _timed_out(self) -> None:
        if not self.over:
            self.over = True
            self._counts.failed(TLS_TIMEOUT)
            self._log(Severity.INFO, TIMED_OUT)
        self.transport.abort()

    def eof_received(self) -> bool:
        self._lost("")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self.checking is not None:
            self.checking.cancel()
        self._lost(f" {errno_text(error)}" if isinstance(error, OSError) else "")
        self._leave()
        self.worker.accepted += 1

    def _lost(self, why: str) -> None:
        if self.over:
            return
        self.over = True
        if self.begun:
            self._counts.failed()
            self._log(Severity.INFO, CLOSED + why)
        else:
            self._log(Severity.INFO, f"recv() failed{why}" if why else "client closed connection")

    def _log(self, level: Severity, text: str, doing: str = "SSL handshaking") -> None:
        self._write(level, f"{text} while {doing}")

    def _write(self, level: Severity, text: str) -> None:
        peer = self.transport.get_extra_info("peername")
        self.port.log(self.server, level, text, peer, self.number)


def server_at_handshake(address: ListenAddress, name: str) -> tuple[Server, str]:
    """The server that a client names, with the name if it is one of a server, or the default
    server.  Raises RegexFailed."""
    named = validate_host(name)
    server = address.names.find_at_handshake(named[0]) if named else None
    if server is None or named is None:
        return address.names.default, ""
    return server, named[0]


def show_certificates(settings: ServerTls, client: Any, server: Server, tls: TlsConnection) -> None:
    """Shows the certificates that variables name, for a client as far as they ask for it.  Raises
    TlsError."""
    assert settings.names is not None
    for name in settings.names(Request(new_head(0, ""), client, client, server)):
        name.show(tls)


def _log_failure(protocol: SocketConnection, error: TlsError) -> None:
    r = protocol.request
    if r is not None:
        r.log(error.severity(), str(error))
    else:
        protocol.log(error.severity(), f"{error} while waiting for request")
