"""Values that all machines have a copy of: a map on a Redis server, and the log of its changes.

A machine reads its own copy, which is a zone, and never asks the server.  A change is made in the
copy at once and published; one worker of each machine follows the log and repeats the changes of
all machines in the order of the server, its own included, so that all copies become equal.  What
could not be published is published when the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .redis_link import (
    CONNECT_TIMEOUT,
    RedisLink,
    Script,
    Step,
    close,
    errors,
    exchange,
    new_connection,
)
from .redis_scripts import EXPIRE, OFFER, PUBLISH
from .store import StoreSettings

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

publish = Script(PUBLISH)
SCRIPTS = (publish,)
DIGITS = 14  # of the time at which a record expires, in milliseconds since the epoch
LATEST = 10**DIGITS - 1
LOGGED = 10_000  # changes that the log keeps; who has missed more reads the whole map
MOST_PENDING = 100_000  # changes that wait for the server; older ones are forgotten
WAIT = 5.0  # seconds that the follower waits for changes before it asks again
SWEEP = 60.0  # seconds between two looks for records that have expired
AT_ONCE = 500  # records of a map that are read in one step
PAUSE = 0.5  # seconds before another attempt to follow


REMOVED_FOR = 86_400.0  # seconds that the map knows of a value that was removed
# Makes a change in the copy: key, value (None: removed), and when it expires, in seconds since the
# epoch (0: never).
Apply = Callable[[bytes, bytes | None, float], None]
Items = Callable[[], Iterable[tuple[bytes, bytes, float]]]  # all that the copy has


def pack(value: bytes | None, expires: float) -> bytes:
    if value is None:
        return b"%0*d-" % (DIGITS, int((time.time() + REMOVED_FOR) * 1000))
    return b"%0*d=" % (DIGITS, min(int(expires * 1000), LATEST)) + value


def unpack(raw: bytes) -> tuple[bytes | None, float]:
    expires = int(raw[:DIGITS]) / 1000
    return raw[DIGITS + 1 :] if raw[DIGITS : DIGITS + 1] == b"=" else None, expires


class SharedMap:
    """The map of one zone, for one worker."""

    def __init__(self, link: RedisLink, zone: str, apply: Apply, items: Items) -> None:
        self.apply, self.items = apply, items
        prefix = f"{link.settings.prefix}{zone}:map"
        self.name, self.log = prefix.encode("latin-1"), f"{prefix}:log".encode("latin-1")
        self._link = link
        self._pending: dict[bytes, bytes] = {}  # what the server does not have yet
        link.resumes.append(self._resume)

    def publish(self, key: bytes, value: bytes | None, expires: float) -> None:
        packed = pack(value, expires)
        self._pending.pop(key, None)
        self._pending[key] = packed
        if len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        if self._link.up:
            self._send(key, packed)

    def offers(self, known: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """What the map does not have: the server is new, or has lost what it had."""
        for key, value, expires in self.items():
            if key not in known:
                yield key, pack(value, expires)

    def _send(self, key: bytes, packed: bytes) -> None:
        def answered(answer: Any) -> None:
            if answer is not None and self._pending.get(key) is packed:
                del self._pending[key]

        call = publish.call([self.name, self.log], [LOGGED, key, packed])
        self._link.send(Step(call, answered))

    def _resume(self) -> None:
        for key, packed in [*self._pending.items()]:
            self._send(key, packed)


class Follower:
    """Repeats the changes of all machines in the copies of this one; one worker has it."""

    def __init__(self, settings: StoreSettings, maps: Iterable[SharedMap]) -> None:
        self._settings = settings
        self._maps = {x.log: x for x in maps}
        self._sweep_at = 0.0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(*errors()):
                await self._follow()
            await asyncio.sleep(PAUSE)

    async def _follow(self) -> None:
        connection = new_connection(self._settings)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT + self._settings.timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
            positions: dict[bytes, bytes] = {}
            for log, shared in self._maps.items():
                positions[log] = await self._copy(connection, shared)
            self._sweep_at = time.monotonic() + SWEEP
            while True:
                await self._read(connection, positions)
                if time.monotonic() >= self._sweep_at:
                    self._sweep_at = time.monotonic() + SWEEP
                    for shared in self._maps.values():
                        await self._sweep(connection, shared)
        finally:
            await close(connection)

    async def _ask(self, connection: AbstractConnection, *words: Any, extra: float = 0.0) -> Any:
        async with asyncio.timeout(CONNECT_TIMEOUT + self._settings.timeout + extra):
            (answer,) = await exchange(connection, [words])
        return answer

    async def _copy(self, connection: AbstractConnection, shared: SharedMap) -> bytes:
        """Takes over the whole map; the position in the log from where to go on.

        The position is read first: changes made meanwhile are only repeated."""
        last = await self._ask(connection, "XREVRANGE", shared.log, "+", "-", "COUNT", 1)
        position: bytes = last[0][0] if last else b"0"
        known, cursor = set[bytes](), b"0"
        while True:
            cursor, fields = await self._ask(
                connection, "HSCAN", shared.name, cursor, "COUNT", AT_ONCE
            )
            for key, raw in zip(fields[::2], fields[1::2], strict=True):
                known.add(key)
                shared.apply(key, *unpack(raw))
            if int(cursor) == 0:
                break
        for key, packed in shared.offers(known):
            words = ("EVAL", OFFER, 2, shared.name, shared.log, LOGGED, key, packed)
            await self._ask(connection, *words)
        return position

    async def _read(self, connection: AbstractConnection, positions: dict[bytes, bytes]) -> None:
        answer = await self._ask(
            connection,
            *("XREAD", "COUNT", AT_ONCE, "BLOCK", int(WAIT * 1000), "STREAMS"),
            *positions.keys(),
            *positions.values(),
            extra=WAIT,
        )
        for log, entries in answer or ():
            for position, fields in entries:
                self._maps[log].apply(fields[1], *unpack(fields[3]))
                positions[log] = position

    async def _sweep(self, connection: AbstractConnection, shared: SharedMap) -> None:
        """Removes from the map what has expired."""
        now, cursor = int(time.time() * 1000), b"0"
        while True:
            cursor, fields = await self._ask(
                connection, "HSCAN", shared.name, cursor, "COUNT", AT_ONCE
            )
            pairs = zip(fields[::2], fields[1::2], strict=True)
            old = [key for key, raw in pairs if 0 < int(raw[:DIGITS]) <= now]
            if old:
                words = ("EVAL", EXPIRE, 1, shared.name, now, *old)
                await self._ask(connection, *words)
            if int(cursor) == 0:
                return
