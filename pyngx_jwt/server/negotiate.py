"""Which protocol a connection speaks: decided here, and nowhere else.

| port | the connection begins with | it is |
|---|---|---|
| `proxy_protocol` for its address | a PROXY protocol header | then one of those below |
| `ssl` for its address | a TLS record | TLS, then what ALPN chose: HTTP/1 or HTTP/2 |
| `ssl` for its address | any other byte | HTTP/1, whose requests are refused with 497 |
| `http2` for its default server | the preface of HTTP/2 | HTTP/2 (prior knowledge) |
| any other | anything | HTTP/1 |
| `quic` | a datagram | QUIC, then what ALPN chose: HTTP/3 or HTTP/0.9 (quic.py) |

The acceptor takes the PROXY header off the socket (accept.py), the handshake reads the client's
hello (handshake.py), the detector its first bytes (detect.py), and each hands on to a protocol that
is chosen by a function below.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ..core.ports import ListeningPort
from ..http.ports import Port
from ..http.tls import H2
from .accept import Acceptor
from .connection import SocketConnection
from .detect import Detector
from .front_end import FrontEnd
from .handshake import Handshake
from .http1 import HttpProtocol
from .proxy_protocol import ProxyProtocol

if TYPE_CHECKING:
    from .http2 import Http2Protocol
    from .quic import QuicListener

First = Callable[..., Handshake | Detector | SocketConnection]


class Listener(Protocol):
    """What accepts connections of a socket."""

    def close(self) -> None:
        """Accepts no more."""


async def listen(front: FrontEnd, port: ListeningPort, bound: socket.socket) -> Sequence[Listener]:
    """Accepts the connections of a socket.

    libuv accepts one connection of a socket in each turn of its loop, in which all connections
    are served that have something to say.  So it is given the socket several times, which costs
    less than accepting in Python."""
    assert isinstance(port, Port)  # HTTP's, as all are
    if port.listen.quic:
        return [quic_listener()(front, port, bound)]
    first = first_protocol(front, port)
    if any(address.listen.proxy_protocol for address in port.addresses):
        return [Acceptor(front, port, bound, first)]
    copies = [bound, *(bound.dup() for _ in range(front.accepts - 1))]
    backlog = port.listen.backlog
    return [await front.loop.create_server(first, sock=copy, backlog=backlog) for copy in copies]


def first_protocol(front: FrontEnd, port: Port) -> First:
    """Makes what a new connection begins with; it takes the PROXY header, if any."""
    options = front.options_of(port.address.names.default)
    speaks_tls = any(address.tls is not None for address in port.addresses)
    detects = any(address.names.default in address.http2 for address in port.addresses)

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
