"""A connection of a client, or what comes from one address by UDP, and the server it is for."""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Final, TypeVar

from ..conf.block import ConfBlock
from ..conf.directive import Conf
from ..http.client import Connection
from ..http.ports import AddressOf
from ..http.session import Session
from ..http.variables import VariableTable
from ..log import Log, Severity, errno_text
from .channel import Channel
from .relay import MakeDeadline

C = TypeVar("C", bound=Conf)
Status = int
StreamHandler = Callable[["StreamSession"], "Awaitable[Status | None] | Status | None"]
# With the place in the phase that each has on all servers.
Prereads = tuple[tuple[int, StreamHandler], ...]

# How sessions end (ngx_stream.h); handlers of phases that want to go on return None or OK.
SUCCESS, BAD_REQUEST, FORBIDDEN = 200, 400, 403
SERVER_ERROR, BAD_GATEWAY, UNAVAILABLE = 500, 502, 503
TIMED_OUT = f"connection timed out {errno_text(OSError(errno.ETIMEDOUT, ''))}"
AGAIN: Final = -2  # of a preread handler: it needs more of what the client sends


class StreamPhase(IntEnum):
    """nginx's phases that handlers can stand in, in their order."""

    POST_ACCEPT = 0
    PREACCESS = 1
    ACCESS = 2
    SSL = 3
    PREREAD = 4


class StreamServer:
    """A "server" block, as sessions need it; times are seconds."""

    __slots__ = (
        *("content", "handlers", "level", "log", "log_handlers", "name", "preread_buffer_size"),
        *("preread_timeout", "prereads", "proxy_protocol_timeout", "tcp_nodelay"),
    )

    name: str
    level: ConfBlock  # that it is made of
    log: Log
    handlers: dict[StreamPhase, tuple[StreamHandler, ...]]  # but for PREREAD
    prereads: Prereads
    content: StreamHandler | None
    log_handlers: tuple[Callable[[StreamSession], None], ...]
    preread_buffer_size: int
    preread_timeout: float
    proxy_protocol_timeout: float
    tcp_nodelay: bool


class StreamSession(Session):
    """What goes on between a client and a server, from the first byte to the line in a log.

    `action` says for the log what it does; `passed_to` is the address that goes on with the
    connection in its place.
    """

    def __init__(
        self,
        connection: Connection,
        channel: Channel,
        address: AddressOf[StreamServer],
        make_deadline: MakeDeadline,
    ) -> None:
        self.make_deadline = make_deadline
        self.connection, self.channel, self.address = connection, channel, address
        self.server: StreamServer = address.names.default
        self.variables: dict[str, str] = {}
        self.contexts: dict[Any, Any] = {}
        self.captures = None
        self.start = time.time()
        self.status: Status = 0
        self.action = "initializing session"
        self.upstream_states = []
        self.details: Callable[[], str] | None = None  # for the log, of a handler
        self.passed_to = ""
        self.was_preread = False  # handlers have seen what the client has sent
        self.preread_until: float | None = None  # of the loop's clock: when waiting for it ends

    @property
    def is_udp(self) -> bool:
        return self.channel.is_udp

    @property
    def error_log(self) -> Log:
        return self.server.log

    def conf(self, kind: type[C]) -> C:
        return self.server.level[kind]

    def log(self, level: Severity, text: str) -> None:
        log = self.server.log
        if log.level >= level:
            if level != Severity.DEBUG:
                doing = f" while {self.action}" if self.action else ""
                text = f"{text}{doing}{self._particulars()}"
            log.write(level, text, self.connection.number)

    def note(self, text: str) -> None:
        """Logs an event, and nothing but that."""
        log = self.server.log
        if log.level >= Severity.INFO:
            log.write(Severity.INFO, text, self.connection.number)

    def _particulars(self) -> str:
        """As ngx_stream_log_error appends them."""
        kind = "udp client" if self.is_udp else "client"
        text = f", {kind}: {self.connection.remote_addr}, server: {self.address.listen.text}"
        return text + (self.details() if self.details is not None else "")


class StreamVariables(VariableTable[StreamSession]):
    """Those of sessions of "stream"."""
