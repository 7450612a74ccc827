"""Values that all machines have a copy of: a map on a Redis server, and the log of its changes.

A machine reads its own copy, which is a zone, and never asks the server.  A change is made in the
copy at once and published; one worker of each machine follows the log and repeats the changes of
all machines in the order of the server, its own included, so that all copies become equal.  What
could not be published is published when the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .copies import Copy, CopyState
from .redis_connection import CONNECT_TIMEOUT, FAILURES, RedisConnection, connect
from .redis_link import Moved, Observer, RedisLink, Script, Step, spread
from .redis_scripts import EXPIRE, OFFER, PUBLISH
from .resp import BadReply
from .store import ZoneFull
from .store_url import StoreSettings

publish = Script(PUBLISH)
SCRIPTS = (publish,)
DIGITS = 14  # of the time at which a record expires, in milliseconds since the epoch
LATEST = 10**DIGITS - 1
LOGGED = 10_000  # changes that the log keeps; who has missed more reads the whole map
MOST_PENDING = 100_000  # changes that wait for the server; older ones are forgotten
WAIT = 5.0  # seconds that the follower waits for changes before it asks again
SWEEP = 60.0  # seconds between two looks for records that have expired
AT_ONCE = 500  # records of a map that are read in one step
LONGEST = 1 << 26  # bytes of one answer
PAUSE = 0.5  # seconds before another attempt to follow


REMOVED_FOR = 86_400.0  # seconds that the map knows of a value that was removed
NO_ROOM = 'has changes of the zone "{}" for which the zone has no room on this machine'
NO_RECORD = 'has values of the zone "{}" that cannot be understood'
FORGOTTEN = 'was away for too long: changes of the zone "{}" were not sent to it'
Lose = Callable[[str, str], None]  # the zone that has lost a change, and one of the texts above


def pack(value: bytes | None, expires: float) -> bytes:
    if value is None:
        return b"%0*d-" % (DIGITS, int((time.time() + REMOVED_FOR) * 1000))
    return b"%0*d=" % (DIGITS, min(int(expires * 1000), LATEST)) + value


def unpack(raw: bytes) -> tuple[bytes | None, float] | None:
    """None if it is no record of ours."""
    match = _RECORD(raw)
    if match is None:
        return None
    return match[3] if match[2] == b"=" else None, int(match[1]) / 1000


_RECORD = re.compile(rb"([0-9]{%d})([=-])(.*)" % DIGITS, re.DOTALL).fullmatch


class SharedMap:
    """The map of one zone, for one worker."""

    def __init__(self, link: RedisLink, zone: str, copy: Copy, lose: Lose) -> None:
        self.copy = copy
        self._zone, self._lose = zone, lose
        self._lacks = False  # something that did not fit since the last copy was begun
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
            self._lose(self._zone, FORGOTTEN)
        if self._link.up:
            self._send(key, packed)

    @property
    def pending(self) -> int:
        """How many changes the server does not have yet."""
        return len(self._pending)

    def begin(self) -> None:
        """The whole map follows."""
        self._lacks = False

    def end(self) -> None:
        """The whole map was taken."""
        self.copy.note(CopyState.PARTIAL if self._lacks else CopyState.WHOLE)

    def take(self, key: bytes, raw: bytes) -> None:
        """Repeats a change of some machine.  What is no record is passed over, and what there is no
        room for; neither goes unnoticed."""
        record = unpack(raw)
        if record is None:
            self._lose(self._zone, NO_RECORD)
            return
        try:
            fits = self.copy.apply(key, *record)
        except ZoneFull:
            fits = False
        if fits:
            return
        self._lose(self._zone, NO_ROOM)
        if not self._lacks:
            self._lacks = True
            if self.copy.state is CopyState.WHOLE:
                self.copy.note(CopyState.PARTIAL)

    def offers(self, keys: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Those of the keys as records."""
        for key, value, expires in self.copy.items():
            if key in keys:
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

    def __init__(
        self, settings: StoreSettings, maps: Iterable[SharedMap], observer: Observer
    ) -> None:
        self._settings, self._observer = settings, observer
        self._maps = {x.log: x for x in maps}
        self._sweep_at = 0.0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(*FAILURES):
                await self._follow()
            await asyncio.sleep(spread(PAUSE))

    async def _follow(self) -> None:
        connection = await connect(self._settings, LONGEST)
        moved = Moved(connection, self._observer)
        try:
            positions: dict[bytes, bytes] = {}
            for log, shared in self._maps.items():
                positions[log] = await self._copy(connection, shared)
            self._sweep_at = time.monotonic() + SWEEP
            while True:
                begun = time.monotonic()
                has_changes = await self._read(connection, positions)
                moved.note()
                if not has_changes and time.monotonic() - begun < WAIT / 2:
                    await asyncio.sleep(PAUSE)  # the server does not wait, as it was asked to
                if time.monotonic() >= self._sweep_at:
                    self._sweep_at = time.monotonic() + SWEEP
                    for log, shared in self._maps.items():
                        await self._sweep(connection, shared)
                        if shared.copy.state is CopyState.PARTIAL:  # there may be room by now
                            positions[log] = await self._copy(connection, shared)
        finally:
            connection.close()

    async def _ask(self, connection: RedisConnection, *words: Any, extra: float = 0.0) -> Any:
        async with asyncio.timeout(CONNECT_TIMEOUT + self._settings.timeout + extra):
            (answer,) = await connection.exchange([words])
        return answer

    async def _copy(self, connection: RedisConnection, shared: SharedMap) -> bytes:
        """Takes over the whole map; the position in the log from where to go on.

        The position is read first: changes made meanwhile are only repeated.  What the map does
        not have is offered to it: the server is new, or has lost what it had."""
        last = await self._ask(connection, "XREVRANGE", shared.log, "+", "-", "COUNT", 1)
        position = _entries(last)[0][0] if last else b"0"
        # Of what is here, and not of what the server sends, which may be without an end.
        missing, cursor = {key for key, _, _ in shared.copy.items()}, b"0"
        shared.begin()
        while True:
            cursor, pairs = await self._scan(connection, shared, cursor)
            for key, raw in pairs:
                missing.discard(key)
                shared.take(key, raw)
            if cursor == b"0":
                break
        for key, packed in shared.offers(missing):
            words = ("EVAL", OFFER, 2, shared.name, shared.log, LOGGED, key, packed)
            await self._ask(connection, *words)
        shared.end()
        return position

    async def _read(self, connection: RedisConnection, positions: dict[bytes, bytes]) -> bool:
        """Waits for changes and repeats them; whether there were any."""
        answer = await self._ask(
            connection,
            *("XREAD", "COUNT", AT_ONCE, "BLOCK", int(WAIT * 1000), "STREAMS"),
            *positions.keys(),
            *positions.values(),
            extra=WAIT,
        )
        for log, entries in _pairs([] if answer is None else answer):
            shared = self._maps.get(log)
            if shared is None:
                raise BadReply
            changes = _entries(entries)
            for position, key, raw in changes:
                shared.take(key, raw)
                positions[log] = position
            self._observer.copied(len(changes))
        return bool(answer)

    async def _sweep(self, connection: RedisConnection, shared: SharedMap) -> None:
        """Removes from the map what has expired."""
        now, cursor = int(time.time() * 1000), b"0"
        while True:
            cursor, pairs = await self._scan(connection, shared, cursor)
            old = [key for key, raw in pairs if (x := unpack(raw)) and 0 < x[1] * 1000 <= now]
            if old:
                words = ("EVAL", EXPIRE, 1, shared.name, now, *old)
                await self._ask(connection, *words)
            if cursor == b"0":
                return

    async def _scan(
        self, connection: RedisConnection, shared: SharedMap, cursor: bytes
    ) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The next cursor, and some pairs of the map."""
        words = ("HSCAN", shared.name, cursor, "COUNT", AT_ONCE)
        ((following, fields),) = _pairs([await self._ask(connection, *words)])
        return following, list(zip(_octets(fields)[::2], _octets(fields)[1::2], strict=True))


# -- what the server answers; all raise BadReply ---------------------------------------------


def _pairs(answer: Any) -> list[tuple[bytes, Any]]:
    """Lists of a name and something."""
    if not isinstance(answer, list):
        raise BadReply
    for pair in answer:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], bytes):
            raise BadReply
    return [(name, thing) for name, thing in answer]


def _entries(answer: Any) -> list[tuple[bytes, bytes, bytes]]:
    """Of a log: position, key and record."""
    entries = []
    for position, fields in _pairs(answer):
        words = _octets(fields)
        if len(words) != 4:
            raise BadReply
        entries.append((position, words[1], words[3]))
    return entries


def _octets(answer: Any) -> list[bytes]:
    """An even number of strings."""
    if not isinstance(answer, list) or len(answer) % 2:
        raise BadReply
    if not all(isinstance(word, bytes) for word in answer):
        raise BadReply
    return answer
