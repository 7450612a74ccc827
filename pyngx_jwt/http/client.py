"""The client of a request, as the request sees it: its connection, and the body it sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class ForeignTls:
    """TLS that is not ours, as far as variables ask for it."""

    version = ""
    cipher = ""
    curve = ""
    sigalg = ""
    peer_sigalg = ""
    alpn = ""
    host = ""
    status_error = ""
    ciphers: Sequence[str] = ()
    curves: Sequence[str] = ()
    sigalgs: Sequence[str] = ()
    is_resumed = False
    is_early = False
    session_id = b""
    verify_error = 0
    peer = None
    context = None


class Connection(Protocol):
    """What a request wants to know of its client connection."""

    number: int
    requests: int
    remote_addr: str
    remote_port: str
    binary_remote_addr: bytes
    server_addr: str
    server_port: str
    proxy_protocol: Any
    ssl: Any
    sni: str
    start: float
    sent: int

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""

    def tcp_info(self) -> bytes:
        """The kernel's struct tcp_info about the connection, b"" where there is none."""


class TunnelSide(Protocol):
    """What gets the client's bytes once they are no requests any more."""

    def client_data(self, data: bytes) -> None:
        """The client has sent something."""

    def client_eof(self) -> None:
        """The client sends no more."""

    def client_closed(self) -> None:
        """The client is gone."""


class Tunnel(Protocol):
    """A client's connection as a way for the bytes of another protocol."""

    def start_tunnel(self, side: TunnelSide) -> None:
        """From now on the client's bytes go to `side`."""

    def stop_tunnel(self) -> None:
        """The connection is to end."""

    def pause_reading(self) -> None:
        """Leaves the client's bytes with the kernel."""

    def resume_reading(self) -> None:
        """Takes them again."""


class RequestBody(Protocol):
    """The request body as it arrives."""

    received: int  # bytes of body taken from the client so far
    complete: bool

    @property
    def consumed(self) -> int:
        """Bytes that were read of the body as they came, in their framing."""

    @property
    def failed(self) -> int:
        """The status for a body that cannot be had, 0 if nothing is wrong with it."""

    async def read(self) -> bytes:
        """The next bytes, b"" at the end; raises BodyError."""

    def at_hand(self) -> bytes:
        """What has come and was not read yet."""

    def expect_all(self) -> None:
        """The whole body will be kept: the client need not be slowed down."""


class BodyError(Exception):
    """The request body cannot be had: the status that answers it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
