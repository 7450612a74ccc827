"""The addresses a server listens on."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NamedTuple

from ..conf.hosts import look_up
from ..conf.values import parse_number, parse_sec, parse_size
from ..core.ports import MPTCP
from ..errors import ConfError

WILDCARDS = ("0.0.0.0", "::")


class Listen(NamedTuple):
    """One address with the options of its socket; `port` is 0 for unix sockets."""

    family: int
    host: str  # "0.0.0.0", "::", "127.0.0.1", or the path of a unix socket
    port: int
    backlog: int = 511
    reuseport: bool = False
    ipv6only: bool = True
    deferred: bool = False
    so_keepalive: str = ""
    rcvbuf: int = 0
    sndbuf: int = 0
    fastopen: int = 0
    multipath: bool = False
    bind: bool = False
    options_set: bool = False
    ssl: bool = False
    http2: bool = False
    proxy_protocol: bool = False
    default_server: bool = False
    datagram: bool = False  # UDP
    quic: bool = False  # HTTP/3

    @property
    def key(self) -> str:
        """What tells it from all other addresses."""
        return f"udp {self.text}" if self.datagram else self.text

    @property
    def text(self) -> str:
        """The address as nginx prints it."""
        if self.family == socket.AF_UNIX:
            return f"unix:{self.host}"
        host = f"[{self.host}]" if self.family == socket.AF_INET6 else self.host
        return f"{host}:{self.port}"

    @property
    def wildcard(self) -> bool:
        return self.host in WILDCARDS


def parse_listen(address: str, options: tuple[str, ...]) -> list[Listen]:
    """The addresses of one "listen" directive; raises ConfError in nginx's words."""
    return [_with_options(listen, options, _FLAGS) for listen in _addresses(address, 80)]


def parse_stream_listen(address: str, options: tuple[str, ...]) -> list[Listen]:
    """The same in "stream", which has other options."""
    if "udp" in options:
        for option in options:
            name = option.partition("=")[0]
            if name in _OF_TCP:
                parameter = f'"{name}" parameter is incompatible with "udp"'
                raise ConfError(f'"listen" directive {parameter}')
    return [_with_options(listen, options, _STREAM_FLAGS) for listen in _addresses(address, 0)]


def _addresses(address: str, default_port: int) -> list[Listen]:
    if address.startswith("unix:"):
        if len(address) == 5:
            raise ConfError(
                f'no path in the unix domain socket in "{address}" of the "listen" directive'
            )
        return [Listen(socket.AF_UNIX, address[5:], 0)]
    if "/" in address or "?" in address:
        raise ConfError(f'invalid host in "{address}" of the "listen" directive')
    host, ports = _split(address)
    first, last = _ports(ports, address) if ports else (default_port, default_port)
    return [
        Listen(family, name, port)
        for port in range(first, last + 1)
        for family, name in _resolve(host, address)
    ]


def _split(address: str) -> tuple[str, str]:
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfError(f'invalid host in "{address}" of the "listen" directive')
        return f"[{host}", rest[1:]
    host, colon, port = address.rpartition(":")
    if colon:
        if not port:
            raise ConfError(f'invalid port in "{address}" of the "listen" directive')
        if not host:
            raise ConfError(f'no host in "{address}" of the "listen" directive')
        return host, port
    if address.replace("-", "").isdigit():
        return "*", address
    return address, ""


