"""What a server listens with: its sockets, and the servers and names of each address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..log import Severity
from ..metrics.handshakes import HandshakeCounts, verify_failure
from ..metrics.kinds import TLS_VERIFY
from ..tls.certificate import is_optional
from ..tls.client_status import ClientStatus
from ..tls.connection import TlsConnection
from ..tls.context import Context
from ..tls.hello import Hello
from ..tls.pairs import CertificateName
from .listen import Listen
from .location import ServerNames
from .request import Server

if TYPE_CHECKING:
    from .level import Level

S = TypeVar("S")  # what serves: a server of HTTP, or of "stream"
A = TypeVar("A", bound="AddressOf[Any]")


class Built:
    """The compiled http block; empty if there is none."""

    __slots__ = ("ports", "servers")

    def __init__(self) -> None:
        self.servers: list[tuple[Level, Server]] = []
        self.ports: dict[str, Port] = {}


class Http2(NamedTuple):
    """What a server that speaks HTTP/2 allows clients."""

    streams: int  # at a time
    preread: int  # bytes of a request body before it is read


class Http3(NamedTuple):
    """What a server allows clients over QUIC."""

    enabled: bool  # HTTP/3 itself
    hq: bool  # HTTP/0.9, as interoperability tests use it
    streams: int  # at a time
    buffer: int  # bytes of a stream
    connection_ids: int  # of a client, for each connection
    retry: bool
    gso: bool
    host_key: bytes


class Greeting:
    """A handshake that has begun, for code of the configuration that has a say in it."""

    def __init__(self, hello: Hello, transport: Any, log: Callable[[Severity, str], None]) -> None:
        self.hello, self.log = hello, log
        self.peer = transport.get_extra_info("peername")
        self.local = transport.get_extra_info("sockname")
        self.tls: TlsConnection | None = None  # once the server is chosen
        self.protocols: tuple[str, ...] = ()  # the only ones that are allowed; () is all
        self.context: Any = None  # what code leaves for later code


# Whether the handshake may go on.
HandshakeCode = Callable[[Greeting], Awaitable[bool] | bool]


class ServerTls(NamedTuple):
    """What handshakes need of a server."""

    context: Context
    names: Callable[[Any], Iterable[CertificateName]] | None  # where variables name them
    verify: str = "off"  # clients: the value of "ssl_verify_client"
    status: ClientStatus | None = None  # asks the issuers of their certificates
    certify: HandshakeCode | None = None  # when certificates are to be shown

    @property
    def verifies(self) -> bool:
        return self.verify != "off"

    def verify_failure(self, tls: TlsConnection) -> int:
        """What statistics count the client's certificate as, 0 if it is accepted."""
        if not self.verifies:
            return 0
        if tls.peer is None:
            return TLS_VERIFY["no_cert"] if self.verify == "on" else 0
        error = tls.verify_error
        if self.verify == "optional_no_ca" and is_optional(error):
            error = 0
        return verify_failure(error, tls.status_error)


@dataclass(slots=True)
class AddressOf(Generic[S]):
    """The servers of one address that is listened on."""

    listen: Listen
    names: ServerNames[S]
    default_given: bool = False
    levels: list[tuple[Any, S]] = field(default_factory=list)
    tls: dict[S, ServerTls] | None = None  # without those that refuse handshakes
    greet: HandshakeCode | None = None  # looks at hellos before OpenSSL does
    handshakes: dict[S, HandshakeCounts] = field(default_factory=dict)


@dataclass(slots=True)
class ListenAddress(AddressOf[Server]):
    """One of HTTP."""

    http2: dict[Server, Http2] = field(default_factory=dict)  # of servers that speak it
    http3: dict[Server, Http3] = field(default_factory=dict)  # of all, if it is for QUIC


@dataclass(slots=True)
class PortOf(Generic[A]):
    """A socket: its own address, and others that a wildcard takes in."""

    listen: Listen
    address: A
    others: dict[str, A] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[A, ...]:
        return self.address, *self.others.values()

    def address_of(self, name: Any) -> A:
        """The address that a connection has come to; `name` is its socket's own."""
        host = name[0] if isinstance(name, tuple) else ""
        return self.others.get(host, self.address)


@dataclass(slots=True)
class Port(PortOf[ListenAddress]):
    """One of HTTP."""

    def log(self, server: Server, level: Severity, text: str, peer: Any, number: int) -> None:
        """Logs what happened to a connection before it brought a request."""
        client = peer[0] if isinstance(peer, tuple) else "unix:"
        server.location.log.write(
            level, f"{text}, client: {client}, server: {self.listen.text}", number
        )
