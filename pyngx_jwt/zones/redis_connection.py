"""A connection to a Redis or Valkey server: to one at an address, to the one that Sentinels name,
or to the node of a cluster that has the keys of this installation.

Everything that can fail raises one of `FAILURES`, and a connection that has failed is of no use
any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from .resp import BadReply, Replies, ServerError, Word, is_ok, pack
from .store_url import CLUSTER, SENTINEL, UNIX, Place, StoreSettings

CONNECT_TIMEOUT: Final = 1.0  # seconds, for each server that has to be asked
LONGEST: Final = 1 << 20  # bytes of an answer to a step
MOST_MOVES: Final = 4  # between nodes of a cluster
FAILURES: Final = (ServerError, BadReply, OSError, TimeoutError)
Fits = Callable[[Any], bool]
Commands = Sequence[Sequence[Word]]


class RedisConnection:
    """One that is open."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, longest: int
    ) -> None:
        self._writer, self._replies = writer, Replies(reader, longest)
        self.sent = 0  # bytes, since the beginning

    @property
    def received(self) -> int:
        """Bytes, since the beginning."""
        return self._replies.received

    async def exchange(self, commands: Commands, fits: Sequence[Fits] = ()) -> list[Any]:
        """The answers to all of them; an error, or an answer that does not fit, is raised.

        What the server has sent beyond that would be taken for answers to other commands."""
        packed = pack(commands)
        self._writer.write(packed)
        self.sent += len(packed)
        await self._writer.drain()
        answers = list[Any]()
        for number in range(len(commands)):
            answer = await self._replies.read()
            if fits and not fits[number](answer):
                raise BadReply
            answers.append(answer)
        if not self._replies.is_empty:
            raise BadReply
        return answers

    def close(self) -> None:
        """At once: nothing that is under way matters."""
        self._writer.transport.abort()


async def connect(settings: StoreSettings, longest: int = LONGEST) -> RedisConnection:
    """Raises one of FAILURES."""
    url = settings.url
    if url.kind == UNIX:
        return await _open(settings, None, longest)
    find = {SENTINEL: _named_by_sentinel, CLUSTER: _in_cluster}.get(url.kind, _open)
    failure: BaseException = ConnectionError("no server")
    for place in url.places:
        try:
            return await find(settings, place, longest)
        except FAILURES as error:
            failure = error
    raise failure


async def _open(settings: StoreSettings, place: Place | None, longest: int) -> RedisConnection:
    """A connection to a server with the data; None is the socket of the URL."""
    commands = list[Sequence[Word]]()
    if settings.password:
        user = [settings.user] if settings.user else []
        commands.append(("AUTH", *user, settings.password))
    if settings.url.db:
        commands.append(("SELECT", settings.url.db))
    return await _dial(settings, place, commands, longest)


async def _dial(
    settings: StoreSettings, place: Place | None, commands: Commands, longest: int
) -> RedisConnection:
    async with asyncio.timeout(CONNECT_TIMEOUT):
        if place is None:
            reader, writer = await asyncio.open_unix_connection(settings.url.path)
        else:
            name = (settings.server_name or place[0]) if settings.tls is not None else None
            try:
                reader, writer = await asyncio.open_connection(
                    place[0], place[1], ssl=settings.tls, server_hostname=name
                )
            except ValueError as error:  # of a host that cannot be the name of one
                raise OSError(str(error)) from None
        connection = RedisConnection(reader, writer, longest)
        try:
            await connection.exchange(commands, [is_ok] * len(commands))
        except BaseException:
            connection.close()
            raise
    return connection


# -- Sentinel ---------------------------------------------------------------------------------


async def _named_by_sentinel(
    settings: StoreSettings, place: Place, longest: int
) -> RedisConnection:
    """To the primary.  It is asked whether it is one: a Sentinel can be late."""
    connection = await _open(settings, await _primary(settings, place), longest)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            (role,) = await connection.exchange([("ROLE",)])
        if not isinstance(role, list) or not role or role[0] != b"master":
            raise ConnectionError("the server that the Sentinel names is not a primary")
    except BaseException:
        connection.close()
        raise
    return connection


async def _primary(settings: StoreSettings, place: Place) -> Place:
    secret = settings.sentinel_password
    connection = await _dial(settings, place, [("AUTH", secret)] if secret else [], LONGEST)
    service = settings.url.service
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
            (answer,) = await connection.exchange([question])
    finally:
        connection.close()
    if answer is None:
        raise ConnectionError(f'the Sentinel knows no "{service}"')
    if not isinstance(answer, list) or len(answer) != 2:
        raise BadReply
    return _place(*answer)


def _place(host: Any, port: Any) -> Place:
    """An address that a server names."""
    if not isinstance(host, bytes) or not isinstance(port, bytes):
        raise BadReply
    if not host.isascii() or not port.isdigit() or len(port) > 5:
        raise BadReply
    return host.decode("ascii"), int(port)


# -- Redis Cluster ----------------------------------------------------------------------------


async def _in_cluster(settings: StoreSettings, place: Place, longest: int) -> RedisConnection:
    """To the node that has all keys with the prefix: it has a hash tag, so that it is one."""
    for _ in range(MOST_MOVES):
        connection = await _open(settings, place, longest)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection.exchange([("EXISTS", f"{settings.prefix}node")], [_is_count])
        except ServerError as error:
            connection.close()
            place = _moved(str(error), place[0])
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise ConnectionError("the nodes of the cluster do not agree")


def _is_count(answer: Any) -> bool:
    return type(answer) is int and answer in (0, 1)


def _moved(text: str, host: str) -> Place:
    """The node that another one names ("MOVED slot host:port"); raises ServerError."""
    words = text.split(" ")
    if words[0] != "MOVED" or len(words) < 3:
        raise ServerError(text.encode("latin-1"))
    name, _, port = words[2].rpartition(":")
    return _place((name or host).encode("latin-1"), port.encode("latin-1"))
