"""Exchanges over real sockets with servers that follow a script."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from pyngx_jwt.upstream import (
    BadResponse,
    PeerConnection,
    PeerSettings,
    PrematureClose,
    ReadTimeout,
    SendTimeout,
    connect,
)

from .peers import (
    ADDRESS,
    GET,
    Transport,
    answering,
    closing,
    connected,
    read_all,
    read_request,
    run,
    served,
)

SETTINGS = PeerSettings()
HASTY = PeerSettings(send_timeout=0.05, read_timeout=0.05)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = b"x" * 2**20


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads what comes and says nothing."""
    await reader.read()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Does not even read, until the other end goes."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


def test_one_exchange_after_the_other() -> None:
    chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"

    async def main() -> None:
        async with served(answering(OK, chunked, OK)) as server:
            connection = await connect(server.address, SETTINGS)
            found = []
            for _ in range(3):
                connection.begin(GET, SETTINGS)
                response = await connection.receive()
                assert connection.reusable
                found.append((response.status, response.body, connection.bytes_received))
            connection.close()
            assert found == [
                (200, b"ok", len(OK)),
                (201, b"hi", len(chunked)),
                (200, b"ok", len(OK)),
            ]
            assert (server.connections, connection.requests) == (1, 3)

    run(main())


def test_a_body_that_comes_later() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        await read_request(reader)  # the client says that it has the head
        writer.write(b"bo")
        await read_request(reader)
        writer.write(b"dy")
        await reader.read()

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            assert (await connection.receive()).body is None
            pieces = []
            for _ in range(2):
                assert not connection.reusable
                connection.write(GET, more=False)
                pieces.append(await connection.read())
            assert pieces == [b"bo", b"dy"]
            assert await connection.read() is None
            assert connection.reusable
            connection.close()

    run(main())


def test_a_large_body_is_held_back() -> None:
    size, buffers, read_at_once = 50 * 2**20, 32768, 256 * 1024

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(MEGABYTE)):
            writer.write(MEGABYTE)
            await writer.drain()
        await reader.read()

    async def main() -> None:
        async with served(script) as server:
            settings = PeerSettings(buffers=buffers)
            connection = await connect(server.address, settings)
            connection.begin(GET, settings)
            await connection.receive()
            most = total = 0
            while (piece := await connection.read()) is not None:
                total += len(piece)
                most = max(most, len(piece))
                for _ in range(10):  # while the server goes on sending
                    await asyncio.sleep(0)
            assert total == size
            assert most <= buffers + read_at_once
            assert connection.reusable
            connection.close()

    run(main())


def test_a_request_body_is_held_back_until_the_server_reads() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.readexactly(100_000_000)
        writer.write(OK)
        await reader.read()

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(POST, SETTINGS, more=True)
            for _ in range(100):
                assert not connection.answered
                connection.write(b"x" * 1_000_000)
                await connection.drain()
            assert not connection.reusable
            connection.write(b"", more=False)
            assert await read_all(connection) == b"ok"
            assert connection.reusable
            connection.close()

    run(main())


def test_sending_stops_when_the_answer_begins() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(POST, SETTINGS, more=True)
            while not connection.answered:
                connection.write(MEGABYTE)
                await connection.drain()
            assert (await connection.receive()).status == 413
            assert not connection.reusable
            connection.close()

    run(main())


def test_a_server_that_hangs_up_while_we_send() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(POST, SETTINGS, more=True)
            while not connection.answered:
                connection.write(MEGABYTE)
                await connection.drain()
            with pytest.raises(PrematureClose):
                await connection.receive()
            connection.write(b"is not sent")
            await connection.drain()
            connection.close()

    run(main())


def test_early_hints_are_handed_out() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def main() -> None:
        async with served(answering(hints + hints + OK)) as server:
            connection = await connect(server.address, SETTINGS)
            found: list[Any] = []
            connection.on_early_hints = found.append
            connection.begin(GET, SETTINGS)
            assert (await connection.receive()).status == 200
            assert [hints.headers for hints in found] == [[("Link", "</a>")], [("Link", "</a>")]]
            connection.close()

    run(main())


