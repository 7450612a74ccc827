"""A worker's connection to a Redis or Valkey server: steps are sent in batches, and never block.

What is asked while an exchange is under way goes together in the next one, so that the cost of a
step falls as there are more of them.  A step fails if the server does not answer in time; the
connection is then given up, because a late answer would be taken for that of another step, and
later steps fail at once until there is a new connection.  An answer that a step cannot have, or
that is too long, is none.  The only file that knows redis.
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
LONGEST = 1 << 20  # bytes of an answer to a step
Word = bytes | str | int


class BadAnswer(Exception):
    """An answer that no Redis server gives to this question."""

    def __init__(self) -> None:
        super().__init__("unexpected answer")


class BoundedReader:
    """What a connection reads, no more than so many bytes for an answer."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most, self._left = stream, most, most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def renew(self) -> None:
        """Another answer begins."""
        self._left = self._most

    async def read(self, size: int) -> bytes:
        return self._counted(await self._stream.read(size))

    async def readline(self) -> bytes:
        return self._counted(await self._stream.readline())

    async def readexactly(self, size: int) -> bytes:
        if size > self._left:
            raise BadAnswer
        return self._counted(await self._stream.readexactly(size))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise BadAnswer
        return data


def _parser(longest: int) -> Any:
    """The class of redis that reads answers, with a bound."""
    from redis.asyncio.connection import DefaultParser

    class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]
        _stream: Any

        def on_connect(self, connection: Any) -> None:
            super().on_connect(connection)
            self._stream = BoundedReader(self._stream, longest)

        async def read_response(self, *args: Any, **options: Any) -> Any:
            self._stream.renew()
            return await super().read_response(*args, **options)

    return BoundedParser


def new_connection(settings: StoreSettings, longest: int = LONGEST) -> AbstractConnection:
    """A connection that is not open yet, and whose answers have no more bytes than that.  Raises
    ValueError."""
    from redis.asyncio.connection import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "socket_timeout": None,  # a batch has a deadline as a whole
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
        "parser_class": _parser(longest),
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
Fits = Callable[[Any], bool]


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
                    if await self._use(connection):
                        pause = SHORTEST_PAUSE
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
                    digest = script.digest.encode()
                    await exchange(connection, [("SCRIPT", "LOAD", script.text)], [digest.__eq__])
        except BaseException:
            await close(connection)
            raise
        return connection

    async def _use(self, connection: AbstractConnection) -> bool:
        """Until it fails; whether anything was answered."""
        self.up, was_answered = True, False
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
                        fits = [x.fits for x in batch]
                        answers = await exchange(connection, [x.words for x in batch], fits)
                    for step, answer in zip(batch, answers, strict=True):
                        step.answered(answer)
                    batch, was_answered = [], True
        except asyncio.CancelledError:
            await self._finish(connection, batch)
            raise
        except errors() as error:
            self._fail(error, batch)
        finally:
            await close(connection)
        return was_answered

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


async def exchange(
    connection: AbstractConnection, commands: Sequence[Sequence[Word]], fits: Sequence[Fits] = ()
) -> list[Any]:
    """The answers to all of them; an error, or an answer that does not fit, is raised, and the
    connection is of no use then."""
    packed = connection.pack_commands(commands)
    await connection.send_packed_command(packed)
    answers = []
    for number in range(len(commands)):
        try:
            answer = await connection.read_response()
        except (ValueError, RecursionError, MemoryError):  # of the library's reader
            raise BadAnswer from None
        if fits and not fits[number](answer):
            raise BadAnswer
        answers.append(answer)
    return answers


def errors() -> tuple[type[BaseException], ...]:
    from redis.exceptions import RedisError

    return RedisError, OSError, TimeoutError, BadAnswer


async def close(connection: AbstractConnection) -> None:
    closing: Awaitable[None] = connection.disconnect(nowait=True)
    with contextlib.suppress(*errors()):
        await closing
