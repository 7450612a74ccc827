"""What workers share of the keys that they fetch, and their claims to fetch them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pyngx_jwt.http.request import Request
from pyngx_jwt.jwt import KeySet
from pyngx_jwt.modules.auth_jwt import key_request
from pyngx_jwt.modules.auth_jwt.key_request import KeyRequest
from pyngx_jwt.modules.auth_jwt.key_sets import Failure, KeySets
from pyngx_jwt.modules.auth_jwt.shelf import KeyShelf
from pyngx_jwt.zones import ZoneDirectory, Zones

from ..jwt.keys import jwks
from .tokens import KEY

A, B = 1001, 1002  # workers


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[KeyShelf]:
    folder, zones = ZoneDirectory.make(base=str(tmp_path)), Zones()
    one = KeyShelf()
    one.store = zones.add("one", 1 << 20, "test").dictionary()
    zones.start(folder)
    yield one
    zones.close()
    folder.remove()


def test_a_claim_that_was_lost_is_not_given_back(
    shelf: KeyShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that takes longer than its claim lasts leaves alone that of the next."""

    def worker(pid: int) -> KeyShelf:
        monkeypatch.setattr(os, "getpid", lambda: pid)
        return shelf

    assert worker(A).claim(b"k", 0)  # it has ended already
    assert worker(B).claim(b"k", 60)
    worker(A).release(b"k")
    assert not worker(A).claim(b"k", 60)
    worker(B).release(b"k")
    assert worker(A).claim(b"k", 60)


def test_a_text_that_was_asked_for_earlier_replaces_no_later_one(shelf: KeyShelf) -> None:
    """Its answer took longer; what comes from a clock that was wrong counts for nothing."""
    now = time.time()
    for asked, text, found in (
        (now - 5, b"one", b"one"),
        (now - 9, b"slow", b"one"),
        (now - 5, b"two", b"two"),
        (now - 3, b"three", b"three"),
        (now + 3600, b"wrong", b"wrong"),
        (now - 1, b"four", b"four"),
    ):
        shelf.put(b"k", text, 60, asked)
        kept = shelf.get(b"k")
        assert kept is not None and kept[2] == found


def test_keys_that_were_withdrawn_do_not_come_back(shelf: KeyShelf) -> None:
    """Neither does a withdrawal that was found out earlier take what was asked for later."""
    now = time.time()
    shelf.put(b"k", b"one", 60, now - 9)
    shelf.drop(b"k", 60, now - 5)
    assert shelf.get(b"k") is None
    shelf.put(b"k", b"slow", 60, now - 7)
    assert shelf.get(b"k") is None
    shelf.put(b"k", b"two", 60, now - 1)
    shelf.drop(b"k", 60, now - 3)
    kept = shelf.get(b"k")
    assert kept is not None and kept[2] == b"two"


class Answers(KeyRequest):
    """Keys of a location that always answers, on a clock that is set."""

    __slots__ = ()

    async def _answer(self, r: Request, refresh: bool) -> tuple[KeySet | Failure, float]:
        return self._parse(jwks(KEY).encode(), None), time.time()


@pytest.mark.interpreted("derives a class")
@pytest.mark.parametrize("refreshed", [10, 60, 98])
def test_keys_are_fetched_in_time_after_a_refresh(
    monkeypatch: pytest.MonkeyPatch, refreshed: int
) -> None:
    """The pause of what fetches them early depends on their age, whoever had them fetched."""
    clock = [1000.0]
    monkeypatch.setattr(key_request, "time", Clock(clock))
    request, r = Answers("/keys", 100, 100, KeySets()), cast(Request, None)

    async def play() -> None:
        await request.fetch_early(r)
        wakes = clock[0] + 0.99 * request.pause
        clock[0] += refreshed
        await request.refresh(r, by_kid=True)
        for _ in range(5):
            clock[0] = wakes
            assert request.state is not None
            await request.fetch_early(r)
            wakes += 0.99 * request.pause

    asyncio.run(play())


class Clock:
    """Stands for the module `time`."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, now: list[float]) -> None:
        self.time = lambda: now[0]
