"""A client's connection, as requests see it: who is at either end, and what has gone over it."""

from __future__ import annotations

import os
import socket
from typing import Any

_TCP_INFO_SIZE = 232  # bytes; more than the fields we read need in any kernel's struct tcp_info


class ClientConnection:
    """What all front ends know of a connection, whatever protocol it speaks."""

    __slots__ = (
        *("binary_remote_addr", "number", "proxy_protocol", "remote_addr", "remote_port"),
        *("requests", "sent", "server_addr", "server_port", "sni", "ssl", "start"),
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.start = 0.0  # seconds since the epoch
        self.requests = 0
        self.sent = 0  # bytes
        self.remote_addr, self.remote_port, self.binary_remote_addr = "unix:", "", b""
        self.server_addr = self.server_port = ""
        self.proxy_protocol: Any = None
        self.ssl: Any = None
        self.sni = ""  # the host that the client names in the handshake

    def take_addresses(self, peer: Any, own: Any) -> None:
        """Notes both ends, as the socket has them; a unix socket has no peer, nor has one whose
        client is gone."""
        if isinstance(peer, tuple) and isinstance(own, tuple):
            self.remote_addr, self.remote_port = peer[0], str(peer[1])
            self.server_addr, self.server_port = own[0], str(own[1])
            family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
            self.binary_remote_addr = socket.inet_pton(family, peer[0].partition("%")[0])
        elif isinstance(own, str | bytes) and own:
            self.server_addr = f"unix:{os.fsencode(own).decode('latin-1')}"


def tcp_info_of(sock: socket.socket | None) -> bytes:
    """The kernel's struct tcp_info, b"" where there is none."""
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return b""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return b""
