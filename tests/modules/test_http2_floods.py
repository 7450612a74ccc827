"""What a client cannot make an HTTP/2 connection do: work without end, keep without end."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import write_block

from ..http2client import told
from ..nginx import Nginx
from ..wire import DEADLINE, ready

CONF = """
    http2 on;
    access_log logs/access.log;
    root html;
    location /ok { return 200 ok; }
    location /body { proxy_pass http://127.0.0.1:%%PORT_none%%; }
    """
OPENED = frames.PREFACE + frames.settings([])
MEGABYTE = 1 << 20
PING = frames.frame(frames.PING, 0, 0, b"12345678")
MOST = 64 * MEGABYTE  # bytes that are sent at the most
KEPT_OF_RESPONSE = 128 * 1024
KEPT = 24 * MEGABYTE  # bytes that a worker may grow by; what it keeps of a client is far less


def head(path: str = "/ok", method: str = "GET") -> bytes:
    return write_block(
        [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
    )


def stream(number: int, path: str = "/ok", *, end: bool = True) -> bytes:
    flags = frames.END_HEADERS | (frames.END_STREAM if end else 0)
    return frames.frame(frames.HEADERS, flags, number, head(path))


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(CONF, main="worker_processes 1;", files={"html/f": b"x" * (4 * MEGABYTE)})
    with module_nginx.http2() as client:  # there is a worker then
        client.request("GET /ok")
    return module_nginx


def flood(server: Nginx, first: bytes, more: bytes) -> str:
    """Sends until the server closes; the GOAWAY frame that came."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", server.port("")))
        client.sendall(OPENED + first)
        client.setblocking(False)
        got, sent, pending = b"", 0, b""
        with contextlib.suppress(ConnectionError):
            while sent < MOST:
                mask = ready(client, DEADLINE, EVENT_READ | EVENT_WRITE)
                assert mask, "neither reads nor closes"
                if mask & EVENT_READ:
                    data = client.recv(65536)
                    if not data:
                        break
                    got = (got + data)[-MEGABYTE:] if not _is_goaway(got) else got + data
                if mask & EVENT_WRITE:
                    pending = pending or more
                    size = client.send(pending)
                    pending, sent = pending[size:], sent + size
            else:
                pytest.fail("the server goes on")
        return _last(got)


def _is_goaway(data: bytes) -> bool:
    return frames.frame(frames.GOAWAY, 0, 0, bytes(8))[:5] in data


def _last(data: bytes) -> str:
    """The GOAWAY frame in what came, "" if it was lost with the connection."""
    at = data.rfind(frames.frame(frames.GOAWAY, 0, 0, bytes(8))[:9])
    return "" if at < 0 else told(data[at : at + 17])[0]


