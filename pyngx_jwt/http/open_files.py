"""Descriptors that stay open between requests (ngx_open_file_cache)."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import NamedTuple

from .files import FileAccess
from .request import Request

MOST_EXPIRED = 2  # with each file that is opened


class KnownFile:
    """A path that was opened lately: a descriptor, the error of opening it, or neither, while it
    has not been used often enough.  Times are those of a monotonic clock."""

    __slots__ = ("checked", "error", "fd", "used", "uses")

    def __init__(self, used: float) -> None:
        self.used = used
        self.uses = 0
        self.fd = -1
        self.error = 0
        self.checked = 0.0  # when it was opened

    def forget(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.error = -1, 0


class Keeping(NamedTuple):
    """What a location says of a cache of open files; seconds."""

    valid: float
    min_uses: int
    errors: bool


class OpenFiles:
    """One "open_file_cache", as one process has it: the files that were used last."""

    def __init__(self, most: int, inactive: float) -> None:
        self.most, self.inactive = most, inactive
        self.files: OrderedDict[Hashable, KnownFile] = OrderedDict()

    def open(self, key: Hashable, keeping: Keeping, open_new: Callable[[], int]) -> int:
        """A descriptor of the caller's own; raises OSError."""
        file, now = self._use(key)
        if self._is_known(file, now, keeping):
            return os.dup(file.fd)
        try:
            fd = open_new()
        except OSError as error:
            self._note_error(file, now, keeping, error)
            raise
        if file.uses >= keeping.min_uses:
            file.fd, file.checked = os.dup(fd), now
        return fd

    def stat(
        self, key: Hashable, keeping: Keeping, stat_new: Callable[[], os.stat_result]
    ) -> os.stat_result:
        """What is known of the file, or is found out now; raises OSError."""
        file, now = self._use(key)
        if self._is_known(file, now, keeping):
            return os.fstat(file.fd)
        try:
            return stat_new()
        except OSError as error:
            self._note_error(file, now, keeping, error)
            raise

    def close(self) -> None:
        while self.files:
            self._remove_oldest()

    def _use(self, key: Hashable) -> tuple[KnownFile, float]:
        file, now = self.files.get(key), monotonic()
        if file is None:
            self._expire(now)
            file = self.files[key] = KnownFile(now)
        else:
            self.files.move_to_end(key)
        file.used, file.uses = now, file.uses + 1
        return file, now

    def _is_known(self, file: KnownFile, now: float, keeping: Keeping) -> bool:
        """Whether a descriptor can be used; raises the error that is remembered."""
        if now - file.checked >= keeping.valid:
            file.forget()
        if file.error and keeping.errors:
            raise OSError(file.error, os.strerror(file.error))
        return file.fd >= 0

    def _note_error(self, file: KnownFile, now: float, keeping: Keeping, error: OSError) -> None:
        if keeping.errors and error.errno:
            file.error, file.checked = error.errno, now

    def _expire(self, now: float) -> None:
        """Makes room for one more, and removes some that were not used for long."""
        if len(self.files) >= self.most:
            self._remove_oldest()
        for _ in range(MOST_EXPIRED):
            oldest = next(iter(self.files.values()), None)
            if oldest is None or now - oldest.used < self.inactive:
                return
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        _, file = self.files.popitem(last=False)
        file.forget()


def kept_open(
    access: FileAccess, files: OpenFiles, keeping: Keeping, kind: Callable[[Request], Hashable]
) -> FileAccess:
    """The same access by way of a cache; `kind` is what else than the path decides about it."""

    def open_kept(r: Request, path: str) -> int:
        return files.open((path, kind(r)), keeping, lambda: access.open(r, path))

    def stat_kept(r: Request, path: str) -> os.stat_result:
        return files.stat((path, kind(r)), keeping, lambda: access.stat(r, path))

    return FileAccess(open_kept, stat_kept, access.open_call, access.stat_call)
