"""What "resolver" says."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import NamedTuple


class Server(NamedTuple):
    """A name server; `name` is its address as logs have it."""

    name: str
    host: str  # an IP address
    port: int
    family: socket.AddressFamily


@dataclass(frozen=True, slots=True, eq=False)
class NameServers:
    """One directive: names are remembered separately for each.

    `valid` replaces the times of the records, in seconds."""

    words: tuple[str, ...]  # as they are written
    servers: tuple[Server, ...]
    valid: int = 0
    ipv4: bool = True
    ipv6: bool = True
    status_zone: str = ""  # under which statistics are counted
