"""Clients that are gone before their connection is looked at."""

from __future__ import annotations

import os
import signal
import socket
import struct

from ..nginx import Nginx

RESET = struct.pack("ii", 1, 0)


def test_a_client_that_resets_at_once(nginx: Nginx) -> None:
    """The kernel hands out a connection of which nobody can say whose it was: it is closed, and
    the worker goes on."""
    nginx("location / { return 200 ok; }")
    assert nginx.process is not None
    os.kill(nginx.process.pid, signal.SIGSTOP)
    for _ in range(20):
        client = socket.create_connection(("127.0.0.1", nginx.port()))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    os.kill(nginx.process.pid, signal.SIGCONT)
    nginx.exchange("""
        > GET /
        < 200
        <
        < ok
        """)
