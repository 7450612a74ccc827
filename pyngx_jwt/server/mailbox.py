"""How workers hand packets over to each other: datagrams of unix sockets in the abstract namespace.

Each worker has a mailbox with the name that its connection ids begin with. The one that reads a
UDP socket has another with a name of that socket: a worker that starts asks it to leave the socket,
and learns which clients are in the middle of a handshake.

Only processes of the same user can write to them; others are not listened to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from typing import Any, Protocol

from ..quic.ids import OWNER, owner_of

Address = tuple[Any, ...]
# Kinds of messages, and what follows them.
PACKET, TAKE, LEFT, RETURN = b"P", b"T", b"L", b"R"
AGAIN = 0.02  # seconds until the name of a socket is asked for again
TRIES = 250
LARGEST = 70000  # bytes of a message
_ROOT = 0
_PASS_CREDENTIALS, _CREDENTIALS, _COOKIE = 16, 2, 57  # as <asm-generic/socket.h> has them
_UCRED = struct.Struct("@iII")
HALF_OPEN = 1000  # clients that are remembered
IS_POSSIBLE = sys.platform == "linux"


class Reader(Protocol):
    """What reads a UDP socket."""

    def read(self) -> None:
        """Takes what comes to the socket."""

    def leave(self) -> list[bytes]:
        """Leaves it to another; the names of connections that do not name a worker yet."""

    def take_own(self, data: bytes, peer: Address, own: Address) -> None:
        """Takes a datagram that was handed over."""

    def settle(self) -> None:
        """All that was there has been taken."""


class Mailbox:
    """That of one reader, which is known as `owner`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: bytes, bound: socket.socket, reader: Reader
    ) -> None:
        self._loop, self._owner, self._reader = loop, owner, reader
        self._elsewhere: dict[bytes, bytes] = {}  # half-open connections, and whose they are
        self._before = self._after = b""  # who had the socket, and who has it
        self._own: socket.socket | None = None
        self._of_socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False
        if IS_POSSIBLE:
            cookie = bound.getsockopt(socket.SOL_SOCKET, _COOKIE, 8)
            self._socket_name = _name(b"socket " + cookie)
            self._own = self._open(_name(owner))
            self._ask(TRIES)

    def _open(self, name: bytes) -> socket.socket | None:
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        box.setblocking(False)
        box.setsockopt(socket.SOL_SOCKET, _PASS_CREDENTIALS, 1)
        try:
            box.bind(name)
        except OSError:
            box.close()
            return None
        self._loop.add_reader(box, self._readable, box)
        return box

    def _ask(self, tries: int) -> None:
        """Gets the name of the socket, which another may have to give up first."""
        self._timer = None
        self._of_socket = self._open(self._socket_name)
        if self._of_socket is None and tries:
            self._say(self._socket_name, TAKE + self._owner)
            self._timer = self._loop.call_later(AGAIN, self._ask, tries - 1)

    def _say(self, name: bytes, message: bytes) -> bool:
        if self._own is None:
            return False
        try:
            self._own.sendto(message, name)
        except BlockingIOError:  # it has more than it can read: the packet is lost
            return True
        except OSError:
            return False
        return True

    def hand_over(self, destination: bytes, data: bytes, peer: Address, own: Address) -> bool:
        """Passes a datagram on to whom its connection id names; False if there is nobody."""
        owner = self._elsewhere.get(destination) or owner_of(destination)
        if not owner or owner == self._owner:
            return False
        head = json.dumps((peer, own)).encode() + b"\n"
        return self._say(_name(owner), PACKET + head + data)

    # -- messages --------------------------------------------------------------------------

    def _readable(self, box: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                space = socket.CMSG_SPACE(_UCRED.size)
                message, ancillary, _, _ = box.recvmsg(LARGEST, space)
                if _is_ours(ancillary):
                    self._act(message[:1], message[1:])
                if box.fileno() < 0:  # closed by what it said
                    break
        self._reader.settle()

    def _act(self, kind: bytes, message: bytes) -> None:
        if kind == PACKET:
            head, _, data = message.partition(b"\n")
            peer, own = json.loads(head)
            self._reader.take_own(data, tuple(peer), tuple(own))
        elif kind == TAKE:
            self._after = message[:OWNER]
            self._close_of_socket()
            names = self._reader.leave()[:HALF_OPEN]
            parts = [bytes((len(name),)) + name for name in names]
            self._say(_name(self._after), LEFT + self._owner + b"".join(parts))
        elif kind == LEFT:
            self._before = message[:OWNER]
            self._learn(message[OWNER:])
        elif kind == RETURN and not self._retired:
            self._after = b""
            self._reader.read()
            if self._of_socket is None:
                self._ask(TRIES)

    def _learn(self, names: bytes) -> None:
        while names:
            end = 1 + names[0]
            self._elsewhere[names[1:end]] = self._before
            names = names[end:]

    def _close_of_socket(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._of_socket is not None:
            self._loop.remove_reader(self._of_socket)
            self._of_socket.close()
            self._of_socket = None

    def retire(self) -> None:
        """The reader begins no more connections.  If nobody follows, whoever was before may."""
        self._retired = True
        if self._before and not self._after:
            self._say(_name(self._before), RETURN)

    def close(self) -> None:
        """Nothing can be handed over any more."""
        self._close_of_socket()
        if self._own is not None:
            self._loop.remove_reader(self._own)
            self._own.close()
            self._own = None


def _name(of: bytes) -> bytes:
    return b"\0pyngx-quic-" + of.hex().encode()


def _is_ours(ancillary: list[tuple[int, int, bytes]]) -> bool:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _CREDENTIALS:
            user = _UCRED.unpack(data[: _UCRED.size])[1]
            return user in (os.geteuid(), _ROOT)
    return False