def test_upgrade_is_raw_both_ways() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nfirst")
        while data := await reader.read(100):
            writer.write(data.upper())

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            response = await connection.receive()
            assert (response.status, response.body) == (101, None)
            assert await connection.read() == b"first"
            reading = asyncio.create_task(connection.read())
            connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await connection.drain()
            assert await reading == b"HTTP/1.1 200 OK\r\n\r\n".upper()
            connection.close()
            await server.ended.get()

    run(main())


def test_an_upgraded_connection_is_idle_if_both_sides_are() -> None:
    async def main() -> None:
        clock = Clock(asyncio.get_running_loop())
        connection = PeerConnection(clock, ADDRESS)  # type: ignore[arg-type]
        connection.connection_made(Transport())
        connection.begin(GET, SETTINGS)
        connection.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        reading = asyncio.ensure_future(connection.read())
        for _ in range(5):
            await clock.advance(SETTINGS.read_timeout - 1)
            assert not reading.done()
            connection.write(b"x")
        await clock.advance(SETTINGS.read_timeout)
        with pytest.raises(ReadTimeout):
            await reading

    run(main())


def test_the_end_of_an_upgraded_connection() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\nlast"

    async def main() -> None:
        async with served(closing(answer)) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            assert await read_all(connection) == b"last"
            assert connection.closed
            connection.close()

    run(main())


def test_an_answer_before_the_request() -> None:
    async def main() -> None:
        connection, transport = connected()
        connection.data_received(OK)
        connection.begin(GET, SETTINGS)
        assert (await connection.receive()).body == b"ok"
        assert transport.written == GET

    run(main())


def test_an_answer_that_was_not_asked_for_spoils_the_connection() -> None:
    async def main() -> None:
        connection, _ = connected()
        connection.begin(GET, SETTINGS)
        connection.data_received(OK)
        assert connection.reusable
        connection.data_received(OK)
        assert not connection.reusable

    run(main())


def test_reset() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    async def main() -> None:
        async with served(script) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            with pytest.raises(PrematureClose, match=r"recv\(\) failed \(104: Connection reset"):
                await connection.receive()
            connection.close()

    run(main())


def test_a_reset_is_no_end_of_a_body() -> None:
    async def main() -> None:
        connection, _ = connected()
        connection.begin(GET, SETTINGS)
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nbody")
        connection.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
        assert await connection.read() == b"body"
        with pytest.raises(PrematureClose, match=r"recv\(\) failed"):
            await connection.read()

    run(main())


def test_not_reusable_while_something_is_unread() -> None:
    async def main() -> None:
        connection, _ = connected()
        connection.begin(GET, SETTINGS)
        connection.data_received(OK[:-2])
        connection.data_received(OK[-2:])
        assert not connection.reusable
        assert await connection.read() == b"ok"
        assert connection.reusable

    run(main())


def test_a_request_on_a_dead_connection() -> None:
    async def main() -> None:
        connection, transport = connected()
        connection.eof_received()
        connection.begin(GET, SETTINGS)
        with pytest.raises(PrematureClose):
            await connection.receive()
        assert transport.written == b""

    run(main())


def test_bad_response() -> None:
    async def main() -> None:
        async with served(answering(b"HTTP/1.1 200 OK\r\nA: " + MEGABYTE)) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            with pytest.raises(BadResponse, match="upstream sent too big header"):
                await connection.receive()
            connection.close()

    run(main())


def test_somebody_who_waits_is_told_of_close() -> None:
    async def main() -> None:
        async with served(silent) as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            waiting = asyncio.create_task(connection.receive())
            await asyncio.sleep(0)
            connection.close()
            with pytest.raises(PrematureClose):
                await waiting
            await server.ended.get()

    run(main())


