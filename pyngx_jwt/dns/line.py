"""A UDP socket that is connected to a name server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Hashable

from ..log import Log, Severity, errno_text
from .message import LARGEST_UDP
from .servers import Server

MOST_QUESTIONS = 16  # of one line: then another port is taken
_AT_ONCE = 32  # messages, then others have their turn


def while_resolving(server: Server, text: str) -> str:
    """What is logged of a server."""
    return f"{text} while resolving, resolver: {server.name}"


class Line:
    """Carries a few questions, from a port that the kernel chooses at random.

    It is closed with the last of them; `receive` gets what comes from the server.  Raises
    OSError."""

    __slots__ = ("_log", "_loop", "_receive", "_socket", "_used", "_users", "server")

    def __init__(self, server: Server, receive: Callable[[Line, bytes], None], log: Log) -> None:
        self.server, self._receive, self._log = server, receive, log
        self._users: set[Hashable] = set()
        self._used = 0
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(server.family, kind)
        try:
            self._socket.connect((server.host, server.port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._readable)

    @property
    def takes_more(self) -> bool:
        return self._used < MOST_QUESTIONS and self.is_open

    @property
    def is_open(self) -> bool:
        return self._socket.fileno() >= 0

    def send(self, user: Hashable, data: bytes) -> None:
        """Raises OSError."""
        if user not in self._users:
            self._users.add(user)
            self._used += 1
        self._socket.send(data)

    def leave(self, user: Hashable) -> None:
        """The user does not wait for anything any more."""
        self._users.discard(user)
        if not self._users:
            self.close()

    def close(self) -> None:
        if self.is_open:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(LARGEST_UDP)
            except BlockingIOError:
                return
            except OSError as error:
                text = f"recv() failed {errno_text(error)}"
                self._log.write(Severity.ERR, while_resolving(self.server, text))
                self.close()
                return
            self._receive(self, data)
            if not self.is_open:  # that was the last that somebody waited for
                return
