"""What is kept, for whom, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from pyngx_jwt.upstream import Keepalive, PeerConnection, PeerSettings, Pool, connect
from pyngx_jwt.upstream.address import inet_address

from .peers import GET, Transport, answering, run, served

SETTINGS = PeerSettings()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NAME = "127.0.0.1:80"


class Made:
    """Connections that had an exchange, to put into a pool."""

    def __init__(self, **keepalive: float) -> None:
        self.pool = Pool(Keepalive(**keepalive))  # type: ignore[arg-type]
        self.now = asyncio.get_running_loop().time()

    def make(self, answer: bytes = OK, port: int = 80, *, more: bool = False) -> PeerConnection:
        connection = PeerConnection(asyncio.get_running_loop(), inet_address("127.0.0.1", port))
        connection.connection_made(Transport())
        connection.begin(GET, SETTINGS, more=more)
        connection.data_received(answer)
        return connection

    def put(self, *connections: PeerConnection, tag: object = None) -> None:
        for connection in connections:
            self.pool.put(connection, tag, self.now)


def test_last_in_first_out() -> None:
    async def main() -> None:
        here = Made()
        one, two = here.make(), here.make()
        here.put(one, two)
        assert [here.pool.get(NAME, None) for _ in range(3)] == [two, one, None]
        assert not one.closed and not two.closed

    run(main())


def test_kept_by_address_and_tag() -> None:
    async def main() -> None:
        here = Made()
        one, two, three = here.make(), here.make(port=81), here.make()
        here.put(one, two)
        here.put(three, tag="t")
        assert here.pool.get("127.0.0.1:82", None) is None
        assert here.pool.get("127.0.0.1:81", "t") is None
        assert here.pool.get(NAME, "t") is three
        assert here.pool.get("127.0.0.1:81", None) is two
        assert here.pool.get(NAME, None) is one

    run(main())


@pytest.mark.parametrize(
    "local, same, other", [(True, ("a", None), ("b", None)), (False, None, None)]
)
def test_tags(local: bool, same: object, other: object) -> None:
    keepalive = Keepalive(local=local)
    assert (keepalive.tag("a"), keepalive.tag("b")) == (same, other)
    assert keepalive.tag("a", "tls") != keepalive.tag("a")


def test_the_longest_idle_makes_room() -> None:
    async def main() -> None:
        here = Made(connections=2)
        one, two, three = here.make(port=81), here.make(), here.make()
        here.put(one, two, three)
        assert (one.closed, here.pool.idle) == (True, 2)
        assert here.pool.get("127.0.0.1:81", None) is None
        assert here.pool.get(NAME, None) is three

    run(main())


def test_requests() -> None:
    async def main() -> None:
        here = Made(requests=2)
        connection = here.make()
        here.put(connection)
        assert here.pool.get(NAME, None) is connection
        connection.begin(GET, SETTINGS)
        connection.data_received(OK)
        here.put(connection)
        assert connection.closed and not here.pool.idle

    run(main())


@pytest.mark.parametrize("age, closed", [(5.0, False), (5.5, True)])
def test_time(age: float, closed: bool) -> None:
    async def main() -> None:
        here = Made(time=5.0)
        connection = here.make()
        here.pool.put(connection, None, connection.started + age)
        assert connection.closed is closed

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"hello",
        b"",
    ],
)
def test_not_kept(answer: bytes) -> None:
    async def main() -> None:
        here = Made()
        connection = here.make(answer)
        here.put(connection)
        assert connection.closed and not here.pool.idle

    run(main())


def test_not_kept_when_the_request_was_not_sent_whole() -> None:
    async def main() -> None:
        here = Made()
        connection = here.make(more=True)
        here.put(connection)
        assert connection.closed

    run(main())


@pytest.mark.parametrize("what", ["data", "eof", "lost"])
def test_gone_when_something_happens_while_idle(what: str) -> None:
    async def main() -> None:
        here = Made()
        connection, other = here.make(), here.make()
        here.put(connection, other)
        if what == "data":
            connection.data_received(b"HTTP/1.1 408 Timeout\r\n\r\n")
        elif what == "eof":
            connection.eof_received()
        connection.connection_lost(None)
        assert connection.closed
        assert (here.pool.get(NAME, None), here.pool.get(NAME, None)) == (other, None)

    run(main())


def test_a_connection_in_use_is_none_of_the_pools_business() -> None:
    async def main() -> None:
        here = Made()
        connection = here.make()
        here.put(connection)
        assert here.pool.get(NAME, None) is connection
        connection.connection_lost(None)
        assert not here.pool.idle

    run(main())


def test_idle_timeout() -> None:
    async def main() -> None:
        async with served(answering(OK)) as server:
            pool = Pool(Keepalive(timeout=0.02))
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            await connection.receive()
            pool.put(connection, None, asyncio.get_running_loop().time())
            assert pool.idle == 1
            await server.ended.get()
            assert not pool.idle and connection.closed

    run(main())


def test_a_server_that_closes_idle_connections() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await release.wait()

    release = asyncio.Event()

    async def main() -> None:
        async with served(script) as server:
            pool = Pool(Keepalive())
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            await connection.receive()
            pool.put(connection, None, asyncio.get_running_loop().time())
            assert pool.idle == 1
            release.set()
            while pool.idle:
                await asyncio.sleep(0)
            assert connection.closed

    run(main())


def test_close() -> None:
    async def main() -> None:
        here = Made()
        one, two, late = here.make(), here.make(), here.make()
        here.put(one, two)
        here.pool.close()
        here.put(late)
        assert one.closed and two.closed and late.closed
        assert not here.pool.idle

    run(main())
