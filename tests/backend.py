"""An upstream that answers with scripted bytes, for what no nginx would send."""

from __future__ import annotations

import contextlib
import fcntl
import re
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .wire import DEADLINE, Wire

Script = Callable[["Peer"], None]


@dataclass(slots=True)
class Peer(Wire):
    """The upstream's end of one connection."""

    on_head: Callable[[], None] = lambda: None

    def head(self) -> str:
        """The next request head, with its empty line."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        self.on_head()
        return head

    def request(self) -> str:
        """The next request with its body as it was sent."""
        head = self.head()
        length = re.search(r"^content-length: (\d+)\r$", head, re.I | re.M)
        if length:
            return head + self.exactly(int(length[1])).decode("latin-1")
        if re.search(r"^transfer-encoding: chunked\r$", head, re.I | re.M):
            return head + self._raw_chunks().decode("latin-1")
        return head

    def wait_until_read(self) -> None:
        """Waits until the server has taken all that was sent from its kernel."""
        ends = (self.socket.getpeername(), self.socket.getsockname())
        line = re.compile(r" ".join(map(_in_proc, ends)) + r" .. \w{8}:(\w{8}) ")
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            on_the_way = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
            found = line.search(Path("/proc/net/tcp").read_text())
            assert found, f"no connection of {ends}"
            if not any(on_the_way) and int(found[1], 16) == 0:
                return
            time.sleep(0.01)
        raise AssertionError("it does not read")

    def reset(self) -> None:
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _raw_chunks(self) -> bytes:
        raw = b""
        while (size := self.until(b"\r\n")) != b"0\r\n":
            raw += size + self.exactly(int(size, 16) + 2)
        return raw + size + self.until(b"\r\n")


def _in_proc(address: tuple[str, int]) -> str:
    """An end of a connection as the lists of the kernel have it."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


@dataclass(slots=True)
class Backend:
    """Answers every connection by the next of its scripts, and further ones by the last.

    A script is bytes, sent after one request has been read, or a function of a ``Peer``.
    """

    listener: socket.socket
    scripts: tuple[bytes | Script, ...]
    accepted: int = 0  # connections so far
    failures: list[BaseException] = field(default_factory=list)
    _asked: int = 0  # request heads so far
    _received: dict[int, str] = field(default_factory=dict)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # ends accept()

    @property
    def received(self) -> list[str]:
        """All that came on each connection that has ended, in the order of their beginning."""
        with self._arrived:
            return [self._received[number] for number in sorted(self._received)]

    @property
    def asked(self) -> int:
        """How many request heads have come so far."""
        with self._arrived:
            return self._asked

    def wait_until_asked(self, count: int = 1, seconds: float = DEADLINE) -> None:
        """Waits until so many request heads have come in all."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._asked >= count, seconds), self._asked

    def _note_head(self) -> None:
        with self._arrived:
            self._asked += 1
            self._arrived.notify_all()

    def connections(self, count: int, seconds: float = DEADLINE) -> list[str]:
        """What came on each of the first connections, once they have ended."""
        with self._arrived:
            first = set(range(count))
            arrived = self._arrived.wait_for(lambda: first <= self._received.keys(), seconds)
            assert arrived, f"not {count} connections: {self._received}"
            return [self._received[number] for number in range(count)]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number, self.accepted = self.accepted, self.accepted + 1
            script = self.scripts[min(number, len(self.scripts) - 1)]
            arguments = (number, connection, script)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, number: int, connection: socket.socket, script: bytes | Script) -> None:
        peer = Peer(connection, on_head=self._note_head)
        try:
            if isinstance(script, bytes):
                peer.request()
                peer.send(script)
            else:
                script(peer)
        except (AssertionError, TimeoutError) as failure:
            self.failures.append(failure)
        except OSError:
            pass  # the server hung up, as some tests want it to
        finally:
            connection.close()
        with self._arrived:
            self._received[number] = peer.log.decode("latin-1")
            self._arrived.notify_all()
