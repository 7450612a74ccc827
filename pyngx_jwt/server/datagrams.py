"""UDP in "stream": the datagrams that come from one address are a session."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from ..http.engine import log_failure
from ..log import Severity, errno_text
from ..stream.channel import UdpChannel
from ..stream.engine import conclude, run
from ..stream.ports import StreamPort
from ..stream.session import SERVER_ERROR, SUCCESS, StreamSession
from .front_end import FrontEnd
from .stream_clients import DatagramClient

LARGEST = 65535  # bytes of a datagram
AT_ONCE = 32  # datagrams that are read in one turn of the event loop
IP_PKTINFO = 8  # as <linux/in.h> has it
_INFO_4, _INFO_6 = struct.Struct("=I4s4s"), struct.Struct("=16sI")
Ancillary = list[tuple[int, int, bytes]]


class DatagramListener:
    """Reads a socket, and gives each datagram to the session of its client."""

    def __init__(self, front: FrontEnd, port: StreamPort, bound: socket.socket) -> None:
        self.front, self.port, self.bound = front, port, bound
        self.sessions: dict[Any, DatagramSession] = {}
        self.is_wildcard = port.listen.wildcard and port.listen.family != socket.AF_UNIX
        bound.setblocking(False)
        front.loop.add_reader(bound.fileno(), self._readable)

    def close(self) -> None:
        """Accepts no more; the sessions that there are cannot be answered any longer."""
        self.front.loop.remove_reader(self.bound.fileno())
        for session in list(self.sessions.values()):
            session.disconnect()
        self.bound.close()

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, ancillary, _, peer = self.bound.recvmsg(LARGEST, socket.CMSG_SPACE(64))
            except BlockingIOError:
                return
            except OSError as error:
                log = self.port.address.names.default.log
                log.write(Severity.ALERT, f"recvmsg() failed {errno_text(error)}")
                return
            self.take(data, peer, self._own_address(ancillary))

    def take(self, data: bytes, peer: Any, own: str) -> None:
        """Gives a datagram to its session, which may begin with it."""
        key = (peer, own)
        session = self.sessions.get(key)
        if session is not None:
            session.arrived(data)
            return
        session = self.sessions[key] = DatagramSession(self, key, peer, own)
        session.arrived(data)
        session.start()

    def _own_address(self, ancillary: Ancillary) -> str:
        """Which address of ours the datagram came to, where it could be any."""
        if not self.is_wildcard:
            return self.port.listen.host
        for level, kind, data in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                return socket.inet_ntop(socket.AF_INET, _INFO_4.unpack_from(data)[2])
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                return socket.inet_ntop(socket.AF_INET6, _INFO_6.unpack_from(data)[0])
        return self.port.listen.host

    def send(self, data: bytes, peer: Any, own: str) -> None:
        """Answers from the address that the client has sent to.  Raises OSError."""
        if not self.is_wildcard:
            self.bound.sendto(data, peer)
            return
        if self.port.listen.family == socket.AF_INET:
            info = _INFO_4.pack(0, socket.inet_pton(socket.AF_INET, own), b"\0" * 4)
            ancillary = [(socket.IPPROTO_IP, IP_PKTINFO, info)]
        else:
            info = _INFO_6.pack(socket.inet_pton(socket.AF_INET6, own), 0)
            ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]
        self.bound.sendmsg([data], ancillary, 0, peer)


class DatagramSession(UdpChannel):
    """What comes from one address, to one of ours."""

    def __init__(self, listener: DatagramListener, key: Any, peer: Any, own: str) -> None:
        super().__init__()
        self.listener, self.front = listener, listener.front
        self._key, self._peer, self._own = key, peer, own
        self.task: asyncio.Task[None] | None = None
        self._arrived = self._most = 0  # datagrams
        self._has_counted = False  # the first one, which is not read yet
        number = next(self.front.numbers)
        client = DatagramClient(number)
        port = listener.port
        ours = (own, port.listen.port) if port.listen.port else own
        client.take_addresses(peer or None, ours)
        self.session = StreamSession(client, self, port.address_of(ours), self.front.deadline)
        text = f"{client.remote_addr}:{client.remote_port}".removesuffix(":")
        listens = self.session.address.listen.text
        self.session.note(f"udp client {text} connected to {listens}")

    def start(self) -> None:
        self.received = len(self.waiting[0])  # counts whether it is read or not
        self._has_counted = True
        self.front.sessions.add(self)
        self.front.accepted += 1
        self.task = self.front.loop.create_task(self._serve(self.session))

    async def _serve(self, s: StreamSession) -> None:
        status = SERVER_ERROR
        try:
            status = await run(s)
        except asyncio.CancelledError:
            s.note("disconnected on shutdown")
            status = SUCCESS
        except Exception as error:
            log_failure(s, error)
        finally:
            self.front.sessions.discard(self)
            self._detach()
            conclude(s, status)
            self.close()

    # -- the channel -----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        try:
            self.listener.send(data, self._peer, self._own)
            self.sent += len(data)
        except BlockingIOError:
            pass  # it is lost, as a datagram may be
        except OSError as error:
            self.session.log(Severity.ERR, f"sendmsg() failed {errno_text(error)}")

    async def read(self, most: int) -> bytes | None:
        data = await super().read(most)
        if self._has_counted and data is not None:
            self._has_counted = False
            self.received -= len(data)
        return data

    def arrived(self, data: bytes) -> None:
        super().arrived(data)
        self._arrived += 1
        if self._arrived == self._most:
            self._detach()

    def limit(self, datagrams: int) -> None:
        self._most = datagrams
        if self._arrived >= datagrams:
            self._detach()
            surplus = self._arrived - datagrams
            rest = self.waiting[len(self.waiting) - surplus :] if surplus else []
            self.waiting = self.waiting[: len(self.waiting) - surplus]
            for data in rest:
                self.listener.take(data, self._peer, self._own)

    def _detach(self) -> None:
        """The next datagram of the address begins another session."""
        if self.listener.sessions.get(self._key) is self:
            del self.listener.sessions[self._key]

    def close(self) -> None:
        self.closed = self.ended = True

    def abort(self) -> None:
        self.close()

    # -- what the front end asks of it -----------------------------------------------------

    def disconnect(self) -> None:
        """The socket is to be closed."""
        if self.task is not None:
            self.task.cancel()

    def cut(self) -> None:
        self.disconnect()
