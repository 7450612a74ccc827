"""HTTP/1 read from a socket, strictly: what a careful client would refuse fails the test."""

from __future__ import annotations

import re
import selectors
import socket
import time
from dataclasses import dataclass, field

DEADLINE = 30.0  # seconds for one answer, and for all that a test waits for

Fields = tuple[tuple[str, str], ...]

STATUS_LINE = re.compile(r"HTTP/(\d\.\d) (\d{3})(?: (.*))?")
FIELD_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)")
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
WITHOUT_BODY = {204, 304}


def ready(sock: socket.socket, seconds: float, events: int = selectors.EVENT_READ) -> int:
    """Those of ``events`` for which the socket is ready within so many seconds.

    Of any descriptor: ``select.select`` refuses those from 1024 on.
    """
    with selectors.PollSelector() as selector:
        selector.register(sock, events)
        return sum(mask for _, mask in selector.select(max(seconds, 0)))


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; ``interim`` are the 1xx responses that came before it."""

    version: str
    status: int
    reason: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = ()
    interim: tuple[Answer, ...] = ()

    def all(self, name: str) -> list[str]:
        """The values of a field, whatever the case of its name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"repeated {name}: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode("latin-1")


@dataclass(slots=True)
class Wire:
    """The client's end of a connection: raw bytes and whole answers, with one deadline for each."""

    socket: socket.socket
    buffer: bytes = b""
    eof: bool = False
    was_reset: bool = False
    log: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()

    def rest(self, seconds: float = DEADLINE) -> bytes:
        """Everything until the server closes."""
        deadline = time.monotonic() + seconds
        while self._more(deadline):
            pass
        return self._take(len(self.buffer))

    def until(self, mark: bytes, seconds: float = DEADLINE) -> bytes:
        """Everything up to the mark, mark included."""
        deadline = time.monotonic() + seconds
        while mark not in self.buffer:
            assert self._more(deadline), f"closed before {mark!r}: {bytes(self.log)!r}"
        return self._take(self.buffer.index(mark) + len(mark))

    def exactly(self, size: int, seconds: float = DEADLINE) -> bytes:
        deadline = time.monotonic() + seconds
        while len(self.buffer) < size:
            assert self._more(deadline), f"closed before {size} bytes: {bytes(self.log)!r}"
        return self._take(size)

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes, not even the end, for so long."""
        if self.buffer or self.eof:
            return False
        try:
            self._more(time.monotonic() + seconds)
        except TimeoutError:
            return True
        return False

    def closed(self, seconds: float = DEADLINE) -> bool:
        """Whether the server closes without another byte."""
        return not self.buffer and not self._more(time.monotonic() + seconds)

    def answer(self, method: str = "GET") -> Answer | None:
        """The next final response, or None if the server closed instead of answering."""
        interim: list[Answer] = []
        while (head := self._head()) is not None:
            if head.status >= 200 or head.status == 101:
                body, trailers = self._body(head, method)
                parts = (head.version, head.status, head.reason, head.fields)
                return Answer(*parts, body, trailers, tuple(interim))
            interim.append(head)
        assert not interim, "closed after an interim response"
        return None

    def _head(self) -> Answer | None:
        if not self.buffer and not self._more(time.monotonic() + DEADLINE):
            return None
        lines = _lines(self.until(b"\r\n\r\n")[:-4])
        status_line = STATUS_LINE.fullmatch(lines[0])
        assert status_line, f"bad status line: {lines[0]!r}"
        version, status, reason = status_line.groups()
        return Answer(version, int(status), reason or "", _fields(lines[1:]))

    def _body(self, head: Answer, method: str) -> tuple[bytes, Fields]:
        length, coding = head.get("Content-Length"), head.get("Transfer-Encoding")
        assert not (length and coding), "Content-Length and Transfer-Encoding"
        if method == "HEAD" or head.status in WITHOUT_BODY or head.status == 101:
            return b"", ()
        if coding:
            assert (coding, head.version) == ("chunked", "1.1"), coding
            return self._chunked()
        if length:
            assert re.fullmatch(r"\d+", length), length
            return self.exactly(int(length)), ()
        assert head.get("Connection") != "keep-alive", "the end of the body cannot be found"
        return self.rest(), ()

    def _chunked(self) -> tuple[bytes, Fields]:
        chunks: list[bytes] = []
        while True:
            size = self.until(b"\r\n")[:-2]
            assert CHUNK_SIZE.fullmatch(size), f"bad chunk size: {size!r}"
            if int(size, 16) == 0:
                return b"".join(chunks), self._trailers()
            chunks.append(self.exactly(int(size, 16)))
            assert self.exactly(2) == b"\r\n", "chunk longer than its size"

    def _trailers(self) -> Fields:
        lines: list[str] = []
        while line := self.until(b"\r\n")[:-2]:
            lines.append(line.decode("latin-1"))
        return _fields(lines)

    def _more(self, deadline: float) -> bool:
        """Reads once; False at the end."""
        if self.eof:
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"waited in vain, received {bytes(self.log)!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise TimeoutError(f"waited in vain, received {bytes(self.log)!r}") from None
        except ConnectionResetError:
            data, self.was_reset = b"", True
        self.eof = not data
        self.buffer += data
        self.log += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken


def _lines(head: bytes) -> list[str]:
    lines = head.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), f"odd line ends: {head!r}"
    return [line.decode("latin-1") for line in lines]


def _fields(lines: list[str]) -> Fields:
    fields: list[tuple[str, str]] = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        assert match, f"bad field line: {line!r}"
        fields.append((match[1], match[2]))
    return tuple(fields)
