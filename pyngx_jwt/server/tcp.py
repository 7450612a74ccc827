"""Connections of "stream": accepted, served by the phases, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..http.engine import log_failure
from ..http.ports import AddressOf
from ..log import Severity
from ..stream.channel import TcpChannel
from ..stream.engine import conclude, run
from ..stream.ports import StreamPort
from ..stream.session import (
    BAD_REQUEST,
    SERVER_ERROR,
    SUCCESS,
    Status,
    StreamServer,
    StreamSession,
)
from .connection import ClientConnection
from .front_end import TIMED_OUT, FrontEnd
from .proxy_protocol import MAX_HEADER, BrokenHeader, read_header
from .stream_clients import StreamClient

HandOver = Callable[[str], "Callable[[], asyncio.Protocol] | None"]
READING_HEADER = "reading PROXY protocol"


class StreamConnection(TcpChannel):
    """A connection that has been accepted; `hand_over` finds what makes the protocols of another
    address that is listened on."""

    session: StreamSession

    def __init__(self, front: FrontEnd, port: StreamPort, number: int, hand_over: HandOver) -> None:
        super().__init__()
        self.front, self.port, self.number, self.hand_over = front, port, number, hand_over
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.task is not None:  # over TLS now
            return
        client = StreamClient(self, self.number)
        own, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not isinstance(own, tuple):
            own, peer = self.port.listen.host, None
        elif peer is None:  # its address is unknown
            transport.abort()
            return
        client.take_addresses(peer, own)
        address = self.port.address_of(own)
        self.session = StreamSession(client, self, address, self.front.deadline)
        self.session.note(_greeting(client, self.session.address))
        self.front.sessions.add(self)
        self.front.accepted += 1
        self.task = self.front.loop.create_task(self._serve(self.session))

    async def _serve(self, s: StreamSession) -> None:
        status = SERVER_ERROR
        try:
            status = await self._outcome(s)
        except asyncio.CancelledError:
            s.log(Severity.INFO, "shutdown timeout")
            status = SUCCESS
        except Exception as error:
            log_failure(s, error)
        finally:
            self._end(s, status)

    async def _outcome(self, s: StreamSession) -> Status:
        if s.address.listen.proxy_protocol:
            s.action = READING_HEADER
            status = await self._read_header(s)
            if status:
                return status
            s.action = "initializing session"
        return await run(s)

    async def _read_header(self, s: StreamSession) -> Status:
        """0 if there was one (ngx_stream_proxy_protocol_handler)."""
        try:
            async with asyncio.timeout(s.server.proxy_protocol_timeout):
                if not self.buffer:
                    await self.more()
        except TimeoutError:
            s.log(Severity.INFO, TIMED_OUT)
            return SUCCESS
        try:
            header, length = read_header(self.buffer[:MAX_HEADER])
        except BrokenHeader as error:
            if str(error):
                s.log(Severity.ERR, str(error))
            return BAD_REQUEST
        s.connection.proxy_protocol = header
        self.buffer = self.buffer[length:]
        return 0

    def _end(self, s: StreamSession, status: Status) -> None:
        self.front.sessions.discard(self)
        if s.passed_to:
            self._pass(s)
            return
        try:
            conclude(s, status)
        finally:
            self.abort() if self.unsent else self.close()

    def _pass(self, s: StreamSession) -> None:
        """The connection is another port's (ngx_stream_pass_handler)."""
        make = self.hand_over(s.passed_to)
        if make is None:
            s.log(Severity.ERR, f'port not found for "{s.passed_to}"')
            conclude(s, SUCCESS)
            self.close()
            return
        for clean_up in s.cleanups:
            clean_up()
        protocol: Any = make()
        self.transport.set_protocol(protocol)
        self.resume()
        protocol.connection_made(self.transport)
        if self.buffer:
            protocol.data_received(self.buffer)
        if self.closed:
            protocol.connection_lost(self.error)
        elif self.ended:
            protocol.eof_received()

    # -- what the front end asks of it -----------------------------------------------------

    def cut(self) -> None:
        """Ends at once: worker_shutdown_timeout is over."""
        if self.task is not None:
            self.task.cancel()


def _greeting(client: ClientConnection, address: AddressOf[StreamServer]) -> str:
    port = f":{client.remote_port}" if client.remote_port else ""
    host = client.remote_addr
    host = f"[{host}]" if port and ":" in host else host
    return f"client {host}{port} connected to {address.listen.text}"
