"""The PROXY protocol's header as it is sent: who the client is that a connection is made for.

Version 2 ends in fields (TLVs): what was agreed upon with TLS, and a checksum.
"""

from __future__ import annotations

import socket
import struct

from ..http.cidr import MAPPED
from ..tls.connection import TlsConnection
from .session import StreamSession

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21  # version 2 and the command
STREAM, DATAGRAM = 1, 2
ALPN, AUTHORITY, CRC32C, SSL = 0x01, 0x02, 0x03, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25
WITH_SSL, HAS_CERTIFICATE, KNEW_CERTIFICATE = 0x01, 0x02, 0x04  # of the client
UNSPECIFIED, REVOKED = 1, 23  # results of verification (X509_V_ERR_*)
_HEADER = struct.Struct("!12sBBH")


def header_of(s: StreamSession, version: int) -> bytes:
    """The header for a session's upstream (ngx_proxy_protocol_write and ..._v2_write)."""
    client, server = s.connection.remote_addr, s.connection.server_addr
    ports = int(s.connection.remote_port or 0), int(s.connection.server_port or 0)
    if version == 1:
        return _version_1(client, server, ports)
    fields = _fields(s.channel.tls, s.connection.sni) if s.channel.tls is not None else b""
    ends = [_packed(client), _packed(server)]
    if not all(ends):
        return _checked(LOCAL, 0, fields)
    if len(ends[0]) != len(ends[1]):
        ends = [end if len(end) == 16 else MAPPED + end for end in ends]
    family = 1 if len(ends[0]) == 4 else 2
    body = b"".join(ends) + struct.pack("!HH", *ports)
    kind = DATAGRAM if s.is_udp else STREAM
    return _checked(PROXY, family << 4 | kind, body + fields)


def _checked(command: int, kind: int, body: bytes) -> bytes:
    """A header with a checksum, which is that of the header with zeros in its place."""
    head = _HEADER.pack(SIGNATURE, command, kind, len(body) + 7) + body
    checksum = crc32c(head + _field(CRC32C, bytes(4)))
    return head + _field(CRC32C, checksum.to_bytes(4))


def _fields(tls: TlsConnection, name: str) -> bytes:
    """In nginx's order (ngx_proxy_protocol_v2_eval_ssl)."""
    fields = _field(AUTHORITY, name.encode("latin-1")) if name else b""
    if tls.alpn:
        fields += _field(ALPN, tls.alpn.encode("latin-1"))
    peer, own = tls.peer, tls.own
    client, result = WITH_SSL, UNSPECIFIED
    if peer is not None:
        client |= KNEW_CERTIFICATE if tls.is_resumed else KNEW_CERTIFICATE | HAS_CERTIFICATE
        result = tls.verify_error or (REVOKED if tls.status_error else 0)
    inner = _field(SSL_VERSION, tls.version.encode())
    common_name = peer.common_name if peer is not None else None
    if common_name is not None:
        inner += _field(SSL_CN, common_name)
    inner += _field(SSL_CIPHER, tls.cipher.encode())
    if own is not None:
        inner += _field(SSL_SIG_ALG, own.signature.encode())
        inner += _field(SSL_KEY_ALG, own.key_kind.encode()) if own.key_kind else b""
    return fields + _field(SSL, bytes((client,)) + result.to_bytes(4) + inner)


def _field(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + len(value).to_bytes(2) + value


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_REMAINDERS = tuple(map(_remainder, range(256)))


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, B.4 (CRC32C)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _REMAINDERS[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


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
