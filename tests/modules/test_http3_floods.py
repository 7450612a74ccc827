"""What a client cannot make an HTTP/3 connection do: work without end, keep without end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from aioquic.quic.stream import QuicStreamSender

from pyngx_jwt.http2.strings import number, written
from pyngx_jwt.http3 import codes, frames

from ..http3client import Http3Client, headers, pseudo
from ..nginx import Nginx
from ..wire import DEADLINE, ready
from .test_http3 import FILES, QUIC, TLS

pytestmark = pytest.mark.needs("http_v3_module")

MEGABYTE = 1 << 20
KEPT = 40 * MEGABYTE  # bytes that a worker may grow by: what 128 streams may have to send
KEPT_OF_STREAM = 192 * 1024  # of which the buffer of the stream is a third
LARGE = headers(pseudo(path="/large"))
GET = headers(pseudo("GET", "/ok"))
CONF = """
    keepalive_requests 100000;
    location /ok { return 200 ok; }
    location /body { client_max_body_size 0; proxy_pass http://127.0.0.1:%%PORT_none%%; }
    location /large { root html; }
    """


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(
        CONF,
        http=TLS,
        main="worker_processes 1;",
        listen=QUIC,
        files={**FILES, "html/large": b"x" * (8 * MEGABYTE)},
    )
    with module_nginx.http3() as client:  # there is a worker then
        client.request("GET /ok")
    return module_nginx


def memory(nginx: Nginx) -> int:
    """The bytes that the worker holds."""
    children = Path(f"/proc/{nginx.pid()}/task/{nginx.pid()}/children").read_text().split()
    status = Path(f"/proc/{children[0]}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def end_of(server: Nginx, talk: Callable[[Http3Client], None]) -> tuple[int, str] | None:
    """How a connection ends on which a client does this; the worker has not grown, and serves."""
    with server.http3() as client:
        client.request("GET /ok")
        before = memory(server)
        with contextlib.suppress(ValueError, AssertionError):  # of a connection that is over
            talk(client)
        client.until(lambda: False, 0.1)
        grown, closed = memory(server) - before, client.closed
    assert grown < KEPT
    with server.http3() as client:
        assert client.request("GET /ok").body == b"ok"
    return closed


def opened_and_reset(client: Http3Client) -> None:
    quic = client.quic
    for count in range(1, 2000):
        stream = client.begin(GET[:-1])
        quic.reset_stream(stream, codes.REQUEST_CANCELLED)
        if not count % 50:  # as fast as the server allows more
            wanted = count + 50
            client.until(partial(has_room, client, wanted))
        if client.closed is not None:
            return


def has_room(client: Http3Client, streams: int) -> bool:
    return client.quic._remote_max_streams_bidi >= streams


def test_streams_that_are_opened_and_reset(server: Nginx) -> None:
    """Each costs a request that is not served; there are never more than the limit at a time."""
    assert end_of(server, opened_and_reset) is None


def empty_frames(client: Http3Client) -> None:
    stream = client.begin(headers(pseudo("POST", "/body")))
    for _ in range(1000):
        sender = client.quic._streams[stream].sender
        client.send(stream, frames.frame(0x21, b"") * 8000)
        client.until(partial(is_sent, sender), 5)
        if client.closed is not None:
            return


def is_sent(sender: QuicStreamSender) -> bool:
    return len(sender._buffer) < 65536


def test_frames_that_carry_nothing(server: Nginx) -> None:
    closed = end_of(server, empty_frames)
    assert closed is not None and closed[0] == codes.EXCESSIVE_LOAD


def long_entry(client: Http3Client) -> None:
    """An entry of 4000 bytes, and heads that refer to it as often as they can."""
    table = client.uni(codes.ENCODER, number(4096, 0x1F, 0x20))
    client.send(table, written("x", 0x1F, 0x40) + number(4000, 0x7F, 0) + b"!" * 4000)
    for _ in range(20):
        section = b"\x02\0" + b"\x80" * 60_000
        client.wait(client.begin(frames.frame(codes.HEADERS, section), end=True))


def test_heads_that_refer_to_a_long_entry(server: Nginx) -> None:
    """They are not expanded first: the limit of a head is that of what it says."""
    assert end_of(server, long_entry) is None


def blocked(client: Http3Client) -> None:
    for _ in range(128):
        client.begin(frames.frame(codes.HEADERS, b"\x02\0" + b"\xd1" * 1000))
    client.until(lambda: False, 0.5)


def test_streams_that_wait_for_the_table(server: Nginx) -> None:
    assert end_of(server, blocked) is None


def unread(client: Http3Client) -> None:
    """Requests for large files by a client that acknowledges nothing."""
    for _ in range(100):
        client.begin(LARGE, end=True)
    time.sleep(1)


def test_responses_that_are_not_taken(server: Nginx) -> None:
    assert end_of(server, unread) is None


def test_windows_that_stay_small(server: Nginx) -> None:
    """Of a response waits what fits into the buffer of its stream, and as much of its file."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.http3(max_stream_data=500)) for _ in range(3)]
        for client in clients:
            client.request("GET /ok")
        before = memory(server)
        for client in clients:
            numbers = [client.begin(LARGE, end=True) for _ in range(100)]
            client.until(lambda c=client, n=numbers: all(c.responses[x].body for x in n))  # type: ignore[misc]
        assert (memory(server) - before) / 300 < KEPT_OF_STREAM


def pings(client: Http3Client) -> None:
    for n in range(60_000):
        client.quic.send_ping(n)
        for data, address in client.quic.datagrams_to_send(time.monotonic()):
            client.socket.sendto(data, address)
        if not n % 50:
            client.until(lambda: False, 0.001)
            if client.closed is not None:
                return


@pytest.mark.pyngx_only("nginx counts bytes, and takes eight megabytes of them")
def test_packets_that_carry_nothing(server: Nginx) -> None:
    closed = end_of(server, pings)
    assert closed is None or closed[1] == "QUIC flood detected"


def test_too_many_requests(nginx: Nginx) -> None:
    nginx("keepalive_requests 2; location / { return 200 ok; }", http=TLS, listen=QUIC, files=FILES)
    with nginx.http3() as client:
        for _ in range(10):
            with contextlib.suppress(ValueError):
                client.begin(headers(pseudo()), end=True)
        assert client.wait_end() is not None


@pytest.mark.pyngx_only("nginx has the limit of worker_connections only")
def test_handshakes_that_do_not_go_on(server: Nginx) -> None:
    """When there are many, clients have to show that they are at their address."""
    before = memory(server)
    with ExitStack() as stack:
        for _ in range(700):
            client = stack.enter_context(server.http3(connect=False))
            client.quic.connect(client.server, time.monotonic())
            client.flush()
            assert ready(client.socket, DEADLINE)  # the server has taken it
            client.closed = 0, ""  # it says no more
        with server.http3() as client:
            assert client.quic._retry_count == 1
            assert client.request("GET /ok").body == b"ok"
        assert memory(server) - before < 2 * KEPT