def memory(server: Nginx, kind: str = "VmRSS") -> int:
    """Bytes that the worker keeps in memory; VmHWM is the most that it has kept."""
    master = server.pid()
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    status = Path(f"/proc/{children[0] if children else master}/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) * 1024


def rapid_resets(count: int) -> bytes:
    return b"".join(
        stream(n, "/body", end=False) + frames.rst_stream(n, frames.CANCEL)
        for n in range(1, 2 * count, 2)
    )


# What is sent first, what again and again, and the GOAWAY frame, unless a reset takes it away.
FLOODS: dict[str, tuple[bytes, bytes, str]] = {
    "pings": (b"", PING * 1000, "GOAWAY 0 NO_ERROR"),
    "settings": (b"", frames.settings([(4, 65535)] * 50) * 20, "GOAWAY 0 NO_ERROR"),
    "unknown frames": (b"", frames.frame(77, 0, 0, bytes(1000)) * 20, "GOAWAY 0 NO_ERROR"),
    "empty continuations": (
        frames.frame(frames.HEADERS, 1, 1, head()[:4]),
        frames.frame(frames.CONTINUATION, 0, 1) * 1000,
        "GOAWAY 1 NO_ERROR",
    ),
    "continuations with fields": (
        frames.frame(frames.HEADERS, 1, 1, head()),
        frames.frame(frames.CONTINUATION, 0, 1, b"\0\1x\x40" + b"y" * 64) * 100,
        "GOAWAY 1 ENHANCE_YOUR_CALM",
    ),
    "a field that goes on": (
        frames.frame(frames.HEADERS, 1, 1, head()),
        frames.frame(frames.CONTINUATION, 0, 1, b"\0\1x\x7f\x80\x7f") * 100,
        "GOAWAY 1 ENHANCE_YOUR_CALM",
    ),
    "empty data": (
        stream(1, "/body", end=False),
        frames.frame(frames.DATA, 0, 1) * 1000,
        "GOAWAY 1 NO_ERROR",
    ),
    "padding": (
        stream(1, "/body", end=False),
        frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + bytes(255)) * 100,
        "GOAWAY 1 NO_ERROR",
    ),
    "priorities": (
        b"",
        frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0") * 200,
        "GOAWAY 0 ENHANCE_YOUR_CALM",
    ),
    "a block that expands": (
        frames.frame(frames.HEADERS, 1, 1, head() + b"\x40\1a\x7f\xa1\x1e" + b"v" * 4000),
        frames.frame(frames.CONTINUATION, 0, 1, b"\xbe" * 16384),
        "GOAWAY 1 ENHANCE_YOUR_CALM",
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods(server: Nginx, name: str) -> None:
    first, more, end = FLOODS[name]
    before = memory(server)
    assert flood(server, first, more) in (end, "")
    assert memory(server) - before < KEPT


def test_pings_of_a_client_that_does_not_read(server: Nginx) -> None:
    """Answers to it are not kept without end."""
    before = memory(server)
    with socket.create_connection(("127.0.0.1", server.port("")), 10) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(OPENED)
            for _ in range(500):
                client.sendall(PING * 1000)
        assert memory(server) - before < KEPT
        with contextlib.suppress(ConnectionError):
            while client.recv(65536):
                pass


def test_rapid_resets(server: Nginx) -> None:
    """Streams that are cancelled at once: few are served, then the connection ends."""
    before, served = memory(server), len(server.access_log())
    flood(server, rapid_resets(50000), PING)
    assert memory(server) - before < KEPT
    assert len(server.access_log()) - served < 2000


def test_streams_beyond_the_limit(server: Nginx) -> None:
    """128 are served, about as many are refused, and then the connection ends."""
    more = b"".join(stream(n, "/body", end=False) for n in range(1, 2000, 2))
    assert flood(server, more, PING) in ("GOAWAY 513 NO_ERROR", "GOAWAY 515 NO_ERROR")


@pytest.mark.parametrize("window", [0, 500])
def test_many_small_windows(server: Nginx, window: int) -> None:
    """What 128 large responses have to send is not read before it can be sent."""
    before = memory(server)
    requests = b"".join(stream(n, "/f") for n in range(1, 257, 2))
    with server.connect() as conversation:
        wire = conversation.wire
        wire.send(
            OPENED + frames.settings([(frames.INITIAL_WINDOW_SIZE, window)]) + requests + PING
        )
        wire.until(frames.frame(frames.PING, frames.ACK, 0, b"12345678"))
        assert memory(server) - before < 128 * KEPT_OF_RESPONSE


def test_many_requests_leave_nothing_behind(server: Nginx) -> None:
    with server.http2() as client:
        for _ in range(100):
            client.request("GET /ok")
    before = memory(server)
    for _ in range(20):
        requests = b"".join(stream(n) for n in range(1, 257, 2)) + PING
        with server.connect() as conversation:
            conversation.wire.send(OPENED + requests)
            conversation.wire.until(frames.frame(frames.PING, frames.ACK, 0, b"12345678"))
    assert memory(server) - before < KEPT // 4
    assert os.path.exists(f"/proc/{server.pid()}")
