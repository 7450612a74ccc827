"""Looks whether the files of a configuration have changed ("pyngx_watch").

The master does so once in a while.  It looks at what names lead to, so it sees files that are
replaced, and the link "..data" that Kubernetes points to another directory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

CHANGED = "the files of the configuration have changed"
INTERVAL = 1.0  # seconds between two looks, at most

Identity = tuple[int, int, int, int] | None  # None: there is no such file
Names = Callable[[], Sequence[str]]


class FileWatch:
    """The files of one configuration; `quiet` are the seconds in which nothing must change
    before it is loaded again.  Times are those of any clock, in seconds."""

    def __init__(self, names: Names, quiet: float, now: float) -> None:
        self._names, self._quiet = names, quiet
        self.interval = min(INTERVAL, quiet or INTERVAL)
        self.next_look = now + self.interval
        self._seen = self._look()
        self._loaded = self._read()
        self._changed_at: float | None = None

    def has_changed(self, now: float) -> bool:
        """Whether it is time to load the configuration again; once for each change."""
        if now < self.next_look:
            return False
        self.next_look = now + self.interval
        seen = self._look()
        if seen != self._seen:
            self._seen, self._changed_at = seen, now
        if self._changed_at is None or now - self._changed_at < self._quiet:
            return False
        self._changed_at = None
        content = self._read()
        if content == self._loaded:
            return False
        self._loaded = content
        return True

    def _look(self) -> dict[str, Identity]:
        return {name: _identity(name) for name in self._names()}

    def _read(self) -> bytes:
        """A digest of what is in the files."""
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(self._names()):
            digest.update(f"\0{name}\0".encode("latin-1"))
            try:
                with open(name.encode("latin-1"), "rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError:
                digest.update(b"-")
        return digest.digest()


def _identity(name: str) -> Identity:
    try:
        status = os.stat(name.encode("latin-1"))
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size
