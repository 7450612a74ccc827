"""The client's end of a stream session, as variables see it."""

from __future__ import annotations

from ..stream.channel import TcpChannel
from .connection import ClientConnection, tcp_info_of


class StreamClient(ClientConnection):
    """The client of a connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: TcpChannel, number: int) -> None:
        super().__init__(number)
        self._connection = connection

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def tcp_info(self) -> bytes:
        return tcp_info_of(self._connection.transport.get_extra_info("socket"))


class DatagramClient(ClientConnection):
    """The client of datagrams."""

    __slots__ = ("closed",)

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.closed = False

    def tcp_info(self) -> bytes:
        return b""
