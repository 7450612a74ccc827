"""The upstream of one server: it keeps what it is asked, and answers by a script.

The server says by X-Case which connection of a client a request is made for.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from typing import cast

from .case import Script

CASE = re.compile(rb"\r\nX-Case: (\d+)\r\n")
LENGTH = re.compile(rb"\r\nContent-Length: *(\d+) *\r\n", re.I)
CHUNKED = re.compile(rb"\r\nTransfer-Encoding: *chunked *\r\n", re.I)
CODING = re.compile(r"transfer-encoding:", re.I)
VERDICT = re.compile(rb"\r\nX-Auth: ([^\r]*)\r\n")
PAUSE = 0.003  # seconds between pieces


@dataclass(slots=True)
class Visit:
    """What came for one connection of a client."""

    script: Script | None
    requests: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Recorder:
    """Listens on a port."""

    visits: dict[int, Visit] = field(default_factory=dict)  # by port of the client
    lost: Visit = field(default_factory=lambda: Visit(None))
    _server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", port, backlog=512)

    def stop(self) -> None:
        if self._server:
            self._server.close()


class _Peer(asyncio.Protocol):
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._read()

    def _read(self) -> None:
        while not self.busy and (size := _size(self.buffer)):
            request, self.buffer = self.buffer[:size], self.buffer[size:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        case = CASE.search(request)
        visit = self.recorder.visits.get(int(case[1]) if case else 0, self.recorder.lost)
        told = _told(request)
        visit.requests.append(told)
        if visit.script is None:
            self.transport.write(_plain(request, told))
        else:
            self.busy = True
            task = asyncio.get_running_loop().create_task(self._play(visit.script))
            task.add_done_callback(asyncio.Task.result)

    async def _play(self, script: Script) -> None:
        for number, piece in enumerate(script.pieces):
            if number:
                await asyncio.sleep(PAUSE)
            if self.transport.is_closing():
                return
            self.transport.write(piece)
        if script.end == "close":
            self.transport.close()
        elif script.end == "reset":
            self.transport.abort()
        self.busy = False
        self._read()


def _size(data: bytes) -> int:
    """The size of the first request, 0 if it has not come as a whole."""
    end = data.find(b"\r\n\r\n") + 4
    if end == 3:
        return 0
    head = data[:end]
    if length := LENGTH.search(head):
        end += int(length[1])
        return end if len(data) >= end else 0
    if CHUNKED.search(head):
        return _chunked(data, end)
    return end


def _chunked(data: bytes, place: int) -> int:
    while (line_end := data.find(b"\r\n", place)) >= 0:
        try:
            size = int(data[place:line_end].partition(b";")[0], 16)
        except ValueError:
            return len(data)
        if size == 0:
            end = data.find(b"\r\n\r\n", line_end)
            return end + 4 if end >= 0 else 0
        place = line_end + 2 + size + 2
    return 0


def _told(request: bytes) -> str:
    """The request in one line: its line, its fields by name, and a digest of its body.

    Whether a body that is passed on unbuffered is chunked depends on whether all of it has come.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    if CHUNKED.search(head + b"\r\n"):
        body = _unchunked(body)
    line, *fields = head.decode("latin-1").split("\r\n")
    if "/s/" in line or "/streamed/" in line:
        fields = [f"Content-Length: {len(body)}" if CODING.match(f) else f for f in fields]
    kept = sorted(name for name in fields if not name.startswith("X-Case: "))
    digest = hashlib.sha256(body).hexdigest()[:8]
    return f"{line} | {' | '.join(kept)} | {len(body)} {digest}"


def _unchunked(data: bytes) -> bytes:
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            return body + b"?" + line
        if size == 0:
            return body
        body, data = body + data[:size], data[size + 2 :]


def _plain(request: bytes, told: str) -> bytes:
    """The answer without a script: what was asked; X-Auth is the status of authorization."""
    line, method = request.partition(b"\r\n")[0], request.partition(b" ")[0]
    status = b"200 OK"
    if b" /auth" in line and (verdict := VERDICT.search(request)):
        status = verdict[1]
    body = told.encode("latin-1")
    if len(body) > 600:  # without a field of which a part would be missing
        body = body[:600].rpartition(b" | ")[0] or body[:600]
    head = b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + (b"" if method == b"HEAD" else body)
