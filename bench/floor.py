"""What uvloop alone costs: python bench/floor.py PORT UPSTREAM.

Two protocols without HTTP, for requests and responses that come whole.  One answers each request
with the same bytes.  The other passes each request on over connections that it keeps, and passes
back what comes.  No Python server on uvloop can do the same work in less time.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BODY = "x" * 100

ANSWER = (
    "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    f"Content-Type: text/plain\r\nContent-Length: {len(BODY)}\r\n"
    f"Connection: keep-alive\r\n\r\n{BODY}"
).encode()


class Front(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, pool: list[Back], upstream: int) -> None:
        self._pool, self._upstream = pool, upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /static/"):
            self.transport.write(ANSWER)
        elif self._pool:
            self._pool.pop().ask(self, data)
        else:
            loop = asyncio.get_running_loop()
            self._asking = loop.create_task(self._connect(data))

    async def _connect(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, back = await loop.create_connection(
            lambda: Back(self._pool), "127.0.0.1", self._upstream
        )
        back.ask(self, data)


class Back(asyncio.Protocol):
    """A connection to the upstream."""

    def __init__(self, pool: list[Back]) -> None:
        self._pool = pool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, front: Front, data: bytes) -> None:
        self._front = front
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._front.transport.write(data)
        self._pool.append(self)


async def serve(port: int, upstream: int) -> None:
    pool = list[Back]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(pool, upstream), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
