"""The other ends: a transport that only remembers, and servers that follow a script."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import uvloop

from pyngx_jwt.upstream import PeerAddress, PeerConnection
from pyngx_jwt.upstream.address import inet_address, unix_address

from ..wire import DEADLINE

T = TypeVar("T")
Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ADDRESS = inet_address("127.0.0.1", 80)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs it on the loop that is used in earnest; nothing here takes long."""

    async def limited() -> T:
        return await asyncio.wait_for(main, DEADLINE)

    return uvloop.run(limited())


class Transport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def connected() -> tuple[PeerConnection, Transport]:
    connection = PeerConnection(asyncio.get_running_loop(), ADDRESS)
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


class Served:
    """A running server: its address, and how its connections ended."""

    def __init__(self, address: PeerAddress) -> None:
        self.address = address
        self.connections = 0
        self.ended: asyncio.Queue[None] = asyncio.Queue()


@asynccontextmanager
async def served(
    script: Script, *, path: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """A server that runs the script on each connection and closes it at the script's end."""
    errors: list[BaseException] = []
    tasks: list[asyncio.Task[Any] | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        tasks.append(asyncio.current_task())
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        except Exception as error:
            errors.append(error)
        finally:
            writer.transport.abort() if tls else writer.close()
            here.ended.put_nowait(None)

    if path:
        server = await asyncio.start_unix_server(handle, path, ssl=tls)
        here = Served(unix_address(path))
    else:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        here = Served(inet_address("127.0.0.1", server.sockets[0].getsockname()[1]))
    try:
        yield here
    finally:
        server.close()
        for task in filter(None, tasks):
            task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0)  # the transports close
    assert not errors


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(*answers: bytes) -> Script:
    """Answers one request after the other, then waits for the client to go."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
        await reader.read()

    return script


def closing(answer: bytes) -> Script:
    """Answers one request and closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    return script


async def read_all(connection: PeerConnection) -> bytes:
    """The body of the response, however it comes."""
    response = await connection.receive()
    if response.body is not None:
        return response.body
    pieces = []
    while (piece := await connection.read()) is not None:
        pieces.append(piece)
    return b"".join(pieces)
