"""Windows, turns and limits of a connection, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import BlockReader, Field, write_block
from pyngx_jwt.http2.frames import Fault, Flood
from pyngx_jwt.http2.link import MAX_STUCK, Link
from pyngx_jwt.http2.stream import Stream

from ..steps import steps_of

HEAD = write_block([(":method", "GET"), (":path", "/")])


class Recorder:
    """A side that keeps what it is told."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.link = Link(self.loop, self, BlockReader("client", 8192, 32768), "client")
        self.told: list[str] = []
        self.sent = b""
        self.bodies: dict[int, bytes] = {}

    def begin_headers(self, number: int, flags: int) -> bool:
        return True

    def end_headers(self, number: int, fields: list[Field], length: int, end: bool) -> None:
        self.told.append(f"head {number} {dict(fields).get(':path')} {length} {end}")
        stream = Stream(self.link, number, 65535)
        self.link.streams[number] = stream

    def take_data(self, stream: Stream, data: bytes, end: bool) -> None:
        self.bodies[stream.id] = self.bodies.get(stream.id, b"") + data
        stream.in_closed = end

    def reset_by_peer(self, stream: Stream, code: int) -> None:
        self.told.append(f"reset {stream.id} {code}")

    def violated(self, stream: Stream, code: int, text: str) -> None:
        self.told.append(f"violated {stream.id} {code}")

    def goes_away(self, last: int, code: int) -> None:
        self.told.append(f"goaway {last} {code}")

    def note(self, text: str) -> None:
        self.told.append(text)

    def stray_data(self, number: int) -> None:
        self.told.append(f"data {number}")

    def put(self, data: bytes) -> None:
        self.sent += data

    def head(self, number: int, *, end: bool = True) -> None:
        self.link.feed(frames.headers(number, HEAD, end, 16384))

    def data(self) -> list[tuple[int, int, bool]]:
        """The DATA frames that were sent: stream, length, whether it is the last."""
        self.link.flush()
        found, at = [], 0
        while at < len(self.sent):
            word, flags, number = frames.header_at(self.sent, at)
            if word & 0xFF == frames.DATA:
                found.append((number, word >> 8, bool(flags & frames.END_STREAM)))
            at += frames.HEADER_SIZE + (word >> 8)
        self.sent = b""
        return found


@pytest.fixture
def side() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.loop.close()


def test_frames_in_pieces(side: Recorder) -> None:
    """Each byte of its own: padded, prioritized, continued."""
    sent = b"".join(
        (
            frames.frame(frames.HEADERS, 0x29, 1, b"\3\0\0\0\0\x10" + HEAD[:3] + b"\0\0\0"),
            frames.frame(frames.CONTINUATION, 0, 1, HEAD[3:4]),
            frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, HEAD[4:]),
            frames.frame(99, 0, 0, b"unknown"),
            frames.headers(3, HEAD, False, 16384),
            frames.frame(frames.DATA, frames.PADDED, 3, b"\2ab\0\0"),
            frames.frame(frames.DATA, frames.END_STREAM, 3, b"cd"),
            frames.rst_stream(3, 8),
            frames.goaway(0, 0),
        )
    )
    for at in range(len(sent)):
        side.link.feed(sent[at : at + 1])
    assert side.told == [
        f"head 1 / {len(HEAD)} True",
        "client sent frame with unknown type 99",
        f"head 3 / {len(HEAD)} False",
        "reset 3 8",
        "goaway 0 0",
    ]
    assert side.bodies == {3: b"abcd"} and not side.link.is_inside


def test_streams_take_turns_within_their_windows(side: Recorder) -> None:
    for number in (1, 3):
        side.head(number)
    one, three = side.link.streams[1], side.link.streams[3]
    side.link.pause()
    for stream in (one, three):
        stream.send(b"x" * 40000)
        stream.send_end()
    assert side.data() == []
    side.link.resume()
    assert side.data() == [
        (1, 16384, False),
        (3, 16384, False),
        (1, 16384, False),
        (3, 16383, False),
    ]
    assert side.link.send_window == 0
    side.link.feed(frames.window_update(0, 100000))
    assert side.data() == [(1, 7232, True), (3, 7233, True)]
    assert not one.unsent and one.out_closed and three.out_closed


def test_a_stream_without_a_window_does_not_hold_up_the_others(side: Recorder) -> None:
    side.link.feed(frames.settings([(frames.INITIAL_WINDOW_SIZE, 10)]))
    for number in (1, 3):
        side.head(number)
    side.link.streams[1].send(b"x" * 20)
    side.link.streams[3].send(b"y" * 5)
    assert side.data() == [(1, 10, False), (3, 5, False)]
    side.link.feed(frames.settings([(frames.INITIAL_WINDOW_SIZE, 13)]))
    assert side.data() == [(1, 3, False)]
    side.link.feed(frames.window_update(1, 100))
    assert side.data() == [(1, 7, False)]


