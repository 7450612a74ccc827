"""What the client connections of a worker share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ..http.request import Request, Server
from ..http1.head_types import HeadOptions, head_options
from ..http1.response_head import DateClock
from ..zones.store import Counts
from .deadline import Deadline
from .watch import SocketWatch

TIMED_OUT = "client timed out (110: Connection timed out)"


ACCEPTS, MULTI_ACCEPTS = 8, 1024  # new connections of a socket in a turn of the event loop


class FrontConnection(Protocol):
    """A connection, whatever protocol it speaks."""

    requests: int

    @property
    def writing(self) -> int:
        """The requests that are being served or answered."""

    @property
    def reading(self) -> int:
        """The requests that have begun and cannot be served yet."""

    def current(self) -> Sequence[Request]:
        """The requests that are being served."""

    def shut_down(self) -> None:
        """Closes if it idles between requests; otherwise after the next one."""

    def cut(self) -> None:
        """Closes at once, whatever it does."""


class FrontSession(Protocol):
    """A session of "stream"."""

    def cut(self) -> None:
        """Closes at once, whatever it does."""


class FrontEnd:
    """What all connections of a worker share."""

    __slots__ = (
        "accepted",
        "arriving",
        "clock",
        "connections",
        "handshakes",
        "loop",
        "multi_accept",
        "numbers",
        "options",
        "requests_before",
        "sessions",
        "stopping",
        "watch",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, numbers: Iterator[int], multi_accept: bool = False
    ) -> None:
        self.loop = loop
        self.numbers = numbers
        self.multi_accept = multi_accept
        self.clock = DateClock()
        self.connections: set[FrontConnection] = set()
        self.arriving: set[asyncio.Task[Any]] = set()  # what is being accepted
        self.handshakes: set[Any] = set()  # what will be connections
        self.sessions: set[FrontSession] = set()  # of "stream"
        self.stopping = False
        self.accepted = 0
        self.requests_before = 0  # those of connections that have ended
        self.options: dict[Server, HeadOptions] = {}
        # of connections whose sockets we read and write ourselves
        self.watch: SocketWatch | None = None

    def deadline(self, expired: Callable[[], None]) -> Deadline:
        """One on the loop of the worker."""
        return Deadline(self.loop, expired)

    def sockets(self) -> SocketWatch:
        """What waits for sockets that have no transports of the event loop."""
        if self.watch is None:
            self.watch = SocketWatch(self.loop)
        return self.watch

    def close(self) -> None:
        """Gives back what waited for connections, unless the process ends with some of them."""
        if self.watch is not None and not self.connections:
            self.watch.close()
            self.watch = None

    @property
    def is_busy(self) -> bool:
        """Whether there are clients, or will be."""
        return bool(self.connections or self.arriving or self.handshakes or self.sessions)

    @property
    def accepts(self) -> int:
        """How many connections of a socket are accepted in a turn of the event loop.  A turn takes
        the longer the more connections there are, so then more are accepted in each."""
        return max(MULTI_ACCEPTS if self.multi_accept else ACCEPTS, len(self.connections))

    def options_of(self, server: Server) -> HeadOptions:
        """How a server wants request heads to be read."""
        options = self.options.get(server)
        if options is None:
            options = self.options[server] = head_options(server)
        return options

    def requests(self) -> Iterator[Request]:
        """Those that are being served now."""
        for connection in self.connections:
            yield from connection.current()

    def count(self) -> Counts:
        """The connections by what they do now."""
        writing = sum(c.writing for c in self.connections)
        reading = sum(c.reading for c in self.connections)
        busy = sum(1 for c in self.connections if c.writing or c.reading)
        active = len(self.connections) + len(self.handshakes)
        requests = sum(c.requests for c in self.connections)
        return Counts(
            active=active + len(self.sessions),
            reading=reading,
            writing=writing,
            waiting=active - busy,
            accepted=self.accepted + len(self.handshakes),
            requests=self.requests_before + requests + reading,
        )
