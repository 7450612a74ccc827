"""The PROXY protocol's header as it is sent: who the client is that a connection is made for."""

from __future__ import annotations

import socket
import struct

from ..http.cidr import MAPPED
from .session import StreamSession

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21  # version 2 and the command
STREAM, DATAGRAM = 1, 2
_HEADER = struct.Struct("!12sBBH")


def header_of(s: StreamSession, version: int) -> bytes:
    """The header for a session's upstream (ngx_proxy_protocol_write and ..._v2_write)."""
    client, server = s.connection.remote_addr, s.connection.server_addr
    ports = int(s.connection.remote_port or 0), int(s.connection.server_port or 0)
    if version == 1:
        return _version_1(client, server, ports)
    ends = [_packed(client), _packed(server)]
    if not all(ends):
        return _HEADER.pack(SIGNATURE, LOCAL, 0, 0)
    if len(ends[0]) != len(ends[1]):
        ends = [end if len(end) == 16 else MAPPED + end for end in ends]
    family = 1 if len(ends[0]) == 4 else 2
    body = b"".join(ends) + struct.pack("!HH", *ports)
    kind = DATAGRAM if s.is_udp else STREAM
    return _HEADER.pack(SIGNATURE, PROXY, family << 4 | kind, len(body)) + body


def _version_1(client: str, server: str, ports: tuple[int, int]) -> bytes:
    if not _packed(client):
        return b"PROXY UNKNOWN\r\n"
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {server} {ports[0]} {ports[1]}\r\n".encode("latin-1")


def _packed(address: str) -> bytes:
    """b"" of what is no IP address, as that of a health check, which no client asks for."""
    if not address or address.startswith("unix:"):
        return b""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address.partition("%")[0])
