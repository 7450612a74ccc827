"""resp: replies of Redis servers, also of ones that send what they should not."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from pyngx_jwt.zones.resp import BadReply, Replies, ServerError, pack

LONGEST = 1 << 20


def read(*pieces: bytes, longest: int = LONGEST, count: int = 1) -> list[Any]:
    """The first replies of a server that sends these pieces and closes the connection."""

    async def run() -> list[Any]:
        stream = asyncio.StreamReader()
        replies = Replies(stream, longest)

        async def send(data: Iterable[bytes]) -> None:
            for piece in data:
                stream.feed_data(piece)
                await asyncio.sleep(0)
            stream.feed_eof()

        sending = asyncio.get_running_loop().create_task(send(pieces))
        try:
            return [await replies.read() for _ in range(count)]
        finally:
            sending.cancel()

    return asyncio.run(run())


WHOLE = [
    (b"+OK\r\n", b"OK"),
    (b"+\r\n", b""),
    (b":0\r\n", 0),
    (b":-12\r\n", -12),
    (b"$3\r\na\r\n\r\n", b"a\r\n"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+b\r\n", [1, [b"a", []], b"b"]),
    (b"*1\r\n*1\r\n*1\r\n:1\r\n", [[[1]]]),
    (b"*1\r\n$5000\r\n" + b"x" * 5000 + b"\r\n", [b"x" * 5000]),
]


@pytest.mark.parametrize(("raw", "expected"), WHOLE)
def test_replies(raw: bytes, expected: object) -> None:
    assert read(raw) == [expected]
    assert read(*(bytes([octet]) for octet in raw)) == [expected]


def test_replies_that_arrive_together() -> None:
    raw = b"".join(one for one, _ in WHOLE)
    assert read(raw, count=len(WHOLE)) == [expected for _, expected in WHOLE]


@pytest.mark.parametrize(
    "raw",
    [
        *(b"\r\n", b"x\r\n", b"\xff\0\r\n", b"_\r\n", b"%1\r\n+a\r\n+b\r\n", b">1\r\n+a\r\n"),
        *(b":\r\n", b":x\r\n", b": 1\r\n", b":1_0\r\n", b":+1\r\n", b":" + b"9" * 20 + b"\r\n"),
        *(b"$-2\r\n", b"$x\r\n", b"$\r\n", b"$1\r\nab\r\n", b"$2\r\na\r\n\r\n", b"$1000000000\r\n"),
        *(b"*-2\r\n", b"*\r\n", b"*1000000000\r\n", b"*20000\r\n", b"*1\r\n-ERR x\r\n"),
        b"*1\r\n" * 100_000,
        b"*1000\r\n" * 1000,
        b"*2\r\n$600000\r\n" + b"x" * 600_000 + b"\r\n$600000\r\n",
        b"*10000\r\n" + b"+" + b"x" * 3000 + b"\r\n" + (b"+" + b"x" * 3000 + b"\r\n") * 400,
        b"+" + b"x" * 100_000,
        b"-" + b"x" * 100_000 + b"\r\n",
    ],
)
def test_what_is_no_reply(raw: bytes) -> None:
    """And takes no memory."""
    tracemalloc.start()
    try:
        with pytest.raises(BadReply):
            read(raw)
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("raw", [b"", b"+OK\r", b"$5\r\nab", b"*2\r\n:1\r\n", b"*1\r\n"])
def test_replies_without_an_end(raw: bytes) -> None:
    with pytest.raises(ConnectionError, match="the connection was closed"):
        read(raw)


def test_errors_are_printable() -> None:
    with pytest.raises(ServerError) as caught:
        read(b"-ERR \x1b[31m\xe9\n\r\n")
    assert str(caught.value) == "ERR ?[31m??"


def test_commands() -> None:
    assert pack([("GET", b"\xff\0"), ("SET", "é", 12)]) == (
        b"*2\r\n$3\r\nGET\r\n$2\r\n\xff\0\r\n*3\r\n$3\r\nSET\r\n$1\r\n\xe9\r\n$2\r\n12\r\n"
    )
