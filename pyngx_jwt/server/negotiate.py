"""Which protocol a connection speaks: decided here, and nowhere else.

| port | the connection begins with | it is |
|---|---|---|
| `proxy_protocol` for its address | a PROXY protocol header | then one of those below |
| `ssl` for its address | a TLS record | TLS, then what ALPN chose: HTTP/1 |
| `ssl` for its address | any other byte | HTTP/1, whose requests are refused with 497 |
| any other | anything | HTTP/1 |

The acceptor takes the PROXY header off the socket (accept.py), the handshake reads the client's
hello (handshake.py), and each hands on to a protocol that is chosen by a function below.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.ports import ListeningPort
from ..http.ports import Port
from .accept import Acceptor
from .front_end import FrontEnd
from .handshake import Handshake
from .http1 import HttpProtocol
from .proxy_protocol import ProxyProtocol

ACCEPTS = 8  # new connections in a turn of the event loop
First = Callable[..., Handshake | HttpProtocol]


class Listener(Protocol):
    """What accepts connections of a socket."""

    def close(self) -> None:
        """Accepts no more."""


async def listen(front: FrontEnd, port: ListeningPort, bound: socket.socket) -> Sequence[Listener]:
    """Accepts the connections of a socket.

    libuv accepts one connection of a socket in each turn of its loop, in which all connections
    are served that have something to say.  So it is given the socket several times."""
    assert isinstance(port, Port)  # HTTP's, as all are
    first = first_protocol(front, port)
    if any(address.listen.proxy_protocol for address in port.addresses):
        return [Acceptor(front, port, bound, first)]
    copies = [bound, *(bound.dup() for _ in range(ACCEPTS - 1))]
    backlog = port.listen.backlog
    return [await front.loop.create_server(first, sock=copy, backlog=backlog) for copy in copies]


def first_protocol(front: FrontEnd, port: Port) -> First:
    """Makes what a new connection begins with; it takes the PROXY header, if any."""
    options = front.options_of(port.address.names.default)
    speaks_tls = any(address.tls is not None for address in port.addresses)

    def make(header: ProxyProtocol | None = None) -> Handshake | HttpProtocol:
        number = next(front.numbers)

        def speak(alpn: str | None) -> HttpProtocol:
            """The protocol of a connection once TLS, if any, is settled; HTTP/1 is the only one."""
            protocol = HttpProtocol(front, port, options, number)
            protocol.proxy_protocol = header
            return protocol

        return Handshake(front, port, number, speak) if speaks_tls else speak(None)

    return make
