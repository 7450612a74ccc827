"""Sockets that are read and written without a transport of the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from pyngx_jwt.server.sockets import SocketTransport
from pyngx_jwt.server.watch import SocketWatch

MANY = b"x" * (8 << 20)  # bytes that the kernel does not take at once


class Noting:
    """A protocol that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.keeps_open = False
        self.news = asyncio.Event()

    def note(self, what: Any) -> None:
        self.seen.append(what)
        self.news.set()

    def data_received(self, data: bytes) -> None:
        if data == b"fail":
            raise ValueError("a bug")
        self.note(data)

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.note("paused")

    def resume_writing(self) -> None:
        self.note("resumed")

    def connection_lost(self, error: Exception | None) -> None:
        self.note(type(error) if error else "lost")

    async def sees(self, what: Any) -> None:
        """Waits for it."""
        while what not in self.seen:
            self.news.clear()
            await self.news.wait()


def test_the_watch_is_closed() -> None:
    """Its descriptor is given back: a process without a master serves on after a reload."""

    async def play() -> None:
        before = len(os.listdir("/proc/self/fd"))
        watch = SocketWatch(asyncio.get_running_loop())
        assert len(os.listdir("/proc/self/fd")) == before + 1
        watch.close()
        assert len(os.listdir("/proc/self/fd")) == before

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())


Play = Callable[[SocketTransport, Noting, socket.socket], Awaitable[None]]


def played(play: Play, errors: list[str] | None = None) -> list[Any]:
    """What a protocol has seen."""

    async def run() -> list[Any]:
        loop = asyncio.get_running_loop()
        if errors is not None:
            loop.set_exception_handler(lambda _, context: errors.append(context["message"]))
        ours, client = socket.socketpair()
        client.setblocking(False)
        fd = ours.detach()
        os.set_blocking(fd, False)
        protocol = Noting()
        transport = SocketTransport(SocketWatch(loop), fd, socket.AF_UNIX, "")
        transport.set_protocol(protocol)
        transport.wait()
        with client:
            await asyncio.wait_for(play(transport, protocol, client), 30)
        return protocol.seen

    return uvloop.run(run())


async def drained(client: socket.socket) -> int:
    """Reads to the end; how much there was."""
    loop, total = asyncio.get_running_loop(), 0
    while data := await loop.sock_recv(client, 1 << 20):
        total += len(data)
    return total


def test_reads_and_closes() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        client.send(b"a")
        await protocol.sees(b"a")
        transport.write(b"b")
        transport.close()
        assert transport.is_closing()
        assert protocol.seen == [b"a"]  # not before what goes on is over
        await protocol.sees("lost")
        assert client.recv(10) == b"b" and client.recv(10) == b""

    assert played(play) == [b"a", "lost"]


def test_what_the_kernel_does_not_take_is_sent_later() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        transport.set_write_buffer_limits(1)
        transport.write(MANY)
        transport.write(b"y")
        assert 0 < transport.get_write_buffer_size() <= len(MANY) + 1
        transport.close()
        assert await drained(client) == len(MANY) + 1
        await protocol.sees("lost")

    assert played(play) == ["paused", "resumed", "lost"]


def test_the_end_of_what_is_sent_comes_after_it() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        transport.write(MANY)
        transport.write_eof()
        assert await drained(client) == len(MANY)
        client.send(b"more")
        await protocol.sees(b"more")
        transport.abort()
        await protocol.sees("lost")

    assert played(play) == ["paused", "resumed", b"more", "lost"]


def test_a_client_that_sends_no_more_can_be_answered() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        protocol.keeps_open = True
        client.shutdown(socket.SHUT_WR)
        await protocol.sees("eof")
        transport.write(b"answer")
        assert client.recv(10) == b"answer"
        transport.close()
        await protocol.sees("lost")

    assert played(play) == ["eof", "lost"]


def test_a_client_that_leaves_ends_it() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        client.close()
        await protocol.sees("lost")

    assert played(play) == ["eof", "lost"]


def test_nothing_is_read_while_reading_is_paused() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        transport.pause_reading()
        client.send(b"a")
        for _ in range(5):
            await asyncio.sleep(0)
        assert protocol.seen == []
        transport.resume_reading()
        await protocol.sees(b"a")
        transport.abort()
        await protocol.sees("lost")

    played(play)


def test_writing_to_a_client_that_has_left_is_an_error() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        transport.pause_reading()
        client.close()
        transport.write(b"a")
        transport.write(b"b")
        await protocol.sees(BrokenPipeError)

    assert played(play) == [BrokenPipeError]


def test_a_bug_costs_one_connection_and_is_reported() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        client.send(b"fail")
        await protocol.sees("lost")

    errors: list[str] = []
    assert played(play, errors) == ["lost"]
    assert errors == ["a connection failed"]


def test_the_descriptor_is_closed_once_also_if_the_socket_was_asked_for() -> None:
    async def play(transport: SocketTransport, protocol: Noting, client: socket.socket) -> None:
        asked = transport.get_extra_info("socket")
        assert asked.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        transport.abort()
        await protocol.sees("lost")
        assert asked.fileno() == -1
        assert transport.get_extra_info("socket") is None

    played(play)
