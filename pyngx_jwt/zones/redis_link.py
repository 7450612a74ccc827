"""A worker's connection to a Redis or Valkey server: steps are sent in batches, and never block.

What is asked while an exchange is under way goes together in the next one, so that the cost of a
step falls as there are more of them.  A step fails if the server does not answer in time; the
connection is then given up, because a late answer would be taken for that of another step, and
later steps fail at once until there is a new connection.  An answer that a step cannot have, or
that is too long, is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha1
from operator import eq
from typing import Any, NamedTuple, Protocol

from .redis_connection import CONNECT_TIMEOUT, FAILURES, Fits, RedisConnection, connect
from .resp import Word
from .store import StoreDown
from .store_url import StoreSettings

MOST_AT_ONCE = 256  # steps of one exchange
MOST_WAITING = 20_000  # steps; more of them fail at once
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts to connect


class Script:
    """One step on the server."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[Word], arguments: Sequence[Word]) -> tuple[Word, ...]:
        """The words of the command that runs it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)


Answered = Callable[[Any], None]


def is_one(answer: Any) -> bool:
    """What scripts without a result answer."""
    return type(answer) is int and answer == 1


class Step(NamedTuple):
    """A command; ``answered`` gets the result, or None if it has failed.  What does not fit is no
    answer: the server cannot be used."""

    words: tuple[Word, ...]
    answered: Answered
    fits: Fits = is_one


def forget(answer: Any) -> None:
    """For a command whose answer is of no interest."""


Report = Callable[[str, bool], None]  # a text, and whether it is of a failure


class Observer(Protocol):
    """Counts what a worker does with the server."""

    def connected(self) -> None:
        """There is a new connection."""

    def exchanged(self, steps: int, seconds: float) -> None:
        """A batch was answered."""

    def moved(self, sent: int, received: int) -> None:
        """So many bytes more have gone both ways."""

    def copied(self, records: int) -> None:
        """So many changes of maps have come."""

    def failed(self) -> None:
        """A connection was not made, or was given up."""


class Watcher(Observer, Protocol):
    """Counts for statistics, in a worker."""

    def fell_back(self, zone: str, *, denied: bool) -> None:
        """The store could not be asked about the zone."""

    def lost(self, zone: str) -> None:
        """A change of the zone was not taken or not sent."""


class Moved:
    """Counts the bytes of a connection."""

    def __init__(self, connection: RedisConnection, observer: Observer) -> None:
        self._connection, self._observer = connection, observer
        self._sent = self._received = 0

    def note(self) -> None:
        """What has gone both ways since the last time."""
        sent, received = self._connection.sent, self._connection.received
        self._observer.moved(sent - self._sent, received - self._received)
        self._sent, self._received = sent, received


def spread(pause: float) -> float:
    """A pause between a half and three halves as long: workers that have lost the server at the
    same time do not all come back at the same time."""
    return pause * random.uniform(0.5, 1.5)


class RedisLink:
    """One per worker and configuration, and for each what wants to be told of it.

    ``resumes`` are called with every new connection, before any step, and may send steps.
    """

    def __init__(
        self,
        settings: StoreSettings,
        scripts: Sequence[Script],
        report: Report,
        observer: Observer,
    ) -> None:
        self.settings = settings
        self.up = False
        self.resumes: list[Callable[[], None]] = []
        self._scripts, self._report, self._observer = scripts, report, observer
        self._steps: list[Step] = []
        self._wake = asyncio.Event()
        self._told_down = False

    # -- steps ------------------------------------------------------------------------------

    def send(self, step: Step) -> None:
        """Its answer comes later, or a failure comes now or later."""
        if not self.up or len(self._steps) >= MOST_WAITING:
            step.answered(None)
            return
        self._steps.append(step)
        self._wake.set()

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keeps a connection until it is cancelled; then sends what is left, if that is quick."""
        pause = SHORTEST_PAUSE
        try:
            while True:
                try:
                    connection = await self._connect()
                except FAILURES as error:
                    self._fail(error)
                else:
                    if await self._use(connection):
                        pause = SHORTEST_PAUSE
                await asyncio.sleep(spread(pause))
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self.up = False
            self._drop([])

    async def _connect(self) -> RedisConnection:
        connection = await connect(self.settings)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                loads = [("SCRIPT", "LOAD", script.text) for script in self._scripts]
                digests = [partial(eq, script.digest.encode()) for script in self._scripts]
                await connection.exchange(loads, digests)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _use(self, connection: RedisConnection) -> bool:
        """Until it fails; whether anything was answered."""
        self.up, was_answered = True, False
        self._observer.connected()
        moved = Moved(connection, self._observer)
        if self._told_down:
            self._report("connected", False)
            self._told_down = False
        for resume in self.resumes:
            resume()
        batch: list[Step] = []
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._steps:
                    batch, self._steps = self._steps[:MOST_AT_ONCE], self._steps[MOST_AT_ONCE:]
                    begun = time.monotonic()
                    async with asyncio.timeout(self.settings.timeout):
                        fits = [x.fits for x in batch]
                        answers = await connection.exchange([x.words for x in batch], fits)
                    self._observer.exchanged(len(batch), time.monotonic() - begun)
                    moved.note()
                    for step, answer in zip(batch, answers, strict=True):
                        step.answered(answer)
                    batch, was_answered = [], True
        except asyncio.CancelledError:
            await self._finish(connection, batch)
            raise
        except FAILURES as error:
            self._fail(error, batch)
        finally:
            connection.close()
        return was_answered

    async def _finish(self, connection: RedisConnection, batch: list[Step]) -> None:
        """What requests have left at the end of the worker; a batch under way is lost."""
        self.up = False
        if batch or not self._steps:
            return
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(self.settings.timeout):
                await connection.exchange([x.words for x in self._steps])

    def _fail(self, error: BaseException, batch: Sequence[Step] = ()) -> None:
        self.up = False
        self._observer.failed()
        if not self._told_down:
            reason = str(error) or "no response in time"
            self._report(f"cannot be used ({reason})", True)
            self._told_down = True
        self._drop(batch)

    def _drop(self, batch: Sequence[Step]) -> None:
        dropped, self._steps = [*batch, *self._steps], []
        for step in dropped:
            step.answered(None)


async def ask(
    link: RedisLink, script: Script, keys: Sequence[Word], words: Sequence[Word], fits: Fits
) -> Any:
    """The answer of the server; raises StoreDown.  Not for steps that must be undone if the
    request ends meanwhile."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answered(answer: Any) -> None:
        if not future.done():
            future.set_result(answer)

    link.send(Step(script.call(keys, words), answered, fits))
    answer = await future
    if answer is None:
        raise StoreDown
    return answer
