"""Client addresses and networks, packed as sockets have them: 4 or 16 bytes, b"" for unix."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..conf.values import parse_number
from .digits import number_of

MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:0:0/96
NONE = b"\xff" * 4  # what nginx's parser cannot return, and what it looks up when it fails
_DOTTED = re.compile(r"([0-9]*)\.([0-9]*)\.([0-9]*)\.([0-9]*)")


def parse_address(text: str) -> bytes | None:
    """An address without a port; None if it is none (ngx_parse_addr).

    Parts of an IPv4 address may be empty, and 255.255.255.255 is none, as in nginx."""
    if dotted := _DOTTED.fullmatch(text):
        octets = [number_of(part) for part in dotted.groups()]
        packed = bytes(octets) if max(octets) < 256 else NONE
        return None if packed == NONE else packed
    try:
        return socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None


def parse_address_port(text: str) -> tuple[bytes, int] | None:
    """An address with or without a port, which is 0 then (ngx_parse_addr_port)."""
    address = parse_address(text)
    if address is not None:
        return address, 0
    if text.startswith("[") and text.endswith("]"):
        host, port = text[1:-1], "0"
    else:
        host, colon, port = text[1:].partition("]:") if text[:1] == "[" else text.partition(":")
        if not colon or not port.isdecimal() or not 1 <= number_of(port) <= 65535:
            return None
    address = parse_address(host)
    return None if address is None else (address, number_of(port))


def plain(packed: bytes) -> bytes:
    """An IPv4 address in IPv6's clothes as IPv4."""
    return packed[12:] if packed.startswith(MAPPED) and len(packed) == 16 else packed


class Network(NamedTuple):
    """A network; `size` is 4 or 16, or 0 for unix sockets, which are all one network."""

    size: int
    address: int = 0
    prefix: int = 0

    @property
    def mask(self) -> int:
        bits = self.size * 8
        return (1 << bits) - (1 << (bits - self.prefix))


UNIX = Network(0)


def parse_network(text: str) -> tuple[Network, bool]:
    """A network or address, and whether low address bits were cut off (ngx_ptocidr).

    Raises ValueError."""
    host, slash, prefix = text.partition("/")
    address = parse_address(host)
    if address is None:
        raise ValueError(text)
    size, value = len(address), int.from_bytes(address)
    length = parse_number(prefix) if slash else size * 8
    if length > size * 8:
        raise ValueError(text)
    network = Network(size, value & Network(size, 0, length).mask, length)
    return network, network.address != value


class Networks:
    """A set of networks to look an address up in (ngx_cidr_match)."""

    __slots__ = ("_networks", "unix")

    def __init__(self, networks: Iterable[Network]) -> None:
        every = list(networks)
        self._networks = [(n.size, n.mask, n.address) for n in every if n.size]
        self.unix = any(not n.size for n in every)

    def __contains__(self, packed: bytes) -> bool:
        if not packed:
            return self.unix
        packed = plain(packed)
        size, value = len(packed), int.from_bytes(packed)
        return any(s == size and value & mask == a for s, mask, a in self._networks)


def forwarded_address(
    address: bytes, texts: Sequence[str], trusted: Networks, *, recursive: bool
) -> tuple[bytes, int] | None:
    """The client that trusted proxies name in X-Forwarded-For or the like, with its port;
    None if they name none (ngx_http_get_forwarded_addr).

    `texts` are the fields as they came; the last address of the last one counts, or, if
    `recursive`, the last one that is not trusted itself."""
    client: tuple[bytes, int] | None = None
    for text in reversed(texts):
        while True:
            if address not in trusted:
                return client
            text = text[:1] + text[1:].rstrip(" ,")
            start = max(text.rfind(" ", 1), text.rfind(",", 1)) + 1
            named = parse_address_port(text[start:])
            if named is None:
                return client
            client, address = named, named[0]
            if not recursive:
                return client
            if start == 0:
                break
            text = text[: start - 1]
    return client
