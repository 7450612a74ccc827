"""A client's HTTP/2 connection, against whatever bytes a server may send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import write_block
from pyngx_jwt.upstream.client import PeerSettings
from pyngx_jwt.upstream.errors import BadResponse, UpstreamError
from pyngx_jwt.upstream.http2 import HTTP2, WINDOW, Http2Connection, read_response

from ..wire import DEADLINE
from .peers import ADDRESS, Transport

HEAD = b":method: POST\r\n:scheme: http\r\n:path: /\r\n:authority: a\r\nx: y\r\n\r\n"


class Talk:
    """A connection that has sent the beginning of a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.transport = loop, Transport()
        self.connection = Http2Connection(loop, ADDRESS)
        self.connection.connection_made(self.transport)
        self.begin()

    def begin(self, *, more: bool = True) -> None:
        settings = PeerSettings(pass_trailers=True)
        self.connection.begin(HEAD, settings, more=more, reader=HTTP2)

    def read(self) -> bytes:
        """The body, once the server has sent it."""

        async def all_of_it() -> bytes:
            response = await self.connection.receive()
            parts = [response.body or b""]
            if response.body is None:
                while (data := await self.connection.read()) is not None:
                    parts.append(data)
            return b"".join(parts)

        return self.loop.run_until_complete(asyncio.wait_for(all_of_it(), DEADLINE))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    yield found
    found.close()


def response(body: bytes = b"hello", number: int = 1) -> list[bytes]:
    block = write_block([(":status", "200"), ("content-length", str(len(body)))])
    return [
        frames.settings([(4, 100)]),
        frames.headers(number, block, False, 16384),
        frames.frame(frames.DATA, 0, number, body[:2]),
        frames.window_update(number, 5),
        frames.frame(frames.DATA, 0, number, body[2:]),
        frames.headers(number, write_block([("x", "y")]), True, 16384),
        frames.rst_stream(number, 0),
        frames.frame(frames.PING, 0, 0, bytes(8)),
    ]


@given(st.lists(st.integers(1, 200), max_size=20))
def test_frames_in_any_pieces(loop: asyncio.AbstractEventLoop, cuts: list[int]) -> None:
    talk, data = Talk(loop), b"".join(response())
    for cut in cuts:
        talk.connection.data_received(data[:cut])
        data = data[cut:]
    talk.connection.data_received(data)
    assert talk.read() == b"hello"
    found = talk.connection.response
    assert found is not None and found.trailers == [("x", "y")]
    assert not talk.connection.reusable  # the request is not complete


@given(st.data())
def test_any_change_is_an_error_or_none(
    loop: asyncio.AbstractEventLoop, data: st.DataObject
) -> None:
    """Whatever is sent, the user gets a response or an UpstreamError, and nothing else happens."""
    parts = response()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(parts) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "swap", "byte", "insert"]))
        if kind == "drop":
            parts[at] = b""
        elif kind == "double":
            parts.insert(at, parts[at])
        elif kind == "swap":
            parts[at], parts[0] = parts[0], parts[at]
        elif kind == "byte" and parts[at]:
            changed = bytearray(parts[at])
            place = data.draw(st.integers(0, len(changed) - 1))
            changed[place] = data.draw(st.integers(0, 255))
            parts[at] = bytes(changed)
        else:
            parts.insert(at, data.draw(st.binary(max_size=30)))
    talk = Talk(loop)
    for part in parts:
        talk.connection.data_received(part)
    talk.connection.connection_lost(None)
    try:
        body = talk.read()
    except UpstreamError as error:
        assert str(error).startswith("upstream ")
    else:
        assert len(body) <= 60


@given(st.binary(max_size=200))
def test_bytes_between_requests_end_the_connection_or_not(
    loop: asyncio.AbstractEventLoop, data: bytes
) -> None:
    talk = Talk(loop)
    talk.begin(more=False)
    ended: list[Http2Connection] = []
    talk.connection.data_received(b"".join(response(number=3)))
    assert talk.connection.reusable
    talk.connection.park(60, lambda one: ended.append(talk.connection))
    talk.connection.data_received(data)
    talk.connection.data_received(frames.goaway(0, 0) * 2)
    talk.connection.data_received(bytes(100_000))
    assert talk.transport.closed == bool(ended)
    talk.connection.close()


def test_window_grows_with_what_is_read(loop: asyncio.AbstractEventLoop) -> None:
    talk = Talk(loop)
    block = write_block([(":status", "200")])
    talk.connection.data_received(frames.headers(1, block, False, 16384))
    piece = frames.frame(frames.DATA, 0, 1, bytes(16384))
    for _ in range(WINDOW // 16384):
        talk.connection.data_received(piece)
    talk.loop.run_until_complete(asyncio.sleep(0))
    update = frames.window_update(1, WINDOW)
    assert update not in talk.transport.written
    assert talk.loop.run_until_complete(talk.connection.read()) == bytes(WINDOW)
    talk.loop.run_until_complete(asyncio.sleep(0))
    assert update in talk.transport.written
    talk.connection.data_received(piece * (WINDOW // 16384) + piece)
    with pytest.raises(BadResponse, match="violated flow control"):
        talk.read()


def test_what_waits_for_a_window_is_joined(loop: asyncio.AbstractEventLoop) -> None:
    talk = Talk(loop)

    async def write(data: bytes, *, more: bool) -> None:
        talk.connection.write(data, more=more)
        await asyncio.wait_for(talk.connection.drain(), DEADLINE)

    loop.run_until_complete(write(bytes(65536), more=True))  # one more than the window
    loop.run_until_complete(write(bytes(9), more=True))
    talk.transport.written = b""
    talk.connection.data_received(frames.window_update(0, 10) + frames.window_update(1, 10))
    assert talk.transport.written == frames.frame(frames.DATA, 0, 1, bytes(10))
    with pytest.raises(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(write(bytes(20000), more=True), 0.05))
    talk.connection.close()


def test_requests_are_written_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """The head and what is there of the body, in the order of their frames."""
    transport, connection = Transport(), Http2Connection(loop, ADDRESS)
    connection.connection_made(transport)
    greeting = len(transport.written)
    connection.begin(HEAD + b"abc", PeerSettings(), reader=HTTP2)
    loop.run_until_complete(asyncio.sleep(0))
    sent = transport.written[greeting:]
    word, flags, number = frames.header_at(sent, 0)
    assert (word & 0xFF, flags, number) == (frames.HEADERS, frames.END_HEADERS, 1)
    assert sent.endswith(frames.frame(frames.DATA, frames.END_STREAM, 1, b"abc"))
    connection.close()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([], "no :status header"),
        ([("x", "y")], "no :status header"),
        ([(":status", "200"), (":status", "200")], "duplicate :status header"),
        ([(":status", "2000")], 'invalid :status "2000"'),
        ([(":status", "²00")], 'invalid :status "²00"'),
        ([(":status", "199")], 'unexpected :status "199"'),
        ([(":status", "200"), ("x", "a\0")], 'invalid header: "x: a\0"'),
    ],
)
def test_heads_that_cannot_be(fields: list[tuple[str, str]], text: str) -> None:
    with pytest.raises(BadResponse) as caught:
        read_response(fields, 0)
    assert str(caught.value) == f"upstream sent {text}"
