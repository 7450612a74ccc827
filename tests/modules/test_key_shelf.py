"""What workers share of the keys that they fetch, and their claims to fetch them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyngx_jwt.modules.auth_jwt.shelf import KeyShelf
from pyngx_jwt.zones import ZoneDirectory, Zones

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
