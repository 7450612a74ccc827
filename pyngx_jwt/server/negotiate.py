"""Which protocol a connection speaks: decided here, and nowhere else.

| port | the connection begins with | it is |
|---|---|---|
| `proxy_protocol` for its address | a PROXY protocol header | then one of those below |
| `ssl` for its address | a TLS record | TLS, then what ALPN chose: HTTP/1 or HTTP/2 |
| `ssl` for its address | any other byte | HTTP/1, whose requests are refused with 497 |
| `http2` for its default server | the preface of HTTP/2 | HTTP/2 (prior knowledge) |
| any other | anything | HTTP/1 |
| `quic` | a datagram | QUIC, then what ALPN chose: HTTP/3 or HTTP/0.9 (quic.py) |
| of `stream` | anything | a connection, or datagrams, that are passed on (tcp.py, datagrams.py) |

The acceptor takes the PROXY header off the socket (accept.py), the handshake reads the client's
hello (handshake.py), the detector its first bytes (detect.py), and each hands on to a protocol that
is chosen by a function below.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ..core.ports import ListeningPort, ListenOptions
from ..http.listen import WILDCARDS
from ..http.ports import Port
from ..http.tls import H2
from ..stream.ports import StreamPort
from .accept import Acceptor, DirectAcceptor, Listening
from .connection import SocketConnection
from .datagrams import DatagramListener
from .detect import Detector
from .front_end import FrontEnd
from .handshake import Handshake
from .http1 import HttpProtocol
from .proxy_protocol import ProxyProtocol
from .tcp import StreamConnection
from .watch import AVAILABLE

if TYPE_CHECKING:
    from .http2 import Http2Protocol
    from .quic import QuicListener

First = Callable[..., Handshake | Detector | SocketConnection]


class Listener(Protocol):
    """What accepts connections of a socket."""

    def close(self) -> None:
        """Accepts no more."""


def preload(ports: Iterable[ListeningPort]) -> None:
    """Imports the protocols of ports: the user of the workers may not be able to read them."""
    for port in ports:
        if isinstance(port, Port):
            if port.listen.quic:
                quic_listener()
            if any(address.http2 for address in port.addresses):
                http2_protocol()


async def listen(
    front: FrontEnd, port: ListeningPort, bound: socket.socket, ports: Sequence[ListeningPort]
) -> Listener:
    """Accepts the connections of a socket; `ports` are all that are listened on."""
    first: Callable[..., asyncio.BaseProtocol]
    if isinstance(port, Port):
        if port.listen.quic:
            return quic_listener()(front, port, bound)
        first = first_protocol(front, port)
        if any(address.listen.proxy_protocol for address in port.addresses):
            return Acceptor(front, port, bound, first)
        if AVAILABLE and not _speaks_tls(port):
            return DirectAcceptor(front, port, bound, first if _detects(port) else None)
    else:
        assert isinstance(port, StreamPort)
        if port.listen.datagram:
            return DatagramListener(front, port, bound)
        first = stream_protocol(front, port, ports)
    listening = Listening(front, bound, first)
    await listening.open(port.listen.backlog)
    return listening


def first_protocol(front: FrontEnd, port: Port) -> First:
    """Makes what a new connection begins with; it takes the PROXY header, if any."""
    options = front.options_of(port.address.names.default)
    speaks_tls, detects = _speaks_tls(port), _detects(port)

    def make(header: ProxyProtocol | None = None) -> Handshake | Detector | SocketConnection:
        number = next(front.numbers)

        def speak(name: str | None) -> SocketConnection:
            """The protocol of a connection once TLS, if any, is settled: by its name in ALPN."""
            protocol: SocketConnection
            if name == H2:
                protocol = http2_protocol()(front, port, number)
            else:
                protocol = HttpProtocol(front, port, options, number)
            protocol.proxy_protocol = header
            return protocol

        if speaks_tls:
            return Handshake(front, port, number, speak)
        return Detector(front, port, number, speak) if detects else speak(None)

    return make


def _speaks_tls(port: Port) -> bool:
    return any(address.tls is not None for address in port.addresses)


def _detects(port: Port) -> bool:
    """Whether the first bytes tell the protocol."""
    return any(address.names.default in address.http2 for address in port.addresses)


def stream_protocol(
    front: FrontEnd, port: StreamPort, ports: Sequence[ListeningPort]
) -> Callable[[], StreamConnection]:
    """Makes the connections of a port of "stream"; with "pass" another port goes on with them."""

    def hand_over(name: str) -> Callable[[], asyncio.Protocol] | None:
        for other in ports:
            if _matches(other.listen, name):
                if isinstance(other, Port):
                    return first_protocol(front, other)
                assert isinstance(other, StreamPort)
                return stream_protocol(front, other, ports)
        return None

    return lambda: StreamConnection(front, port, next(front.numbers), hand_over)


def _matches(listen: ListenOptions, name: str) -> bool:
    """Whether it is listened on the address, or on all of its port (ngx_stream_pass_match)."""
    if listen.datagram:
        return False
    if listen.host in WILDCARDS and listen.family != socket.AF_UNIX:
        is_version_6 = name.startswith("[")
        same = is_version_6 == (listen.family == socket.AF_INET6)
        return same and not name.startswith("unix:") and name.endswith(f":{listen.port}")
    return listen.text == name


@cache
def http2_protocol() -> type[Http2Protocol]:
    """The class of HTTP/2 connections, which takes a library that others do not need."""
    from .http2 import Http2Protocol

    return Http2Protocol


@cache
def quic_listener() -> type[QuicListener]:
    """The class of UDP sockets, which takes libraries that others do not need."""
    from .quic import QuicListener

    return QuicListener
