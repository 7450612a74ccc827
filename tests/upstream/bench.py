"""CPU of one keep-alive exchange with an upstream: python -m tests.upstream.bench

A second process answers each read with 170 bytes; 16 exchanges are in flight.  "raw" does
the same with bare futures and no HTTP: what is above it is the client's own cost.  The
least of many short rounds is told, as other load on the machine only adds.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import uvloop

from pyngx_jwt.upstream import Keepalive, PeerSettings, Pool, connect
from pyngx_jwt.upstream.address import inet_address

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 127.0.0.1\r\n\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.31.3\r\nDate: Mon, 20 Oct 2025 10:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello world\n"
)
IN_FLIGHT, REQUESTS, ROUNDS = 16, 100, 40

Client = Callable[[int, int], Awaitable[None]]


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(RESPONSE)


class Raw(Server):
    answer: asyncio.Future[bytes]

    def data_received(self, data: bytes) -> None:
        self.answer.set_result(data)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def raw(port: int, requests: int) -> None:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Raw, "127.0.0.1", port)
    for _ in range(requests):
        protocol.answer = loop.create_future()
        transport.write(REQUEST)
        await protocol.answer
    transport.close()


def pooled() -> Client:
    pool, settings = Pool(Keepalive(requests=10**9)), PeerSettings()

    async def run(port: int, requests: int) -> None:
        loop = asyncio.get_running_loop()
        address = inet_address("127.0.0.1", port)
        for _ in range(requests):
            connection = pool.get(address.name, None)
            if connection is None:
                connection = await connect(address, settings)
            connection.begin(REQUEST, settings)
            response = await connection.receive()
            assert response.body is not None
            pool.put(connection, None, loop.time())

    return run


async def measure(name: str, client: Client, port: int) -> None:
    rounds = [await measure_round(client, port) for _ in range(ROUNDS)]
    user, system = min(rounds, key=sum)
    print(f"{name:7s} user {user:5.1f}  sys {system:5.1f}  sum {user + system:5.1f} us")


async def measure_round(client: Client, port: int) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*[client(port, REQUESTS) for _ in range(IN_FLIGHT)])
    after = resource.getrusage(resource.RUSAGE_SELF)
    micro = 1e6 / (REQUESTS * IN_FLIGHT)
    return (after.ru_utime - before.ru_utime) * micro, (after.ru_stime - before.ru_stime) * micro


async def main(port: int) -> None:
    await measure("raw", raw, port)
    await measure("pooled", pooled(), port)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
    else:
        command = [sys.executable, "-m", "tests.upstream.bench", "serve"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                uvloop.run(main(int(process.stdout.readline())))
            finally:
                process.kill()
