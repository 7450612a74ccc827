"""The sockets that a configuration listens on, whatever is spoken on them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Final, Protocol

from ..errors import ConfError
from ..log import errno_text

IN_USE = errno_text(OSError(errno.EADDRINUSE, ""))
MPTCP: Final[int] = getattr(socket, "IPPROTO_MPTCP", -1)  # of Linux only


class ListenOptions(Protocol):
    """One address of the "listen" directives; sizes and numbers are 0 where not set."""

    @property
    def family(self) -> int: ...
    @property
    def host(self) -> str: ...  # an address, or the path of a unix socket
    @property
    def port(self) -> int: ...
    @property
    def text(self) -> str: ...  # as nginx prints it
    @property
    def datagram(self) -> bool: ...  # UDP
    @property
    def key(self) -> str: ...  # what tells it from all other addresses
    @property
    def backlog(self) -> int: ...
    @property
    def reuseport(self) -> bool: ...
    @property
    def ipv6only(self) -> bool: ...
    @property
    def deferred(self) -> bool: ...
    @property
    def so_keepalive(self) -> str: ...  # "", "on", "off" or "[idle]:[interval]:[count]"
    @property
    def rcvbuf(self) -> int: ...
    @property
    def sndbuf(self) -> int: ...
    @property
    def fastopen(self) -> int: ...
    @property
    def multipath(self) -> bool: ...  # MPTCP


class ListeningPort(Protocol):
    """A socket; its class says which server's connections it brings (server.negotiate)."""

    @property
    def listen(self) -> ListenOptions: ...


class Ports:
    """Those of all packages, by the key of their address; shared by a configuration."""

    def __init__(self) -> None:
        self.by_address: dict[str, ListeningPort] = {}

    def add(self, ports: Mapping[str, ListeningPort]) -> None:
        """Adds those of a package; raises ConfError if another has one of them, as bind() would
        fail."""
        for key, port in ports.items():
            if key in self.by_address:
                raise ConfError(f"bind() to {port.listen.text} failed {IN_USE}").nowhere()
            self.by_address[key] = port
