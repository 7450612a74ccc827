"""Frames of each type in several sizes, for the connection and for streams in several states."""

from __future__ import annotations

import pytest

from pyngx_jwt.http2 import frames

from ..nginx import Nginx
from .test_http2_frames import OPENED, POST, converse, get, server

__all__ = ["server"]  # a fixture

SIZES = (0, 1, 4, 5, 6, 8, 9, 16385)
PLACES = {"connection": 0, "idle": 1, "open": 1, "even": 2}
SIZE, PROTOCOL = "FRAME_SIZE_ERROR", "PROTOCOL_ERROR"
STREAMS = ("idle", "open", "even")

# By the type: what is expected of these sizes (of all others where there are none), in these places
# (in all others likewise): an error of the connection, or what is answered, mostly nothing.
Wanted = tuple[tuple[int, ...], tuple[str, ...], str]
EXPECTED: dict[int, tuple[Wanted, ...]] = {
    frames.DATA: (
        ((), ("connection",), PROTOCOL),
        ((16385,), ("open",), "HEADERS 1 413 | DATA 1 183 END | RST_STREAM 1 NO_ERROR"),
        ((), (), ""),
    ),
    frames.HEADERS: (((0,), (), SIZE), ((), (), PROTOCOL)),
    frames.PRIORITY: (((5,), ("even",), ""), ((5,), (), PROTOCOL), ((), (), SIZE)),
    frames.RST_STREAM: (((4,), ("connection",), PROTOCOL), ((4,), (), ""), ((), (), SIZE)),
    frames.SETTINGS: (
        ((), STREAMS, PROTOCOL),
        ((0, 6), (), "SETTINGS ACK"),
        ((), (), SIZE),
    ),
    frames.PUSH_PROMISE: (((), (), PROTOCOL),),
    frames.PING: (
        ((8,), ("connection",), "PING ACK 0000000100000001"),
        ((8,), (), PROTOCOL),
        ((), (), SIZE),
    ),
    frames.GOAWAY: (
        ((8, 9, 16385), ("connection",), ""),
        ((8, 9, 16385), (), PROTOCOL),
        ((), (), SIZE),
    ),
    frames.WINDOW_UPDATE: (((4,), (), ""), ((), (), SIZE)),
    frames.CONTINUATION: (((), (), PROTOCOL),),
    77: (((), (), ""),),
}


def expected(kind: int, size: int, place: str) -> list[str]:
    """The frames that come, after the server has acknowledged the first SETTINGS."""
    answer = next(
        answer
        for sizes, places, answer in EXPECTED[kind]
        if size in (sizes or SIZES) and place in (places or PLACES)
    )
    if answer in (SIZE, PROTOCOL):
        begun = place == "open" or (kind == frames.HEADERS and place == "idle" and size > 0)
        answer = f"GOAWAY {int(begun)} {answer} | closed"
    opened = ["WINDOW_UPDATE 1 2147418111"] if place == "open" else []
    return ["SETTINGS ACK", *opened, *filter(None, answer.split(" | "))]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", EXPECTED)
def test_sizes(server: Nginx, kind: int, place: str) -> None:
    before = get(1, POST, 4) if place == "open" else b""
    for size in SIZES:
        payload = (b"\0\0\0\1" * (size // 4 + 1))[:size]
        wanted = expected(kind, size, place)
        count = len([line for line in wanted if line != "closed"])
        sent = OPENED + before + frames.frame(kind, 0, PLACES[place], payload)
        assert (size, converse(server, sent, count)) == (size, wanted)
