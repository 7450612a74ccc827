"""The ports of a server and of the upstream behind it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from .rows import Way


@dataclass(frozen=True, slots=True)
class Ports:
    upstream: int
    plain: int
    tls: int
    regex: int

    def of(self, way: Way) -> int:
        port: int = getattr(self, way)
        return port


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in sockets]
