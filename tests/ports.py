"""Ports that are free, and stay so until a server asks for them.

A port that a test only looks up is free for all tests that run beside it, until its server starts.
So it is bound, for TCP and for UDP, by sockets that get nothing: one does not listen, the other is
connected. Linux gives such a port to nobody else by chance, and yet to a server that asks for it
with SO_REUSEADDR, as servers do.
"""

from __future__ import annotations

import socket

HOST = "127.0.0.1"
NOBODY = HOST, 9  # sends nothing


class HeldPort:
    """A port of 127.0.0.1."""

    def __init__(self) -> None:
        while True:
            self.tcp = socket.socket()
            self.tcp.bind((HOST, 0))
            self.number: int = self.tcp.getsockname()[1]
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._udp.bind((HOST, self.number))
            except OSError:  # in use
                self.close()
            else:
                break
        self._udp.connect(NOBODY)
        for held in (self.tcp, self._udp):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def close(self) -> None:
        self.tcp.close()
        self._udp.close()


def free_port() -> int:
    """A port that is held as long as this process lives."""
    held = HeldPort()
    _held.append(held)
    return held.number


_held: list[HeldPort] = []
