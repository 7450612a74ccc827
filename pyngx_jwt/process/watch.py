"""Looks whether the files of a configuration have changed ("pyngx_watch").

The master does so once in a while.  It looks at what names lead to, so it sees files that are
replaced, and the link "..data" that Kubernetes points to another directory.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Sequence

CHANGED = "the files of the configuration have changed"
INTERVAL = 1.0  # seconds between two looks, at most
GRAIN = 10_000_000  # nanoseconds by which a file system's clock can be behind
LINKS = 16  # at most, on the way to a file

Identity = tuple[int, int, int, int] | None  # None: there is no such file
Names = Callable[[], Sequence[str]]


class Loading:
    """A configuration while it is loaded: what changes meanwhile may not be in force."""

    def __init__(self, began: int, texts: Sequence[tuple[str, str]] = ()) -> None:
        self._began = began  # in nanoseconds since the epoch
        self._texts = dict(texts)  # of files, as they were read

    def is_outdated(self, names: Iterable[str]) -> bool:
        """Whether one of the files is no longer what was loaded, as far as can be seen."""
        now = time.time_ns()
        return any(self._has_changed(name, now) for name in names)

    def _has_changed(self, name: str, now: int) -> bool:
        text, path = self._texts.get(name), name.encode("latin-1")
        try:
            if text is None:
                return self._began - GRAIN <= _changed_at(path) <= now
            with open(path, "rb") as file:
                return file.read() != text.encode("latin-1")
        except (OSError, ValueError):
            return text is not None


NOTHING = Loading(sys.maxsize)


class FileWatch:
    """The files of one configuration; `quiet` are the seconds in which nothing must change
    before it is loaded again.  Times are those of any clock, in seconds."""

    def __init__(self, names: Names, quiet: float, now: float, loading: Loading = NOTHING) -> None:
        self._names, self._quiet = names, quiet
        self.interval = min(INTERVAL, quiet or INTERVAL)
        self.next_look = now + self.interval
        self._seen = self._look()
        self._loaded = self._read()
        self._changed_at: float | None = None
        if loading.is_outdated(self._seen):
            self._loaded, self._changed_at = b"", now

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


def _changed_at(path: bytes, links: int = LINKS) -> int:
    """When the file, or a link on the way to it, has changed last: nanoseconds since the epoch."""
    latest = os.stat(path).st_ctime_ns if links == LINKS else 0
    while path not in (b"/", b""):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and links:
            there = os.path.join(os.path.dirname(path), os.readlink(path))
            latest = max(latest, status.st_ctime_ns, _changed_at(there, links - 1))
        path = os.path.dirname(path)
    return latest


def _identity(name: str) -> Identity:
    try:
        status = os.stat(name.encode("latin-1"))
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size
