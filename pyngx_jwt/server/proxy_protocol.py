"""The PROXY protocol, versions 1 and 2: who a client is that a proxy before us speaks for.

Source: ngx_proxy_protocol_read. All of the header has to come at once, as in nginx.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_HEADER = 4096  # bytes
_HEADER = struct.Struct("!12sBBH")
_VERSION_1 = re.compile(
    rb"PROXY (?:UNKNOWN.*?|TCP[46] ([0-9A-Fa-f:.]*) ([0-9A-Fa-f:.]*) (\d+) (\d+))\r\n", re.DOTALL
)
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}
_STREAM = 1
_TLVS = {"alpn": 1, "authority": 2, "unique_id": 5, "ssl": 0x20, "netns": 0x30}
_SSL_TLVS = {"version": 0x21, "cn": 0x22, "cipher": 0x23, "sig_alg": 0x24, "key_alg": 0x25}
_SSL_HEAD = struct.Struct("!BI")  # client, verify
_HEX = re.compile(r"0x([0-9a-fA-F]+)\Z")


class BrokenHeader(Exception):
    """The connection is to be closed; the message is nginx's, for the log."""


class BrokenTlv(ValueError):
    """What was asked for cannot be told; the message is nginx's, for the log."""


class ProxyProtocol(NamedTuple):
    """What a header says; addresses of version 1 are not checked."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    tlvs: bytes = b""

    def tlv(self, name: str) -> str | None:
        """The value of a TLV by nginx's name or its number in hexadecimal, None if there is
        none; raises BrokenTlv."""
        full_name, types, tlvs = name, _TLVS, self.tlvs
        if name.startswith("ssl_"):
            ssl = _lookup(tlvs, _TLVS["ssl"])
            if ssl is None:
                return None
            if len(ssl) < _SSL_HEAD.size:
                raise BrokenTlv("broken PROXY protocol TLV")
            if name == "ssl_verify":
                return str(_SSL_HEAD.unpack_from(ssl)[1])
            name, types, tlvs = name[4:], _SSL_TLVS, ssl[_SSL_HEAD.size :]
        if name.startswith("0x"):
            match = _HEX.match(name)
            if match is None:
                raise BrokenTlv(f'invalid PROXY protocol TLV "{full_name}"')
            number = int(match[1], 16)
        elif name in types:
            number = types[name]
        else:
            raise BrokenTlv(f'unknown PROXY protocol TLV "{full_name}"')
        value = _lookup(tlvs, number)
        return None if value is None else value.decode("latin-1")


def read_header(data: bytes) -> tuple[ProxyProtocol | None, int]:
    """The header that the data begin with, None if it names no client, and its length.

    Raises BrokenHeader."""
    if data.startswith(SIGNATURE) and len(data) >= _HEADER.size:
        return _read_version_2(data)
    match = _VERSION_1.match(data)
    if match is None or (match[3] and max(int(match[3]), int(match[4])) > 65535):
        line = re.split(rb"[\r\n]", data, maxsplit=1)[0].decode("latin-1")
        raise BrokenHeader(f'broken header: "{line}"')
    if match[3] is None:
        return None, match.end()
    source, destination = match[1].decode("ascii"), match[2].decode("ascii")
    return ProxyProtocol(source, destination, int(match[3]), int(match[4])), match.end()


def _read_version_2(data: bytes) -> tuple[ProxyProtocol | None, int]:
    _, version, family, length = _HEADER.unpack_from(data)
    if version >> 4 != 2:
        raise BrokenHeader(f"unknown PROXY protocol version: {version >> 4}")
    end = _HEADER.size + length
    if len(data) < end:
        raise BrokenHeader("header is too large")
    if version & 15 != 1 or family & 15 != _STREAM or family >> 4 not in _FAMILIES:
        return None, end
    kind, size = _FAMILIES[family >> 4]
    body = data[_HEADER.size : end]
    if len(body) < 2 * size + 4:
        raise BrokenHeader("")
    source = socket.inet_ntop(kind, body[:size])
    destination = socket.inet_ntop(kind, body[size : 2 * size])
    source_port, destination_port = struct.unpack_from("!HH", body, 2 * size)
    tlvs = body[2 * size + 4 :]
    return ProxyProtocol(source, destination, source_port, destination_port, tlvs), end


def _lookup(tlvs: bytes, wanted: int) -> bytes | None:
    at = 0
    while at < len(tlvs):
        if at + 3 > len(tlvs):
            raise BrokenTlv("broken PROXY protocol TLV")
        number, length = struct.unpack_from("!BH", tlvs, at)
        at += 3
        if at + length > len(tlvs):
            raise BrokenTlv("broken PROXY protocol TLV")
        if number == wanted:
            return tlvs[at : at + length]
        at += length
    return None
