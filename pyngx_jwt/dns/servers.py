"""What "resolver" says."""

from __future__ import annotations

import socket
from typing import NamedTuple


class Server(NamedTuple):
    """A name server; `name` is its address as logs have it."""

    name: str
    host: str  # an IP address
    port: int
    family: socket.AddressFamily


class NameServers:
    """One directive: names are remembered separately for each.

    `valid` replaces the times of the records, in seconds."""

    __slots__ = ("ipv4", "ipv6", "servers", "status_zone", "valid", "words")

    def __init__(
        self,
        words: tuple[str, ...],
        servers: tuple[Server, ...],
        ipv6: bool = True,
        status_zone: str = "",
    ) -> None:
        self.words = words  # as they are written
        self.servers = servers
        self.valid = 0
        self.ipv4 = True
        self.ipv6 = ipv6
        self.status_zone = status_zone  # under which statistics are counted
