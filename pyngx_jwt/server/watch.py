"""Waits for sockets that the event loop has no transports for.

It is an epoll of our own, which the event loop waits for in turn: a socket costs one system call
to be waited for, none to be let go of, and no objects of the event loop.
"""

from __future__ import annotations

import asyncio
import select
from typing import Final

AVAILABLE: Final = hasattr(select, "epoll")
READABLE: Final = 1  # EPOLLIN
WRITABLE: Final = 4  # EPOLLOUT
EVENTS: Final = 512  # in a turn of the event loop


class Watched:
    """A socket that is waited for."""

    __slots__ = ()

    def happened(self, events: int) -> None:
        """It can be read or written, or has failed."""
        raise NotImplementedError

    def bury(self) -> None:
        """It was closed: its user has to know, and its descriptor to go."""
        raise NotImplementedError


class SocketWatch:
    """The sockets that a worker waits for."""

    __slots__ = ("_closed", "_epoll", "_is_due", "_loop", "_sockets")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._sockets: dict[int, Watched] = {}
        self._closed: list[Watched] = []
        self._is_due = False  # those that were closed will be buried
        loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, fd: int, socket: Watched, before: int, events: int) -> None:
        """Waits for other events than before; 0 is none."""
        if not before:
            self._sockets[fd] = socket
            self._epoll.register(fd, events)
        elif events:
            self._epoll.modify(fd, events)
        else:
            del self._sockets[fd]
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """The descriptor is about to be closed, of which the kernel takes note."""
        self._sockets.pop(fd, None)

    def closed(self, socket: Watched) -> None:
        """Buries a socket once what goes on now is over."""
        self._closed.append(socket)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.bury)

    def bury(self) -> None:
        """Buries the sockets that were closed."""
        while self._closed:
            closed, self._closed = self._closed, []
            for socket in closed:
                socket.bury()
        self._is_due = False

    def hold(self) -> None:
        """What comes now is followed by `bury`, which need not be scheduled."""
        self._is_due = True

    def failed(self, error: Exception) -> None:
        """A bug: it costs one connection."""
        context = {"message": "a connection failed", "exception": error}
        self._loop.call_exception_handler(context)

    def close(self) -> None:
        """No socket is left, and none will come."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _turn(self) -> None:
        sockets = self._sockets
        for fd, events in self._epoll.poll(0, EVENTS):
            socket = sockets.get(fd)
            if socket is not None:
                self.hold()
                try:
                    socket.happened(events)
                finally:
                    self.bury()