@pytest.mark.parametrize("began", [b"", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_read_timeout_of_the_head(began: bytes) -> None:
    async def main() -> None:
        async with served(answering(began)) as server:
            loop = asyncio.get_running_loop()
            connection = await connect(server.address, HASTY)
            start = loop.time()
            connection.begin(GET, HASTY)
            with pytest.raises(
                ReadTimeout, match=r"^upstream timed out \(110: Connection timed out\)$"
            ):
                await connection.receive()
            assert loop.time() - start >= 0.045
            connection.close()

    run(main())


def test_read_timeout_of_the_body() -> None:
    async def main() -> None:
        async with served(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody")) as server:
            connection = await connect(server.address, HASTY)
            connection.begin(GET, PeerSettings(read_timeout=1))
            await connection.receive()
            assert await connection.read() == b"body"
            with pytest.raises(ReadTimeout):
                await connection.read()
            connection.close()

    run(main())


def test_only_who_waits_times_out() -> None:
    async def main() -> None:
        connection, _ = connected()
        connection.begin(GET, HASTY)
        waiting = asyncio.ensure_future(connection.receive())
        await asyncio.sleep(0)
        connection.data_received(OK[:-2])
        await waiting
        await asyncio.sleep(0.1)  # the client of ours is slow
        connection.data_received(OK[-2:])
        assert await connection.read() == b"ok"
        connection.close()

    run(main())


def test_send_timeout() -> None:
    async def main() -> None:
        async with served(deaf) as server:
            connection = await connect(server.address, HASTY)
            connection.begin(POST, HASTY, more=True)
            with pytest.raises(SendTimeout):
                for _ in range(1000):
                    connection.write(MEGABYTE)
                    await connection.drain()
            connection.close()

    run(main())


def test_send_timeout_counts_from_the_last_progress() -> None:
    class Slow(Transport):
        def __init__(self) -> None:
            super().__init__()
            self.unsent = [5, 4, 3, 3]

        def get_write_buffer_size(self) -> int:
            return self.unsent.pop(0) if self.unsent else 0

    async def main() -> None:
        connection = PeerConnection(asyncio.get_running_loop(), ADDRESS)
        transport = Slow()
        connection.connection_made(transport)
        connection.begin(POST, HASTY, more=True)
        connection.pause_writing()
        with pytest.raises(SendTimeout):
            await connection.drain()
        assert transport.unsent == []

    run(main())


def test_a_deadline_costs_no_timer() -> None:
    async def main() -> None:
        loop = Clock(asyncio.get_running_loop())
        connection = PeerConnection(loop, ADDRESS)  # type: ignore[arg-type]
        connection.connection_made(Transport())
        for _ in range(100):
            connection.begin(GET, SETTINGS)
            waiting = asyncio.ensure_future(connection.receive())
            await asyncio.sleep(0)
            connection.data_received(OK)
            await waiting
            connection.park(60.0, print)
            connection.unpark()
        assert loop.timers == 1
        connection.close()

    run(main())


def test_a_shorter_deadline_moves_the_timer() -> None:
    async def main() -> None:
        connection, _ = connected()
        connection.begin(GET, SETTINGS)
        waiting = asyncio.ensure_future(connection.receive())
        await asyncio.sleep(0)
        connection.data_received(OK)
        await waiting
        connection.begin(GET, HASTY)
        with pytest.raises(ReadTimeout):
            await connection.receive()
        connection.close()

    run(main())


class Timer:
    """A handle; what it would have called is called all the same."""

    def cancel(self) -> None: ...


class Clock:
    """A loop whose time is ours, and that counts the timers it is asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.now, self.timers = loop, 0.0, 0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timers += 1
        self.due.append((when, callback))
        return Timer()

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        due, self.due = self.due, []
        for when, callback in due:
            callback() if when <= self.now else self.due.append((when, callback))
        await asyncio.sleep(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes with a RST instead of a FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
