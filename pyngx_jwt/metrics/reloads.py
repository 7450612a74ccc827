"""What the master says of configurations: when they were loaded, and whether that went well."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import NamedTuple

from .kinds import RELOADS, RESTARTS
from .tallies import Tallies


class ReloadState(NamedTuple):
    """Times are in milliseconds since the epoch."""

    is_good: int
    loaded: int
    tried: int
    hash: int
    successes: int
    failures: int


def hash_of(files: Iterable[tuple[str, str]]) -> int:
    """A number of 48 bits, which a metric can hold, for the files of a configuration."""
    digest = hashlib.sha256()
    for path, text in files:
        digest.update(f"{path}\0{text}\0".encode("utf-8", "surrogateescape"))
    return int.from_bytes(digest.digest()[:6], "big")


def reload_state(tallies: Tallies) -> ReloadState | None:
    """What was noted last, None before anything was."""
    found = tallies.totals(RELOADS).get(())
    return None if found is None else ReloadState(*found)


def note_loaded(tallies: Tallies, hash: int, *, is_reload: bool) -> None:
    """A configuration is in force."""
    now, before = int(time.time() * 1000), reload_state(tallies)
    successes = before.successes if before else 0
    failures = before.failures if before else 0
    state = ReloadState(1, now, now, hash, successes + is_reload, failures)
    tallies.put(RELOADS, (), tuple(state))


def note_rejected(tallies: Tallies) -> None:
    """Another configuration was to take the place of this one, and cannot."""
    before = reload_state(tallies)
    if before is not None:
        now = int(time.time() * 1000)
        state = before._replace(is_good=0, tried=now, failures=before.failures + 1)
        tallies.put(RELOADS, (), tuple(state))


def note_restart(tallies: Tallies) -> None:
    """A worker is started in the place of one that has ended."""
    tallies.row(RESTARTS).add(0)
    tallies.flush()
