"""Replaces the client address with the one that a trusted proxy reports."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..conf.directive import Conf, directive, flag
from ..conf.hosts import look_up
from ..errors import ConfError
from ..http.cidr import UNIX, Network, Networks, forwarded_address, parse_network
from ..http.client import Connection
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.session import Session
from ..stream.contexts import IN_STREAM
from ..stream.level import StreamLevel
from ..stream.module import StreamModule
from ..stream.session import StreamHandler, StreamPhase, StreamSession

FORWARDED_FOR = "X-Forwarded-For"  # in this case only, as in nginx
Addresses = Callable[[Request], list[str]]


class RealIpConf(Conf):
    trusted: tuple[Network, ...] = ()
    field = "X-Real-IP"

    @directive(EVERYWHERE | IN_STREAM, syntax="set_real_ip_from address | CIDR | unix: | hostname")
    def set_real_ip_from(self, address: str) -> None:
        """Trusts an address, network or host name to report the client address.  Do not trust
        networks that clients can connect from directly.  In "stream", the address is that of the
        PROXY protocol header."""
        self.trusted = (*vars(self).get("trusted", ()), *self._networks(address))

    @directive(
        EVERYWHERE,
        default="X-Real-IP",
        syntax="real_ip_header field | X-Real-IP | X-Forwarded-For | proxy_protocol",
    )
    def real_ip_header(self, field: str) -> None:
        """Sets the request header that contains the client address, or "proxy_protocol" for the
        address of the PROXY protocol header.  Applies to connections from addresses in
        "set_real_ip_from" only."""
        if "field" in vars(self):
            raise ConfError('"real_ip_header" directive is duplicate')
        self.field = field

    real_ip_recursive = flag(
        False,
        EVERYWHERE,
        "If the header has several addresses, skips those that are trusted, starting with the "
        "last one. If off, the last address is used.",
    )

    def _networks(self, text: str) -> list[Network]:
        if text == "unix:":
            return [UNIX]
        try:
            network, cut = parse_network(text)
        except ValueError:
            return _resolve(text)
        if cut:
            self.scope.warn(f"low address bits of {text} are meaningless")
        return [network]


def _resolve(host: str) -> list[Network]:
    try:
        addresses = look_up(host, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfError(f'host not found in set_real_ip_from "{host}"') from None
    return [parse_network(str(address[4][0]).partition("%")[0])[0] for address in addresses]


class RealIpConnection:
    """A connection as a request sees it once the client's own address is known."""

    def __init__(self, real: Connection, address: bytes, port: int) -> None:
        self.real = real
        family = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
        self.remote_addr = socket.inet_ntop(family, address)
        self.remote_port = str(port) if port else ""
        self.binary_remote_addr = address
        self.number, self.requests, self.start = real.number, real.requests, real.start
        self.server_addr, self.server_port = real.server_addr, real.server_port
        self.proxy_protocol, self.ssl, self.sni = real.proxy_protocol, real.ssl, real.sni

    @property
    def sent(self) -> int:
        return self.real.sent

    @sent.setter
    def sent(self, count: int) -> None:
        self.real.sent = count

    @property
    def closed(self) -> bool:
        return self.real.closed

    def tcp_info(self) -> bytes:
        return self.real.tcp_info()


realip = Module("realip", RealIpConf)


@realip.handler(Phase.POST_READ)
def find_client_first(conf: RealIpConf, level: Level) -> Handler | None:
    return find_client(conf, level)


@realip.handler(Phase.PREACCESS)
def find_client(conf: RealIpConf, level: Level) -> Handler | None:
    """Once for the server, and again for a location that may have other settings."""
    if not conf.trusted:
        return None
    trusted, recursive = Networks(conf.trusted), conf.real_ip_recursive
    by_protocol = conf.field == "proxy_protocol"
    addresses_of = _by_protocol if by_protocol else _by_field(conf.field)

    def handle(r: Request) -> Status | None:
        if not isinstance(r.connection, RealIpConnection) and (texts := addresses_of(r)):
            _take(r, texts, trusted, recursive=recursive, by_protocol=by_protocol)
        return None

    return handle


def _take(
    r: Session, texts: list[str], trusted: Networks, *, recursive: bool, by_protocol: bool
) -> None:
    """Puts the client that the texts name in the place of a trusted proxy."""
    connection = r.connection
    client = forwarded_address(connection.binary_remote_addr, texts, trusted, recursive=recursive)
    if client is not None:
        address, port = client
        if by_protocol:
            port = int(connection.proxy_protocol.source_port)
        r.connection = RealIpConnection(connection, address, port)


def _by_field(name: str) -> Addresses:
    """All fields of X-Forwarded-For, the first one of any other name."""
    several, name = name == FORWARDED_FOR, name.lower()

    def addresses(r: Request) -> list[str]:
        if name not in r.index:
            return []
        values = [value for field, value in r.headers_in if field.lower() == name]
        return values if several else values[:1]

    return addresses


def _by_protocol(r: Session) -> list[str]:
    protocol = r.connection.proxy_protocol
    return [protocol.source] if protocol is not None else []


def _own(r: Session) -> Connection:
    connection = r.connection
    return connection.real if isinstance(connection, RealIpConnection) else connection


@realip.variable("realip_remote_addr")
def realip_remote_addr(r: Session) -> str:
    """Address of the connection itself."""
    return _own(r).remote_addr


@realip.variable("realip_remote_port")
def realip_remote_port(r: Session) -> str:
    """Port of the connection itself."""
    return _own(r).remote_port


stream_realip = StreamModule("stream_realip", RealIpConf)
stream_realip.take_variables(realip)


@stream_realip.handler(StreamPhase.POST_ACCEPT)
def find_client_of_connection(conf: RealIpConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.trusted:
        return None
    trusted = Networks(conf.trusted)

    def handle(s: StreamSession) -> Status | None:
        if texts := _by_protocol(s):
            _take(s, texts, trusted, recursive=False, by_protocol=True)
        return None

    return handle
