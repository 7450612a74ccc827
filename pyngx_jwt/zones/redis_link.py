"""A worker's connection to a Redis or Valkey server: steps are sent in batches, and never block.

What is asked while an exchange is under way goes together in the next one, so that the cost of a
step falls as there are more of them.  A step fails if the server does not answer in time; the
connection is then given up, because a late answer would be taken for that of another step, and
later steps fail at once until there is a new connection.  The only file that knows redis.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple

from .store import StoreDown, StoreSettings

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

MOST_AT_ONCE = 256  # steps of one exchange
MOST_WAITING = 20_000  # steps; more of them fail at once
CONNECT_TIMEOUT = 1.0  # seconds
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts to connect
Word = bytes | str | int


def new_connection(settings: StoreSettings) -> AbstractConnection:
    """A connection that is not open yet.  Raises ValueError."""
    from redis.asyncio.connection import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "socket_timeout": None,  # a batch has a deadline as a whole
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
    }
    if settings.password:
        options["password"] = settings.password
    if settings.ca_file and settings.url.startswith("rediss:"):
        options["ssl_ca_certs"] = settings.ca_file
    pool = ConnectionPool.from_url(settings.url, **options)
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    return connection


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


class Step(NamedTuple):
    """A command; ``answered`` gets the result, or None if it has failed."""

    words: tuple[Word, ...]
    answered: Answered


def forget(answer: Any) -> None:
    """For a command whose answer is of no interest."""


Report = Callable[[str, bool], None]  # a text, and whether it is of a failure


class RedisLink:
    """One per worker and configuration, and for each what wants to be told of it.

    ``resumes`` are called with every new connection, before any step, and may send steps.
    """

    def __init__(self, settings: StoreSettings, scripts: Sequence[Script], report: Report) -> None:
        self.settings = settings
        self.up = False
        self.resumes: list[Callable[[], None]] = []
        self._scripts, self._report = scripts, report
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
                except errors() as error:
                    self._fail(error)
                else:
                    pause = SHORTEST_PAUSE
                    await self._use(connection)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self.up = False
            self._drop([])

    async def _connect(self) -> AbstractConnection:
        connection = new_connection(self.settings)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT + self.settings.timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
                for script in self._scripts:
                    await exchange(connection, [("SCRIPT", "LOAD", script.text)])
        except BaseException:
            await close(connection)
            raise
        return connection

    async def _use(self, connection: AbstractConnection) -> None:
        self.up = True
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
                    async with asyncio.timeout(self.settings.timeout):
                        answers = await exchange(connection, [x.words for x in batch])
                    for step, answer in zip(batch, answers, strict=True):
                        step.answered(answer)
                    batch = []
        except asyncio.CancelledError:
            await self._finish(connection, batch)
            raise
        except errors() as error:
            self._fail(error, batch)
        finally:
            await close(connection)

    async def _finish(self, connection: AbstractConnection, batch: list[Step]) -> None:
        """What requests have left at the end of the worker; a batch under way is lost."""
        self.up = False
        if batch or not self._steps:
            return
        with contextlib.suppress(*errors()):
            async with asyncio.timeout(self.settings.timeout):
                await exchange(connection, [x.words for x in self._steps])

    def _fail(self, error: BaseException, batch: Sequence[Step] = ()) -> None:
        self.up = False
        if not self._told_down:
            reason = str(error) or "no answer in time"
            self._report(f"cannot be used ({reason})", True)
            self._told_down = True
        self._drop(batch)

    def _drop(self, batch: Sequence[Step]) -> None:
        dropped, self._steps = [*batch, *self._steps], []
        for step in dropped:
            step.answered(None)


async def ask(link: RedisLink, script: Script, keys: Sequence[Word], words: Sequence[Word]) -> Any:
    """The answer of the server; raises StoreDown.  Not for steps that must be undone if the
    request ends meanwhile."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answered(answer: Any) -> None:
        if not future.done():
            future.set_result(answer)

    link.send(Step(script.call(keys, words), answered))
    answer = await future
    if answer is None:
        raise StoreDown
    return answer


async def exchange(connection: AbstractConnection, commands: Sequence[Sequence[Word]]) -> list[Any]:
    """The answers to all of them; an error is raised, and the connection is of no use then."""
    packed = connection.pack_commands(commands)
    await connection.send_packed_command(packed)
    return [await connection.read_response() for _ in commands]


def errors() -> tuple[type[BaseException], ...]:
    from redis.exceptions import RedisError

    return RedisError, OSError, TimeoutError


async def close(connection: AbstractConnection) -> None:
    closing: Awaitable[None] = connection.disconnect(nowait=True)
    with contextlib.suppress(*errors()):
        await closing
