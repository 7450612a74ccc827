"""Accepting connections."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path

import pytest
import uvloop

from pyngx_jwt.compile import Cycle, load
from pyngx_jwt.http.request import Request
from pyngx_jwt.log import Log
from pyngx_jwt.options import Options, resolve_options
from pyngx_jwt.server.front_end import FrontEnd
from pyngx_jwt.server.http1 import HttpProtocol
from pyngx_jwt.server.negotiate import listen

from ..authority import Authority

CONF = (
    "events {{ }} http {{ access_log off; server {{ listen 127.0.0.1:1{options}; return 200; }} }}"
)


def loaded(folder: Path, options: str) -> Cycle:
    authority = Authority("a")
    (folder / "pem").write_text(authority.pem + authority.key_pem())
    tls = "ssl_certificate pem; ssl_certificate_key pem;" if "ssl" in options else ""
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(options=options).replace("return", f"{tls} return"))
    return load(Options(*resolve_options(str(folder), str(conf), "stderr")), Log())


@pytest.mark.parametrize("options", ["", " ssl", " proxy_protocol"])
@pytest.mark.parametrize(("multi_accept", "fewest"), [(False, 8), (True, 32)])
def test_several_connections_are_accepted_in_a_turn_of_the_loop(
    tmp_path: Path, options: str, multi_accept: bool, fewest: int
) -> None:
    """One a turn would make new clients wait for as many turns, each of which serves all others."""
    cycle = loaded(tmp_path, options)
    bound = socket.create_server(("127.0.0.1", 0), backlog=64)

    async def run() -> int:
        front = FrontEnd(asyncio.get_running_loop(), count(1), multi_accept)
        listener = await listen(front, cycle.ports["127.0.0.1:1"], bound, ())
        clients = [socket.create_connection(bound.getsockname()) for _ in range(40)]
        counts = [0]
        while counts[-1] < len(clients):
            await asyncio.sleep(0)
            counts.append(len(front.connections) + len(front.handshakes))
        for client in clients:
            client.close()
        listener.close()
        return max(after - before for before, after in pairwise(counts))

    assert uvloop.run(run()) >= fewest


def test_a_worker_with_many_connections_accepts_more_of_them_in_a_turn() -> None:
    async def run() -> tuple[int, int]:
        front = FrontEnd(asyncio.get_running_loop(), count(1))
        before = front.accepts
        front.connections.update(Connected() for _ in range(100))
        return before, front.accepts

    assert uvloop.run(run()) == (8, 100)


class Connected:
    """A connection that idles."""

    requests = writing = reading = 0

    def current(self) -> Sequence[Request]:
        return ()

    def shut_down(self) -> None:
        """There is nothing to close."""

    def cut(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("other", ["", "server { listen 127.0.0.1:1; server_name b; }"])
def test_a_connection_that_has_ended_is_gone(tmp_path: Path, other: str) -> None:
    """It does not wait for the collector, as what refers to itself would, with all it holds."""
    conf = tmp_path / "nginx.conf"
    conf.write_text(CONF.format(options="").removesuffix("}") + other + "}")
    cycle = load(Options(*resolve_options(str(tmp_path), str(conf), "stderr")), Log())
    bound = socket.create_server(("127.0.0.1", 0))

    async def run() -> list[object]:
        loop = asyncio.get_running_loop()
        front = FrontEnd(loop, count(1))
        listener = await listen(front, cycle.ports["127.0.0.1:1"], bound, ())
        for last in (b"close", b"keep-alive"):
            client = socket.socket()
            client.setblocking(False)
            await loop.sock_connect(client, bound.getsockname())
            await loop.sock_sendall(
                client, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: " + last + b"\r\n\r\n"
            )
            assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200 ")
            client.close()
        while front.connections or front.accepted < 2:
            await asyncio.sleep(0)
        listener.close()
        await asyncio.sleep(0)
        return [each for each in gc.get_objects() if isinstance(each, HttpProtocol)]

    gc.collect()
    gc.disable()
    try:
        assert uvloop.run(run()) == []
    finally:
        gc.enable()


class Exhausted(socket.socket):
    """A listening socket that has no descriptor for the first connection."""

    failures = 1

    def _accept(self) -> tuple[int, object]:  # is called by accept(), and by us
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        taken: tuple[int, object] = super()._accept()  # type: ignore[misc]
        return taken


@pytest.mark.parametrize("options", ["", " proxy_protocol"])
def test_accepting_goes_on_when_there_are_descriptors_again(
    tmp_path: Path, options: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pyngx_jwt.server.accept.PAUSE", 0)
    cycle = loaded(tmp_path, options)
    bound = Exhausted(fileno=socket.create_server(("127.0.0.1", 0)).detach())

    async def run() -> None:
        front = FrontEnd(asyncio.get_running_loop(), count(1))
        listener = await listen(front, cycle.ports["127.0.0.1:1"], bound, ())
        with socket.create_connection(bound.getsockname()):
            while not (front.handshakes or front.connections):
                await asyncio.sleep(0)
        listener.close()

    uvloop.run(run())
    assert capfd.readouterr().err.count("accept4() failed (24: Too many open files)") == 1
