"""Both ends of UDP, for servers that pass datagrams on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .wire import DEADLINE

Answer = Callable[[bytes], Iterable[bytes]]


class Datagrams:
    """An upstream: answers each datagram with others; `received` has them with their senders."""

    def __init__(self, port: int, answer: Answer, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.received: list[tuple[bytes, int]] = []
        self._arrived = threading.Condition()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def wait_for(self, count: int, seconds: float = DEADLINE) -> list[bytes]:
        """What has come, once it is so much."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= count, seconds)
            return [data for data, _ in self.received]

    @property
    def senders(self) -> list[int]:
        """The ports from which they came, in their order."""
        with self._arrived:
            return [port for _, port in self.received]

    def _serve(self) -> None:
        while True:
            try:
                data, sender = self._socket.recvfrom(65536)
                if sender is None:  # shut down
                    return
                with self._arrived:
                    self.received.append((data, sender[1]))
                    self._arrived.notify_all()
                for answer in self.answer(data):
                    self._socket.sendto(answer, sender)
            except OSError:
                return


@contextmanager
def datagrams(port: int, answer: Answer = lambda data: [data]) -> Iterator[Datagrams]:
    """An upstream on a port; by default it sends back what it gets."""
    upstream = Datagrams(port, answer)
    try:
        yield upstream
    finally:
        upstream.close()


class UdpClient:
    """A client with an address of its own."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.socket.settimeout(DEADLINE)

    def __enter__(self) -> UdpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def receive(self) -> bytes:
        return self.socket.recv(65536)

    def ask(self, data: bytes) -> bytes:
        """Sends a datagram and waits for one."""
        self.send(data)
        return self.receive()

    @property
    def port(self) -> int:
        number: int = self.socket.getsockname()[1]
        return number
