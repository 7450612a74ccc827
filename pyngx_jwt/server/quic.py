"""UDP sockets of HTTP/3: each datagram finds its connection, or begins one.

Each worker has a socket of its own, and the kernel sends all packets of a client's address to the
same one. When that is not the worker of the connection, as the client has another address now or
a reload has changed the workers, the packet is handed over to the one that the connection id
names (mailbox.py).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from ..http.listen import WILDCARDS
from ..http.ports import Http3, ListenAddress, Port
from ..http.request import Server
from ..log import Severity, errno_text
from ..quic import packets
from ..quic.connection import Origin, Settings
from ..quic.ids import new_owner, owner_of
from ..quic.packets import Head
from ..quic.tokens import BadToken, Tokens
from .front_end import FrontEnd
from .http3 import Http3Connection
from .mailbox import Mailbox

BATCH = 64  # datagrams that are taken in a turn of the event loop
LARGEST = 65535  # bytes of a datagram
# Connections in the middle of a handshake, above which clients have to show that they are at their
# address, as with "quic_retry on": forged ones then cost no memory (RFC 9000, 8.1.2).
HALF_OPEN = 500
SEGMENTS = 64  # of one system call, at the most (UDP_MAX_SEGMENTS)
_UDP_SEGMENT, _IP_PKTINFO = 103, 8  # as <linux/udp.h> and <linux/in.h> have them
_PKTINFO4, _PKTINFO6 = struct.Struct("@i4s4s"), struct.Struct("@16sI")
_ANCILLARY = socket.CMSG_SPACE(_PKTINFO6.size)
Address = tuple[Any, ...]  # as the socket has it
Ancillary = list[tuple[int, int, bytes]]


class QuicListener:
    """The connections of one socket."""

    def __init__(self, front: FrontEnd, port: Port, bound: socket.socket) -> None:
        self.front, self.port, self._bound = front, port, bound
        self.owner = new_owner()
        self._own: Address = bound.getsockname()
        self._connections: dict[bytes, Http3Connection] = {}  # by each of their ids
        self._half_open: set[Http3Connection] = set()
        self._touched: dict[Http3Connection, None] = {}
        self._tokens: dict[bytes, Tokens] = {}  # by host key
        self._stopping = self._reads = False
        bound.setblocking(False)
        self._mailbox = Mailbox(front.loop, self.owner, bound, self)
        self.read()

    # -- sockets ---------------------------------------------------------------------------

    def read(self) -> None:
        """Takes what comes to the socket."""
        if not self._reads:
            self._reads = True
            self.front.loop.add_reader(self._bound, self._readable)

    def leave(self) -> list[bytes]:
        """Leaves the socket to another worker; the ids of clients that do not have one of ours."""
        if self._reads:
            self._reads = False
            self.front.loop.remove_reader(self._bound)
        return [
            name
            for name, connection in self._connections.items()
            if not connection.is_open and owner_of(name) != self.owner
        ]

    def close(self) -> None:
        """Begins no more connections.  Packets of those that there are still come, here or from
        the worker that has the socket now."""
        self._stopping = True
        self._mailbox.retire()
        self._finish()

    def _finish(self) -> None:
        if self._stopping and not self._connections:
            self.leave()
            self._mailbox.close()
            self._bound.close()

    def _readable(self) -> None:
        for _ in range(BATCH):
            try:
                data, ancillary, _, peer = self._bound.recvmsg(LARGEST, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an earlier packet could not be delivered
                continue
            self.take(data, peer, self._address_in(ancillary))
        self.settle()

    def settle(self) -> None:
        """All has been taken: the connections act on it."""
        touched, self._touched = self._touched, {}
        for connection in touched:
            self._do(connection, connection.settle)

    def _do(self, connection: Http3Connection, step: Callable[[], None]) -> bool:
        """A bug costs one connection, and not those whose packets come in the same turn."""
        try:
            step()
        except Exception as error:
            context = {"message": "a connection failed", "exception": error}
            self.front.loop.call_exception_handler(context)
            self._touched.pop(connection, None)
            connection.ended(0, "")
            return False
        return True

    def _address_in(self, ancillary: Ancillary) -> Address:
        """The address of ours that a datagram came to."""
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET, _PKTINFO4.unpack(data[:12])[2])
                return host, *self._own[1:]
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET6, data[:16])
                return host, *self._own[1:]
        return self._own

    def send(self, datagrams: list[bytes], peer: Address, own: Address, *, gso: bool) -> None:
        """Sends to a client, from the address that it knows.  What the kernel does not take is
        lost, as on the way."""
        source = self._source(own)
        groups = _segments(datagrams) if gso and len(datagrams) > 1 else ([x] for x in datagrams)
        for group in groups:
            ancillary = source
            if len(group) > 1:
                size = struct.pack("@H", len(group[0]))
                ancillary = [*source, (socket.IPPROTO_UDP, _UDP_SEGMENT, size)]
            try:
                if ancillary:
                    self._bound.sendmsg(group, ancillary, 0, peer)
                else:
                    self._bound.sendto(group[0], peer)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                self._log(Severity.INFO, f"sendmsg() failed {errno_text(error)}", peer)

    def _source(self, own: Address) -> Ancillary:
        if own == self._own:
            return []
        if self._bound.family == socket.AF_INET:
            host = socket.inet_aton(own[0])
            return [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO4.pack(0, host, bytes(4)))]
        host = socket.inet_pton(socket.AF_INET6, own[0].partition("%")[0])
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO6.pack(host, 0))]

    # -- datagrams -------------------------------------------------------------------------

    def take(self, data: bytes, peer: Address, own: Address) -> None:
        """Gives a datagram to its connection, wherever that is."""
        destination = packets.destination_of(data)
        if destination is None:
            return
        connection = self._connections.get(destination)
        if connection is not None:
            self._receive(connection, data, peer)
            return
        owner = owner_of(destination)
        if owner == self.owner or not self._mailbox.hand_over(destination, data, peer, own):
            self._take_stray(data, peer, own)

    def _receive(self, connection: Http3Connection, data: bytes, peer: Address) -> None:
        if self._do(connection, lambda: connection.receive(data, peer)):
            self._touched[connection] = None

    def take_own(self, data: bytes, peer: Address, own: Address) -> None:
        """Takes a datagram that another worker has handed over, unless it came to an address that
        is not ours: anyone can name a worker, also that of an address that they cannot reach."""
        if not self._covers(own):
            return
        destination = packets.destination_of(data)
        connection = self._connections.get(destination) if destination is not None else None
        if connection is not None:
            self._receive(connection, data, peer)
        else:
            self._take_stray(data, peer, own)

    def _covers(self, address: Address) -> bool:
        """Whether the socket is one for an address."""
        host, port = self._own[:2]
        return address[1] == port and (
            host in WILDCARDS or host.partition("%")[0] == address[0].partition("%")[0]
        )

    def _take_stray(self, data: bytes, peer: Address, own: Address) -> None:
        """ngx_quic_handle_packet, for a packet of no connection."""
        head = packets.read_head(data)
        if head is None:
            return
        address = self.port.address_of(own)
        settings = address.http3[address.names.default]
        tokens = self.tokens_of(settings)
        if head.version is None:
            self._answer(packets.reset(head, len(data), tokens), peer, own)
        elif head.version != packets.VERSION:
            if len(data) >= packets.LEAST_INITIAL:
                self._answer(packets.negotiate_version(head), peer, own)
        elif head.is_initial and len(data) >= packets.LEAST_INITIAL:
            if len(head.destination) < packets.LEAST_ID:
                length = len(head.destination)
                text = f"quic too short dcid in initial packet: len:{length}"
                self._log(Severity.INFO, text, peer)
            else:
                self._take_initial(head, data, peer, own, address, tokens)

    def _take_initial(
        self,
        head: Head,
        data: bytes,
        peer: Address,
        own: Address,
        address: ListenAddress,
        tokens: Tokens,
    ) -> None:
        settings = address.http3[address.names.default]
        origin = Origin(head.destination, None, False)
        client = peer[0], peer[1]
        retries = settings.retry or len(self._half_open) >= HALF_OPEN
        if head.token:
            try:
                shown = tokens.look_at(head.token, client)
            except BadToken:
                self._refuse(head, "cannot decrypt token", peer, own)
                return
            if shown.is_good:
                retries = False
                if shown.original is None:
                    origin = Origin(head.destination, None, True)
                else:
                    origin = Origin(shown.original, head.destination, True)
            elif shown.original is not None:
                self._refuse(head, "invalid address validation token", peer, own)
                return
        if retries:
            self._answer(packets.retry(head, tokens, client, self.owner), peer, own)
        elif not self._stopping:
            self._begin(head, data, peer, own, origin, address)

    def _begin(
        self,
        head: Head,
        data: bytes,
        peer: Address,
        own: Address,
        origin: Origin,
        address: ListenAddress,
    ) -> None:
        server = address.names.default
        connection = Http3Connection(self, next(self.front.numbers), address, peer, own)
        connection.begin(self.settings_of(address, server), self.owner, origin)
        self._half_open.add(connection)
        self._connections[head.destination] = connection
        connection.names_of_ids.append(head.destination)
        self._receive(connection, data, peer)
        if not connection.has_begun:  # nothing of it could be decrypted: it is no client's
            self._touched.pop(connection, None)
            connection.ended(0, "")

    def _refuse(self, head: Head, text: str, peer: Address, own: Address) -> None:
        self._log(Severity.INFO, f"quic {text}", peer)
        self._answer(packets.close_early(head, packets.INVALID_TOKEN, text), peer, own)

    def _answer(self, data: bytes, peer: Address, own: Address) -> None:
        if data:
            self.send([data], peer, own, gso=False)

    # -- connections -----------------------------------------------------------------------

    def tokens_of(self, settings: Http3) -> Tokens:
        """The tokens of a server's host key."""
        tokens = self._tokens.get(settings.host_key)
        if tokens is None:
            tokens = self._tokens[settings.host_key] = Tokens(settings.host_key)
        return tokens

    def settings_of(self, address: ListenAddress, server: Server) -> Settings:
        """What a server allows a connection."""
        settings = address.http3[server]
        return Settings(
            settings.streams,
            settings.buffer,
            server.location.core.keepalive_timeout[0],
            settings.connection_ids,
            self.tokens_of(settings),
            settings.retry,
        )

    def know(self, name: bytes, connection: Http3Connection) -> None:
        """A connection has another id."""
        self._connections[name] = connection

    def settled(self, connection: Http3Connection) -> None:
        """A connection has been shaken hands on, or never will be."""
        self._half_open.discard(connection)

    def forget(self, names: Iterable[bytes]) -> None:
        """A connection does not have these ids any more."""
        for name in names:
            self._connections.pop(name, None)
        self._finish()

    def _log(self, level: Severity, text: str, peer: Address) -> None:
        server = self.port.address.names.default
        self.port.log(server, level, text, peer, next(self.front.numbers))


def _segments(datagrams: list[bytes]) -> Iterable[list[bytes]]:
    """Datagrams of one length, and a shorter last one, can go to the kernel together."""
    group: list[bytes] = []
    for _, alike in groupby(datagrams, len):
        for data in alike:
            longer = bool(group) and len(data) > len(group[0])
            ended = len(group) > 1 and len(group[-1]) < len(group[0])
            if longer or ended or len(group) == SEGMENTS:
                yield group
                group = []
            group.append(data)
    if group:
        yield group