def _ports(text: str, address: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        low = parse_number(first)
        high = parse_number(last) if dash else low
    except ValueError:
        low = high = 0
    if not 0 < low <= 65535 or not low <= high <= 65535:
        raise ConfError(f'invalid port in "{address}" of the "listen" directive')
    return low, high


def _resolve(host: str, address: str) -> list[tuple[int, str]]:
    if host == "*":
        return [(socket.AF_INET, "0.0.0.0")]
    if host.startswith("["):
        try:
            packed = socket.inet_pton(socket.AF_INET6, host[1:])
        except OSError:
            raise ConfError(
                f'invalid IPv6 address in "{address}" of the "listen" directive'
            ) from None
        return [(socket.AF_INET6, socket.inet_ntop(socket.AF_INET6, packed))]
    try:
        infos = look_up(host, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfError(f'host not found in "{address}" of the "listen" directive') from None
    return list(dict.fromkeys((int(info[0]), str(info[4][0])) for info in infos))


_FLAGS = {
    "default_server": {"default_server": True},
    "default": {"default_server": True},
    "bind": {"bind": True, "options_set": True},
    "reuseport": {"reuseport": True, "bind": True, "options_set": True},
    "deferred": {"deferred": True, "bind": True, "options_set": True},
    **({"multipath": {"multipath": True, "bind": True, "options_set": True}} if MPTCP > 0 else {}),
    "ssl": {"ssl": True},
    "proxy_protocol": {"proxy_protocol": True},
    "http2": {"http2": True},
    # Each worker has a socket of its own: the kernel sends all packets of a client to the same one.
    "quic": {"quic": True, "datagram": True, "reuseport": True},
}
# Options that a connection over UDP cannot have, in the order in which they are looked for.
_NOT_QUIC = (
    *("fastopen", "backlog", "accept_filter", "deferred", "multipath", "ssl", "http2"),
    *("so_keepalive", "proxy_protocol"),
)
_STREAM_FLAGS = {
    **{name: _FLAGS[name] for name in _FLAGS if name not in ("default", "http2", "quic")},
    "udp": {"datagram": True},
}
_OF_TCP = (
    *("fastopen", "backlog", "deferred", "multipath", "ssl", "so_keepalive", "proxy_protocol"),
)
_SIZES = ("rcvbuf", "sndbuf")
_NUMBERS = ("backlog", "fastopen", "setfib")


def check_keepalive(text: str) -> None:
    """so_keepalive is on, off or [idle]:[interval]:[count]; raises ConfError."""
    if text in ("on", "off"):
        return
    parts = text.split(":")
    try:
        idle, interval, count = (part.strip() for part in parts)
        sums = [parse_sec(idle or "0"), parse_sec(interval or "0"), parse_number(count or "0")]
    except ValueError:
        sums = []
    if not any(sums):
        raise ConfError(f'invalid so_keepalive value: "{text}"')


def _with_options(
    listen: Listen, options: tuple[str, ...], flags: Mapping[str, Mapping[str, bool]]
) -> Listen:
    for option in options:
        listen = _with_option(listen, option, flags)
    if listen.quic:
        _check_quic(listen, options)
    return listen


def _check_quic(listen: Listen, options: tuple[str, ...]) -> None:
    if listen.family == socket.AF_UNIX:
        raise ConfError('invalid parameter "quic"')
    given = {option.partition("=")[0] for option in options}
    for name in _NOT_QUIC:
        if name in given:
            parameter = f'"{name}" parameter is incompatible with "quic"'
            raise ConfError(f'"listen" directive {parameter}')


def _with_option(listen: Listen, option: str, flags: Mapping[str, Mapping[str, bool]]) -> Listen:
    name, sign, value = option.partition("=")
    if not sign and name in flags:
        return listen._replace(**flags[name])  # type: ignore[arg-type]
    if sign and name in (*_SIZES, *_NUMBERS):
        parse = parse_size if name in _SIZES else parse_number
        try:
            amount = parse(value)
        except ValueError:
            amount = 0
        if not amount:
            raise ConfError(f'invalid {name} "{option}"')
        if name == "setfib":
            return listen
        return listen._replace(**{name: amount}, bind=True, options_set=True)  # type: ignore[arg-type]
    if sign and name == "ipv6only" and listen.family == socket.AF_INET6:
        if value not in ("on", "off"):
            raise ConfError(f'invalid ipv6only flags "{value}"')
        return listen._replace(ipv6only=value == "on", bind=True, options_set=True)
    if sign and name == "so_keepalive":
        check_keepalive(value)
        return listen._replace(so_keepalive=value, bind=True, options_set=True)
    if sign and name == "accept_filter":
        raise ConfError(f'accept filters "{value}" are not supported on this platform, ignored')
    if name == "multipath":
        raise ConfError("multipath is not supported on this platform, ignored")
    raise ConfError(f'invalid parameter "{option}"')
