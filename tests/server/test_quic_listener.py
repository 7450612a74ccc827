"""The connections of a UDP socket, without the socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aioquic")

from pyngx_jwt.server.quic import QuicListener


class Connection:
    """Notes what is done with it, and may fail."""

    def __init__(self, *, fails: bool) -> None:
        self.fails, self.done = fails, list[str]()

    def settle(self) -> None:
        if self.fails:
            raise RuntimeError
        self.done.append("settled")

    def receive(self, data: bytes, peer: object) -> None:
        self.settle()

    def ended(self, code: int, text: str) -> None:
        self.done.append("ended")


def test_a_bug_costs_one_connection_and_is_reported() -> None:
    errors: list[dict[str, object]] = []
    listener: Any = QuicListener.__new__(QuicListener)
    listener.front = SimpleNamespace(loop=SimpleNamespace(call_exception_handler=errors.append))
    bad, good = Connection(fails=True), Connection(fails=False)
    listener._touched = {bad: None, good: None}
    listener.settle()
    assert (bad.done, good.done) == (["ended"], ["settled"])
    assert [error["message"] for error in errors] == ["a connection failed"]


def test_a_connection_that_fails_is_not_settled() -> None:
    listener: Any = QuicListener.__new__(QuicListener)
    listener.front = SimpleNamespace(loop=SimpleNamespace(call_exception_handler=lambda _: None))
    bad = Connection(fails=True)
    listener._touched = {bad: None}
    listener._receive(bad, b"", None)
    assert not listener._touched
    assert bad.done == ["ended"]
