"""A client that is slower than the upstream: what waits for it, and where."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from ..applications import STDOUT, Call, end_request, record
from ..backend import Backend, Peer
from ..nginx import Conversation, Nginx
from .test_http2_floods import memory

BODY = bytes(range(256)) * 40960  # 10 MiB: more than the sockets hold


def start(nginx: Nginx, end: bytes = b"") -> Backend:
    """An upstream that sends all as fast as it is taken, then `end`, and closes."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(BODY) + len(end)))
        for at in range(0, len(BODY), 65536):
            peer.send(BODY[at : at + 65536])
        peer.send(end)

    return nginx.backend("b", script)


def ask(client: Conversation) -> None:
    client.wire.send(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    client.wire.exactly(1)


def body(client: Conversation) -> bytes:
    return client.wire.rest(60).partition(b"\r\n\r\n")[2]


def configuration(settings: str = "", prefix: str = "proxy", target: str = "http://") -> str:
    return (
        f"{prefix}_temp_path temp 1 2; {settings}"
        f"location / {{ {prefix}_pass {target}127.0.0.1:%%PORT_b%%; }}"
    )


@pytest.mark.parametrize(
    "settings", ["", "proxy_temp_file_write_size 1m; limit_rate 8m;", "proxy_buffers 4 256k;"]
)
def test_the_upstream_does_not_wait(nginx: Nginx, settings: str) -> None:
    """It has sent all before the client reads any of it."""
    backend = start(nginx, b"end")
    nginx(configuration(settings))
    with nginx.connect() as client:
        ask(client)
        backend.connections(1, 20)
        assert body(client) == BODY + b"end"
    nginx.wait_for_log(
        r"\[warn\] .*an upstream response is buffered to a temporary file \S+/temp/\d/\d\d/\d{10} "
        "while reading upstream, client"
    )
    assert not [x for x in (Path(nginx.prefix) / "temp").rglob("*") if x.is_file()]


def test_the_upstream_of_another_protocol_does_not_wait(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        Call(peer, "fastcgi").read_head()
        peer.send(record(STDOUT, b"\r\n"))
        for at in range(0, len(BODY), 32768):
            peer.send(record(STDOUT, BODY[at : at + 32768]))
        peer.send(record(STDOUT) + end_request())

    backend = nginx.backend("b", script)
    nginx(configuration(prefix="fastcgi", target=""))
    with nginx.connect() as client:
        client.wire.send(b"GET /x HTTP/1.0\r\n\r\n")
        client.wire.exactly(1)
        backend.connections(1, 20)
        assert body(client) == BODY


@pytest.mark.parametrize(
    "settings",
    [
        "proxy_max_temp_file_size 0;",
        "proxy_max_temp_file_size 1m;",
        "proxy_buffering off;",
        "proxy_max_temp_file_size 64k; limit_rate 20m;",
    ],
)
def test_the_upstream_waits(nginx: Nginx, settings: str) -> None:
    """Without a file, or when it is full, the upstream is as slow as the client."""
    backend = start(nginx)
    nginx(configuration(settings))
    with nginx.connect() as client:
        ask(client)
        assert backend.received == []  # it has not ended
        assert body(client) == BODY
    backend.connections(1)


def test_an_upstream_that_fails_meanwhile(nginx: Nginx) -> None:
    """What had come before is still delivered."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(BODY) + 1))
        for at in range(0, len(BODY), 65536):
            peer.send(BODY[at : at + 65536])

    backend = nginx.backend("b", script)
    nginx(configuration())
    with nginx.connect() as client:
        ask(client)
        backend.connections(1, 20)
        nginx.wait_for_log("upstream prematurely closed connection while reading upstream")
        assert body(client) == BODY


def test_a_client_that_leaves_meanwhile(nginx: Nginx) -> None:
    start(nginx)
    nginx(configuration("proxy_ignore_client_abort on;"))
    with nginx.connect() as client:
        ask(client)
    nginx.exchange("> GET /nowhere\n< 200")


def test_a_directory_that_cannot_be_used(nginx: Nginx) -> None:
    """The response goes no further than what the client has taken."""
    start(nginx)
    nginx(configuration())
    temp = Path(nginx.prefix) / "temp"
    for path in (temp, *temp.iterdir()):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    temp.write_text("in the way")
    with nginx.connect() as client:
        ask(client)
        nginx.wait_for_log(r"\[crit\] .*(mkdir|open)\(\) ")
        assert len(body(client)) < len(BODY)


def held_for_a_file(nginx: Nginx, settings: str) -> int:
    """Bytes for each of the clients that read nothing but the beginning of a file."""
    clients = 20
    nginx(
        f"location / {{ root html; output_buffers 2 8m; {settings} }}", main="worker_processes 1;"
    )
    nginx.write("html/f", BODY * 2)
    nginx.exchange("> HEAD /f\n< 200")
    before = memory(nginx)
    with ExitStack() as stack:
        for _ in range(clients):
            client = stack.enter_context(nginx.connect())
            client.wire.send(b"GET /f HTTP/1.0\r\n\r\n")
            client.wire.exactly(1)
        return (memory(nginx) - before) // clients


def test_output_buffers_are_not_used_with_sendfile(nginx: Nginx) -> None:
    assert held_for_a_file(nginx, "sendfile on;") < 1 << 20


@pytest.mark.nginx_differs("it holds as much as is configured")
def test_output_buffers_are_bounded(nginx: Nginx) -> None:
    assert held_for_a_file(nginx, "sendfile off;") < 3 << 20
