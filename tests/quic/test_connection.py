"""What a connection does with frames of the client, without a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

aioquic = pytest.importorskip("aioquic.quic.connection")

from aioquic._buffer import Buffer  # noqa: E402

from pyngx_jwt.quic.connection import Connection  # noqa: E402

from ..steps import steps_of  # noqa: E402

RESET_STREAM = 4
STREAMS = 1000


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One whose client has sent many requests whole, as far as frames that reset streams go."""
    monkeypatch.setattr(
        aioquic.QuicConnection, "_handle_reset_stream_frame", lambda *arguments: None
    )
    connection: Any = Connection.__new__(Connection)
    whole = SimpleNamespace(receiver=SimpleNamespace(is_finished=True))
    connection._streams = {4 * count: whole for count in range(STREAMS)}
    connection._resets, connection._events = set(), []
    return connection


def reset(connection: Any, number: int) -> None:
    buf = Buffer(capacity=32)
    for value in (number, 7, 0):  # the stream, the code, and bytes of the stream
        buf.push_uint_var(value)
    buf.seek(0)
    connection._handle_reset_stream_frame(None, RESET_STREAM, buf)


def test_a_stream_is_reset_once(connection: Any) -> None:
    for number in (8, 8, 4, 8):
        reset(connection, number)
    assert [(event.stream_id, event.error_code) for event in connection._events] == [(8, 7), (4, 7)]


def test_resets_cost_the_same_however_many_there_are(connection: Any) -> None:
    def reset_all() -> None:
        for number in connection._streams:
            reset(connection, number)

    assert steps_of(reset_all) < 50 * STREAMS
    assert len(connection._events) == STREAMS


def test_resets_of_streams_that_are_over_are_not_kept(connection: Any) -> None:
    whole = connection._streams[0]
    for number in range(0, 40 * STREAMS, 4):
        connection._streams = {number: whole}
        reset(connection, number)
    assert len(connection._events) == 10 * STREAMS
    assert len(connection._resets) < 50
