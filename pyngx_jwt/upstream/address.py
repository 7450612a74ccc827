"""Addresses of upstream servers: "host:port", "[v6]:port", "unix:/path", "host/uri"."""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from ..conf.hosts import look_up
from ..errors import ConfError
from ..http.digits import number_of

_UNIX_PATH_MAX = 108  # sizeof(sockaddr_un.sun_path), with the final NUL


class PeerAddress(NamedTuple):
    """One socket address; `name` is what $upstream_addr tells and what tells two apart."""

    name: str
    host: str  # an IP address without brackets, or the path of a unix socket
    port: int = 0
    family: socket.AddressFamily = socket.AF_INET


class Url(NamedTuple):
    """A parsed address: its text, its parts and what it resolved to (ngx_url_t)."""

    text: str
    host: str  # with brackets if IPv6, the path if a unix socket
    port: int = 0
    no_port: bool = False
    uri: str = ""
    family: socket.AddressFamily = socket.AF_INET
    addresses: tuple[PeerAddress, ...] = ()  # empty where a name was left unresolved


class AddressError(ValueError):
    """Why an address was refused, in nginx's words: "invalid port", "no host", ..."""


def parse_upstream(
    text: str, *, default_port: int = 0, uri_part: bool = False, resolve: bool = True
) -> Url:
    """parse_url() for "server" and "proxy_pass"; ConfError: `no host in upstream ":80"`."""
    try:
        return parse_url(text, default_port=default_port, uri_part=uri_part, resolve=resolve)
    except AddressError as error:
        raise ConfError(f'{error} in upstream "{text}"') from None


def parse_url(
    text: str, *, default_port: int = 0, uri_part: bool = False, resolve: bool = True
) -> Url:
    """Parses an address as nginx does (ngx_parse_url), and resolves a name in it.

    `uri_part` allows a URI after the address; without `resolve` a name is left alone.
    Resolving blocks.  Raises AddressError.
    """
    if text[:5].lower() == "unix:":
        return _parse_unix(text, uri_part)
    if text.startswith("["):
        return _parse_inet6(text, default_port, uri_part)
    return _parse_inet(text, default_port, uri_part, resolve)


class Local(NamedTuple):
    """An address that connections come from; `transparent` if it need not be one of ours."""

    host: str
    port: int
    transparent: bool = False


def parse_local(text: str, *, transparent: bool = False) -> Local | None:
    """An address to bind to, its port 0 if none is given; None if it is none
    (ngx_parse_addr_port)."""
    host, port = text, 0
    bracketed = text.startswith("[")
    if bracketed or text.count(":") == 1:
        end = text.find("]") + 1 if bracketed else text.index(":")
        host, rest = text[:end].strip("[]"), text[end:]
        if rest:
            try:
                port = _port(rest[1:])
            except AddressError:
                return None
        if bracketed and (end == 0 or (rest and not rest.startswith(":"))):
            return None
    try:
        return Local(str(ip_address(host)), port, transparent)
    except ValueError:
        return None


def resolve_host(host: str, port: int) -> tuple[PeerAddress, ...]:
    """All addresses of a name, in the resolver's order; blocks; raises AddressError."""
    try:
        records = look_up(host, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        raise AddressError("host not found") from None
    addresses = tuple(
        inet_address(str(sockaddr[0]), port)
        for family, _, _, _, sockaddr in records
        if family in (socket.AF_INET, socket.AF_INET6)
    )
    if not addresses:
        raise AddressError("host not found")
    return addresses


def inet_address(ip: str, port: int) -> PeerAddress:
    """The address of an IP literal in its canonical form, IPv6 without brackets."""
    if ":" in ip:
        return PeerAddress(f"[{ip}]:{port}", ip, port, socket.AF_INET6)
    return PeerAddress(f"{ip}:{port}", ip, port)


def unix_address(path: str) -> PeerAddress:
    return PeerAddress(f"unix:{path}", path, 0, socket.AF_UNIX)


def _parse_unix(text: str, uri_part: bool) -> Url:
    path, uri = text[5:], ""
    if uri_part:
        path, _, uri = path.partition(":")
    if not path:
        raise AddressError("no path in the unix domain socket")
    if len(path) + 1 > _UNIX_PATH_MAX:
        raise AddressError("too long path in the unix domain socket")
    return Url(text, path, uri=uri, family=socket.AF_UNIX, addresses=(unix_address(path),))


def _parse_inet6(text: str, default_port: int, uri_part: bool) -> Url:
    host, bracket, rest = text[1:].partition("]")
    if not bracket:
        raise AddressError("invalid host")
    rest, uri = _split_uri(rest, "/", uri_part)
    if rest and not rest.startswith(":"):
        raise AddressError("invalid host")
    port = _port(rest[1:]) if rest else default_port
    if not host:
        raise AddressError("no host")
    try:
        ip = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host))
    except (OSError, ValueError):
        raise AddressError("invalid IPv6 address") from None
    addresses = (inet_address(ip, port),)
    return Url(text, f"[{host}]", port, not rest, uri, socket.AF_INET6, addresses)


def _parse_inet(text: str, default_port: int, uri_part: bool, resolve: bool) -> Url:
    rest, uri = _split_uri(text, "/?", uri_part)
    host, colon, digits = rest.partition(":")
    port = _port(digits) if colon else default_port
    if not host:
        raise AddressError("no host")
    addresses: tuple[PeerAddress, ...] = ()
    if ip := _inet_addr(host):
        addresses = (inet_address(ip, port),)
    elif resolve:
        addresses = resolve_host(host, port)
    family = addresses[0].family if addresses else socket.AF_INET
    return Url(text, host, port, not colon, uri, family, addresses)


def _split_uri(text: str, marks: str, uri_part: bool) -> tuple[str, str]:
    """Cuts the text where the URI starts."""
    start = len(text)
    for mark in marks:
        at = text.find(mark, 0, start)
        if at >= 0:
            start = at
    if start < len(text) and not uri_part:
        raise AddressError("invalid host")
    return text[:start], text[start:]


def _port(digits: str) -> int:
    port = number_of(digits) if _is_number(digits) else 0
    if not 1 <= port <= 65535:
        raise AddressError("invalid port")
    return port


@lru_cache(maxsize=1024)  # the same address occurs many times in a configuration
def _inet_addr(host: str) -> str:
    """The dotted quad in canonical form, "" if it is not one (ngx_inet_addr).

    As in nginx an octet may be empty.
    """
    octets = host.split(".")
    if len(octets) != 4 or not all(octet == "" or _is_number(octet) for octet in octets):
        return ""
    values = [number_of(octet) for octet in octets]
    if max(values) > 255:
        return ""
    return ".".join(map(str, values))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