def priority(number: int, depends_on: int, *, exclusive: bool = False) -> bytes:
    first = (depends_on | exclusive << 31).to_bytes(4)
    return frames.frame(frames.PRIORITY, 0, number, first + b"\x0f")


@pytest.mark.parametrize("said", [b"", priority(301, 0), priority(3, 1)])
def test_nothing_is_ordered_that_cannot_be_sent(side: Recorder, said: bytes) -> None:
    numbers = range(1, 257, 2)
    for number in numbers:
        side.head(number)
        side.link.streams[number].send(bytes(60000))
    side.link.feed(said)
    side.data()
    wider = b"".join(frames.window_update(number, 1) for number in numbers[2:])
    assert steps_of(lambda: side.link.feed(wider)) < 100 * len(numbers)
    assert side.data() == []
    assert steps_of(lambda: side.link.feed(frames.window_update(0, 1))) < 50 * len(numbers)
    assert sum(size for _, size, _ in side.data()) == 1


def test_those_that_are_alike_take_turns(side: Recorder) -> None:
    """And those that depend on another one wait until it has sent all."""
    side.head(1)
    side.link.streams[1].send(bytes(65535))
    for number in (3, 5, 7):
        side.head(number)
        side.link.streams[number].largest = 10
        side.link.streams[number].send(bytes(15))
    side.link.feed(priority(3, 5))
    side.data()
    side.link.feed(frames.window_update(0, 1000))
    sent = [(5, 10, False), (7, 10, False), (5, 5, False), (7, 5, False)]
    assert side.data() == [*sent, (3, 10, False), (3, 5, False)]


def test_priorities_that_move_many_streams_are_a_flood(side: Recorder) -> None:
    for number in range(1, 2001, 2):
        side.head(number)
    side.link.priorities_left = 1 << 20
    at, above = 0, 0
    with pytest.raises(Flood):
        for at in range(20000):
            number = 1 + 2 * (at % 1000)
            side.link.feed(priority(number, above, exclusive=True))
            above = number  # which all the others depend on
    assert at < 4000


def test_a_window_can_become_negative(side: Recorder) -> None:
    side.head(1)
    side.link.streams[1].send(b"x" * 100)
    assert side.data() == [(1, 100, False)]
    side.link.feed(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
    side.link.streams[1].send(b"x" * 100)
    assert side.data() == [] and side.link.streams[1].send_window == -100
    side.link.feed(frames.window_update(1, 101))
    assert side.data() == [(1, 1, False)]


def test_a_peer_that_only_pings_and_does_not_read(side: Recorder) -> None:
    side.link.pause()
    ping = frames.frame(frames.PING, 0, 0, b"12345678")
    with pytest.raises(Flood):
        side.link.feed(ping * (MAX_STUCK + 1))


def test_a_peer_that_sends_nothing_of_use(side: Recorder) -> None:
    unknown = frames.frame(20, 0, 0, b"x" * 1000)
    with pytest.raises(Flood):
        for _ in range(10000):
            side.link.feed(unknown)
    assert side.link.total_bytes < 9 << 20


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (
            frames.frame(frames.HEADERS, 0, 1, HEAD) + frames.frame(frames.PING, 0, 0, b"12345678"),
            1,
        ),
        (frames.frame(frames.HEADERS, 0, 1, HEAD) + frames.frame(frames.CONTINUATION, 4, 3), 1),
        (frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), 3),
    ],
)
def test_the_connection_ends(side: Recorder, data: bytes, code: int) -> None:
    with pytest.raises(Fault) as caught:
        side.link.feed(data)
    assert caught.value.code == code


def test_stray_data_and_too_large_frames(side: Recorder) -> None:
    side.link.largest_frame = 16384
    side.link.feed(frames.frame(frames.DATA, 0, 5, b"x"))
    assert side.told == ["data 5"]
    with pytest.raises(Fault, match="client sent too large http2 frame: 16385"):
        side.link.feed(b"\0\x40\1\0\0\0\0\0\1")


CHANGES = {
    "the connection's": frames.window_update(0, 1),
    "all streams'": frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)])
    + frames.settings([(frames.INITIAL_WINDOW_SIZE, 1)]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_windows_that_change_again_and_again(side: Recorder, change: bytes) -> None:
    """Each change looks at all streams: a client cannot make as many of them as it could send
    other frames."""
    side.link.feed(frames.settings([(frames.INITIAL_WINDOW_SIZE, 1 << 20)]))
    for number in range(1, 257, 2):
        side.head(number)
        side.link.streams[number].send(bytes(100_000))
    with pytest.raises(Flood):
        side.link.feed(change * 3500)
