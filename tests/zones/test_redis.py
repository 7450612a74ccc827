"""What a worker keeps of a Redis server that is down, or that never comes to an end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from pyngx_jwt.zones import CopiedSessions, Zones, ZoneStore
from pyngx_jwt.zones.copies import Copy, CopyState
from pyngx_jwt.zones.redis_limits import SharedConnections
from pyngx_jwt.zones.redis_link import RedisLink, Step, spread
from pyngx_jwt.zones.redis_map import (
    FORGOTTEN,
    MOST_PENDING,
    NO_RECORD,
    NO_ROOM,
    PAUSE,
    Follower,
    SharedMap,
)
from pyngx_jwt.zones.resp import Replies
from pyngx_jwt.zones.store import Entry, StoreDown, ZoneFull
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


def link() -> RedisLink:
    """One that is down."""
    settings = StoreSettings(parse_store_url("redis://127.0.0.1"))
    return RedisLink(settings, (), lambda text, failed: None, NoObserver())


def test_keys_of_requests_are_not_kept_while_the_server_is_down() -> None:
    async def run() -> list[Step]:
        down = link()
        connections = SharedConnections(down, "owner")
        for number in range(1000):
            try:
                await connections.enter([Entry("zone", str(number).encode(), 1)])
            except StoreDown:
                continue
            raise AssertionError("there is no server")
        down.up = True
        for resume in down.resumes:
            resume()
        return down._steps

    (sign_of_life,) = asyncio.run(run())
    assert sign_of_life.words[0] == "SET"


def all_fits(key: bytes, value: bytes | None, expires: float) -> bool:
    return True


def no_loss(zone: str, why: str) -> None:
    """Nothing is reported."""


async def follow(path: str, shared: SharedMap, answer: Callable[[bytes], bytes | None]) -> None:
    """Follows a server that answers commands so, until it has no answer."""
    enough, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = Replies(reader, 1 << 20)
        with contextlib.suppress(ConnectionError):
            while True:
                words = await commands.read()
                if (raw := answer(words[0])) is not None:
                    writer.write(raw)
                else:
                    enough.set()
        writer.close()
        closed.set()

    server = await asyncio.start_unix_server(serve, path)
    settings = StoreSettings(parse_store_url(f"unix://{path}"))
    follower = Follower(settings, [shared], NoObserver())
    following = asyncio.get_running_loop().create_task(follower.run())
    await enough.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await closed.wait()
    server.close()


def test_a_map_without_an_end(tmp_path: Path) -> None:
    """No more is kept of it than what the zone has."""
    numbers = itertools.count()
    sizes: list[int] = []

    def pairs() -> bytes:
        words = b"".join(
            b"$20\r\n%020d\r\n$16\r\n%014d=x\r\n" % (next(numbers), 0) for _ in range(500)
        )
        return b"*2\r\n$1\r\n7\r\n*1000\r\n" + words

    def answer(command: bytes) -> bytes | None:
        if command != b"HSCAN":
            return b"*0\r\n"
        sizes.append(tracemalloc.get_traced_memory()[0])
        return pairs() if len(sizes) < 20 else None

    tracemalloc.start()
    try:
        shared = SharedMap(link(), "zone", Copy(all_fits, lambda: [(b"mine", b"1", 0.0)]), no_loss)
        asyncio.run(follow(str(tmp_path / "store.sock"), shared, answer))
    finally:
        tracemalloc.stop()
    assert next(numbers) == 19 * 500
    assert sizes[-1] - sizes[0] < 500_000


class Notes:
    """Those of a zone."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def note(self, name: bytes, text: bytes) -> None:
        self.kept[name] = text

    def noted(self, name: bytes) -> bytes:
        return self.kept.get(name, b"")


def test_what_a_copy_cannot_take_is_passed_over_and_reported() -> None:
    taken: list[bytes] = []
    lost: list[str] = []

    def apply(key: bytes, value: bytes | None, expires: float) -> bool:
        if key == b"exhausted":
            raise ZoneFull
        taken.append(key)
        return key != b"full"

    shared = SharedMap(link(), "zone", Copy(apply, tuple), lambda zone, why: lost.append(why))
    record = b"0" * 14 + b"=1"
    for key, raw in ((b"a", b"x"), (b"exhausted", record), (b"full", record), (b"b", record)):
        shared.take(key, raw)
    assert taken == [b"full", b"b"]
    assert lost == [NO_RECORD, NO_ROOM, NO_ROOM]


def test_a_copy_is_whole_until_something_does_not_fit() -> None:
    room = True
    notes = Notes()
    copy = Copy(lambda *change: room, tuple, notes)
    copy.copies("one store")
    shared = SharedMap(link(), "zone", copy, no_loss)
    states = [copy.state]

    def take(count: int) -> None:
        for _ in range(count):
            shared.take(b"k", b"0" * 14 + b"=1")
        states.append(copy.state)

    shared.begin()
    take(1)  # of the first copy
    shared.end()
    take(1)
    room = False
    take(2)
    shared.begin()
    take(1)
    shared.end()
    room = True
    take(1)
    shared.begin()
    take(1)
    shared.end()
    states.append(copy.state)
    unknown, partial, whole = CopyState.UNKNOWN, CopyState.PARTIAL, CopyState.WHOLE
    assert states == [*(unknown, unknown, whole), *(partial,) * 4, whole]
    copy.copies("another store")
    assert copy.state is unknown


def test_what_is_forgotten_for_want_of_a_store_is_reported() -> None:
    lost: list[str] = []
    shared = SharedMap(link(), "zone", Copy(all_fits, tuple), lambda zone, why: lost.append(why))
    for number in range(MOST_PENDING + 2):
        shared.publish(b"%d" % number, b"", 0.0)
    assert lost == [FORGOTTEN] * 2


def test_keys_of_no_session(tmp_path: Path) -> None:
    """Keys that a zone could not have are not put in it."""
    store = ZoneStore()
    zones = Zones()
    zone = zones.add("sessions", 1 << 20, "sticky")
    zone.place(str(tmp_path / "zone"))
    sessions = CopiedSessions(zone.sessions(), store, "sessions", 60.0)
    for key in (b"", b"x" * 10_000, b"k" * 16):
        sessions._apply(key, b"server", time.time() + 60)
        sessions._apply(key, b"s" * 256, time.time() + 120)
    assert sessions.find(b"k" * 16, 0.0) == "server"


def test_a_server_that_does_not_wait(tmp_path: Path) -> None:
    """Between two questions to it is a pause."""
    asked = 0

    def answer(command: bytes) -> bytes | None:
        nonlocal asked
        asked += command == b"XREAD"
        if asked == 3:
            return None
        return b"*2\r\n$1\r\n0\r\n*0\r\n" if command == b"HSCAN" else b"*0\r\n"

    shared = SharedMap(link(), "zone", Copy(all_fits, tuple), no_loss)
    begun = time.monotonic()
    asyncio.run(follow(str(tmp_path / "store.sock"), shared, answer))
    assert time.monotonic() - begun >= 2 * PAUSE


def test_pauses_are_spread() -> None:
    """Workers that have lost a server do not come back at the same time."""
    pauses = [spread(2.0) for _ in range(100)]
    assert all(1.0 <= pause <= 3.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 1.0
