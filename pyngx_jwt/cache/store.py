"""One cache, and a request's hold on one of its entries.

The names of the steps are ngx_http_file_cache.c's: a request opens the entry of its key, and
then is answered from it, or waits for another that fetches it, or fetches it itself and begins
an entry that it commits or frees.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time as clocks
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ConfError
from ..log import Severity
from ..zones.store import CacheIndex, Masks, Node, NodeState, Visit
from . import files
from .files import Report
from .settings import CacheSettings, HashedPath

_FORCED_TRIES = 20
_LONGEST_DELAY = 3600  # seconds until an entry that is not used has been removed
Headers = list[tuple[str, str]]


class CacheClock(NamedTuple):
    """Seconds since the epoch, and seconds of a clock that all processes share."""

    time: Callable[[], float] = clocks.time
    monotonic: Callable[[], float] = clocks.monotonic

    def milliseconds(self) -> int:
        return int(self.monotonic() * 1000)


class CachePolicy(NamedTuple):
    """What a location says of its cache; times are seconds, ``buffer_size`` is bytes.

    ``temp_path`` is proxy_temp_path, used unless the cache says use_temp_path=off.
    """

    temp_path: HashedPath
    buffer_size: int = 4096
    min_uses: int = 1
    lock: bool = False
    lock_timeout: float = 5.0
    lock_age: float = 5.0


class Cache:
    """One proxy_cache_path, as one process sees it; the index is shared, ``report`` logs."""

    def __init__(
        self,
        settings: CacheSettings,
        index: CacheIndex,
        report: Report,
        clock: CacheClock | None = None,
    ) -> None:
        self.settings = settings
        self.index = index
        self.report = report
        self.clock = clock or CacheClock()
        self._block = 0
        self._full_at = 0
        self._masks_version = 0
        self._masks: Masks = ()
        self._waiting: dict[bytes, list[asyncio.Future[None]]] = {}

    @property
    def name(self) -> str:
        return self.settings.zone

    @property
    def path(self) -> str:
        return self.settings.path.name

    @property
    def block(self) -> int:
        """Bytes of a block, in which sizes are counted."""
        if not self._block:
            self._block = files.block_size(self.path)
        return self._block

    def file(self, md5: bytes) -> str:
        """Where the entry of that digest is."""
        return self.settings.path.file(md5.hex())

    # -- life ------------------------------------------------------------------------------

    def check_continues(self, old: Cache) -> None:
        """Raises if a reload gives the zone of ``old`` to other files."""
        if self.path != old.path:
            raise ConfError(
                f'cache "{self.name}" uses the "{self.path}" cache path '
                f'while previously it used the "{old.path}" cache path'
            ).nowhere()
        if self.settings.path.levels != old.settings.path.levels:
            raise ConfError(f'cache "{self.name}" had previously different levels').nowhere()

    def create_path(self, user: int | None = None) -> None:
        """Makes the directory and gives it to the workers' user (ngx_create_paths).

        Raises OSError.
        """
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, files.DIRECTORY_MODE)
        if user is not None and os.stat(self.path).st_uid != user:
            os.chown(self.path, user, -1)

    # -- entries ---------------------------------------------------------------------------

    def visit(self, md5: bytes, min_uses: int, *, again: bool) -> Visit:
        """Notes a use in the index, making room if there is none."""
        visit = self.index.visit(md5, self.clock.time(), min_uses, again=again)
        if visit.state is NodeState.FULL:
            self.force_expire()
            visit = self.index.visit(md5, self.clock.time(), min_uses, again=again)
        if visit.state is NodeState.FULL:
            self.report_full()
        return visit

    def report_full(self) -> None:
        """Once a second: where one has no room, the next has none either."""
        now = int(self.clock.time())
        if now == self._full_at:
            return
        self._full_at = now
        self.report(Severity.ALERT, f'could not allocate node in cache keys zone "{self.name}"')

    def purge(self, md5: bytes) -> bool:
        """Removes an entry and makes its variants invalid; whether its file was there."""
        self.index.purge(md5, self.clock.time())
        path = self.file(md5)
        there = os.path.exists(path)
        files.unlink(path, self.report)
        return there

    def purge_all(self, prefix: bytes) -> bool:
        """Makes all entries invalid whose keys begin so; False if that cannot be remembered."""
        now = self.clock.time()
        return self.index.add_mask(prefix, now, now - self.settings.inactive - _LONGEST_DELAY)

    def is_masked(self, key: bytes, date: int) -> bool:
        """Whether an entry that was kept in the second ``date`` has been purged by its key."""
        news = self.index.masks(self._masks_version)
        if news is not None:
            self._masks_version, self._masks = news
        return any(date <= time and key.startswith(prefix) for prefix, time in self._masks)

    def delete(self, md5: bytes) -> None:
        """Removes what is left of an entry that has been purged."""
        files.unlink(self.file(md5), self.report)
        node = self.index.get(md5)
        if node is not None:
            self.index.remove(md5, node.uniq)

    def force_expire(self) -> int:
        """Deletes the entry longest unused; 0, or the seconds to wait before trying again.

        ngx_http_file_cache_forced_expire.
        """
        passed: bytes | None = None
        for _ in range(_FORCED_TRIES):
            oldest = self.index.oldest()
            if oldest is None or oldest[0] == passed:
                return 10
            if self.expire(*oldest):
                return 0
            passed = passed or oldest[0]
        return 1

    def expire(self, md5: bytes, node: Node) -> bool:
        """Deletes an entry, or passes it over if a living process is fetching it."""
        if node.owner:
            text = f"ignore long locked inactive cache entry {md5.hex()}, count:1"
            self.report(Severity.ALERT, text)
            self.index.requeue(md5, self.clock.time())
            return False
        if node.exists:
            files.unlink(self.file(md5), self.report)
        self.index.remove(md5, node.uniq)
        return True

    # -- waiting ---------------------------------------------------------------------------

    def wake(self, md5: bytes) -> None:
        """Lets those of this process go on that wait for the entry."""
        for waiter in self._waiting.pop(md5, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def released(self, md5: bytes, timeout: float) -> None:
        """Returns when this process is done with the entry, or after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(md5, []).append(waiter)
        timer = loop.call_later(timeout, _wake_one, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._forget(md5, waiter)

    def _forget(self, md5: bytes, waiter: asyncio.Future[None]) -> None:
        others = self._waiting.get(md5)
        if others is not None and waiter in others:
            others.remove(waiter)
            if not others:
                del self._waiting[md5]


def _wake_one(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
