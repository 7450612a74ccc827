"""The resolver by itself: what it remembers, what it holds, and what hostile servers cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers

from pyngx_jwt.dns import NameServers, ResolveError, Server, client, resolver
from pyngx_jwt.dns.errors import TIMED_OUT
from pyngx_jwt.dns.message import A, BadMessage, Question, Reader, query, read_head
from pyngx_jwt.dns.resolver import Entry, Known, Resolver
from pyngx_jwt.log import Log
from tests.nameserver import NameServer, Raw, Slow, records
from tests.ports import free_port
from tests.wire import DEADLINE

T = TypeVar("T")
HERE = records("127.0.0.1")


@pytest.fixture
def server() -> Iterator[NameServer]:
    one = NameServer(free_port(), {})
    one.start()
    yield one
    one.stop()


def asking(server: NameServer, act: Callable[[Resolver], Awaitable[T]]) -> T:
    """Runs with a resolver, and sees that it has left no sockets."""
    host = Server(f"127.0.0.1:{server.port}", "127.0.0.1", server.port, socket.AF_INET)

    async def run() -> T:
        before = sockets()
        found = await act(Resolver(NameServers((), (host,), ipv6=False), Log()))
        async with asyncio.timeout(DEADLINE):  # the server, in a thread, may still have one
            while sockets() != before:
                await asyncio.sleep(0.01)
        return found

    return asyncio.run(run())


def sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed by a thread in the meantime
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found


async def failure(found: Awaitable[object]) -> int:
    with pytest.raises(ResolveError) as caught:
        await found
    return caught.value.code


def test_no_socket_stays_open(server: NameServer) -> None:
    server.zone.update({"a.example": HERE, "silent.example": None})

    async def act(one: Resolver) -> None:
        assert (await one.resolve("a.example", 0)).found == ("127.0.0.1",)
        assert await failure(one.resolve("silent.example", 0.05)) == TIMED_OUT
        waiting = asyncio.ensure_future(one.resolve("silent.example", 0))
        await asyncio.to_thread(server.wait_until_asked, "A silent.example", 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.01)

    asking(server, act)


def test_many_questions_share_sockets(server: NameServer) -> None:
    go = threading.Event()
    server.zone.update({f"{n}.example": Slow(HERE, go) for n in range(100)})

    async def act(one: Resolver) -> None:
        before = len(sockets())
        asked = [asyncio.ensure_future(one.resolve(f"{n}.example", 60)) for n in range(100)]
        await asyncio.to_thread(server.wait_until_asked, "A 99.example")
        assert len(sockets()) - before <= 8
        go.set()
        assert {found.found for found in await asyncio.gather(*asked)} == {("127.0.0.1",)}

    asking(server, act)
    assert len(server.sources) > 3


def test_a_dripping_server_has_no_more_time_than_a_silent_one(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TCP_TIMEOUT", 0.2)
    server.drip = 0.05
    server.zone["a.example"] = records(*[f"127.0.0.{n}" for n in range(100)], truncated=True)

    async def act(one: Resolver) -> None:
        waiting = asyncio.ensure_future(one.resolve("a.example", 0))
        await asyncio.to_thread(server.wait_until_asked, "TCP A a.example")
        busy = [task for task in asyncio.all_tasks() if "_exchange" in str(task.get_coro())]
        assert len(busy) == 1
        await busy[0]
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait((waiting,))
        await asyncio.sleep(0.01)

    asking(server, act)


def test_a_lying_server_takes_no_memory(server: NameServer) -> None:
    sent = 0

    def flood(data: bytes) -> list[bytes]:
        nonlocal sent
        sent += 1
        return [bytes((n & 255, n >> 8)) + data[2:3] + b"\x80" + data[4:] for n in range(500)]

    server.zone["a.example"] = Raw(flood)

    async def act(one: Resolver) -> None:
        for number in range(3):
            if number == 1:
                tracemalloc.start()
            await failure(one.resolve("a.example", 0.2))
        size, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 200_000 and peak < 2_000_000

    asking(server, act)
    assert sent == 3


def test_a_lying_server_over_tcp(server: NameServer) -> None:
    """It has a few messages, and no more."""
    answered: list[object] = []

    def lie(data: bytes) -> list[bytes]:
        truncated = data[:2] + b"\x82\0" + data[4:]
        return [b"x" * 60000] * 1000 if answered else [truncated]

    server.zone["a.example"] = Raw(lie)

    async def act(one: Resolver) -> None:
        real = one._client._read

        def read(source: object, *args: Any) -> None:
            answered.append(source)
            real(source, *args)  # type: ignore[arg-type]

        one._client._read = read  # type: ignore[method-assign,assignment]
        await failure(one.resolve("a.example", 1))

    asking(server, act)
    assert len(answered) == 1 + client.MOST_MESSAGES


def test_huge_answers(server: NameServer) -> None:
    many = [f"10.{n >> 8}.{n & 255}.1" for n in range(4000)]
    server.zone["a.example"] = records(*many, truncated=True)

    async def act(one: Resolver) -> None:
        assert len((await one.resolve("a.example", 20)).found) == 4000

    asking(server, act)


def test_what_is_remembered_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MOST_KNOWN", 100)
    known, forever = Known(), 1 << 40
    for number in range(1000):
        known.put(Question(f"{number}.example", A), Entry(forever, ("127.0.0.1",) * 9))
        assert known.size <= 100
    assert known.get(Question("999.example", A)) and known.get(Question("990.example", A))
    assert known.get(Question("989.example", A)) is None
    known.put(Question("big.example", A), Entry(forever, ("127.0.0.1",) * 999))
    assert known.get(Question("big.example", A)) and known.size == 1000
    known.put(Question("big.example", A), Entry(forever))
    assert known.size == 1


def test_what_is_not_used_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    known = Known()
    for number in range(5):
        known.put(Question(f"{number}", A), Entry(2000))
    now += 20
    assert known.get(Question("0", A))
    now += 20
    known.put(Question("5", A), Entry(1045))
    assert known.size == 4 and known.get(Question("0", A)) and not known.get(Question("1", A))
    now += 6
    assert not known.get(Question("5", A))  # it is not valid any more


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_cut_messages(length: int) -> None:
    """Every piece of an answer is an error, and not a crash."""
    asked = Question("a.example", A)
    data = bytearray(query(asked, 1) + b"\xc0\x0c\0\1\0\1\0\0\0\7\0\4\x7f\0\0\1")
    data[2:4], data[6:8] = b"\x80\0", b"\0\1"

    def read(message: bytes) -> tuple[str, ...]:
        reader = Reader(message, read_head(message))
        return reader.response(reader.question()).addresses

    assert read(bytes(data)) == ("127.0.0.1",)
    with pytest.raises(BadMessage):
        read(bytes(data[: len(data) * length // 60]))


@given(data=binary(max_size=600), head=integers(0, 65535))
def test_any_bytes(data: bytes, head: int) -> None:
    """They are a message or a BadMessage, whatever comes after the question."""
    asked = Question("a.example", A)
    message = bytearray(query(asked, 1) + data)
    message[2:4], message[6:8] = b"\x80\0", head.to_bytes(2, "big")
    for text in (data, bytes(message)):
        try:
            reader = Reader(text, read_head(text))
            reader.response(reader.question())
        except BadMessage:
            pass
