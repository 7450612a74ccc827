"""What a worker keeps of a Redis server that is down, or that never comes to an end."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from pathlib import Path

from pyngx_jwt.zones.redis_limits import SharedConnections
from pyngx_jwt.zones.redis_link import RedisLink, Step, spread
from pyngx_jwt.zones.redis_map import Follower, SharedMap
from pyngx_jwt.zones.resp import Replies
from pyngx_jwt.zones.store import Entry, StoreDown
from pyngx_jwt.zones.store_url import StoreSettings, parse_store_url


class NoObserver:
    def connected(self) -> None:
        """Nothing is counted."""

    def exchanged(self, steps: int, seconds: float) -> None:
        """Nothing is counted."""

    def moved(self, sent: int, received: int) -> None:
        """Nothing is counted."""

    def copied(self, records: int) -> None:
        """Nothing is counted."""

    def failed(self) -> None:
        """Nothing is counted."""


class Link(RedisLink):
    """A connection that is up or down as a test says."""

    def __init__(self) -> None:
        settings = StoreSettings(parse_store_url("redis://127.0.0.1"))
        super().__init__(settings, (), lambda text, failed: None, NoObserver())
        self.sent: list[Step] = []

    def send(self, step: Step) -> None:
        if self.up:
            self.sent.append(step)
        else:
            step.answered(None)

    def comes_up(self) -> None:
        self.up = True
        for resume in self.resumes:
            resume()


def test_keys_of_requests_are_not_kept_while_the_server_is_down() -> None:
    async def run() -> list[Step]:
        link = Link()
        connections = SharedConnections(link, "owner")
        for number in range(1000):
            try:
                await connections.enter([Entry("zone", str(number).encode(), 1)])
            except StoreDown:
                continue
            raise AssertionError("there is no server")
        link.comes_up()
        return link.sent

    (sign_of_life,) = asyncio.run(run())
    assert sign_of_life.words[0] == "SET"


def test_a_map_without_an_end(tmp_path: Path) -> None:
    """No more is kept of it than what the zone has."""
    numbers = itertools.count()
    enough = asyncio.Event()
    path = str(tmp_path / "store.sock")

    def pairs() -> bytes:
        words = b"".join(
            b"$20\r\n%020d\r\n$16\r\n%014d=x\r\n" % (next(numbers), 0) for _ in range(500)
        )
        return b"*2\r\n$1\r\n7\r\n*1000\r\n" + words

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands, answers = Replies(reader, 1 << 20), 0
        while not enough.is_set():
            words = await commands.read()
            writer.write(pairs() if words[0] == b"HSCAN" else b"*0\r\n")
            answers += 1
            if answers == 400:
                enough.set()
        writer.close()

    async def run() -> int:
        server = await asyncio.start_unix_server(serve, path)
        shared = SharedMap(Link(), "zone", lambda *change: None, lambda: [(b"mine", b"1", 0.0)])
        settings = StoreSettings(parse_store_url(f"unix://{path}"))
        follower = Follower(settings, [shared], NoObserver())
        following = asyncio.get_running_loop().create_task(follower.run())
        tracemalloc.start()
        await enough.wait()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        following.cancel()
        server.close()
        return size

    assert asyncio.run(run()) < 2_000_000
    assert next(numbers) >= 100_000


def test_pauses_are_spread() -> None:
    """Workers that have lost a server do not come back at the same time."""
    pauses = [spread(2.0) for _ in range(100)]
    assert all(1.0 <= pause <= 3.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 1.0
