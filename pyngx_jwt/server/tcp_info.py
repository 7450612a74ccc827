"""What the kernel knows about a TCP connection."""

from __future__ import annotations

import socket

_SIZE = 232  # bytes; more than the fields we read need in any kernel's struct tcp_info


def tcp_info_of(sock: socket.socket | None) -> bytes:
    """The kernel's struct tcp_info, b"" where there is none."""
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return b""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return b""
