"""The caches of one configuration, and the tasks that look after them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..log import Log, Severity
from ..zones import Zone
from .manager import load, manage, remove_purged
from .settings import CacheSettings
from .store import Cache


class Caches:
    """By the names of their zones.  ``log`` is the main one, known once all is read."""

    def __init__(self) -> None:
        self.by_name: dict[str, Cache] = {}
        self.log: Log | None = None
        self.can_purge = False  # some requests purge what others would be answered with
        self.updates: set[asyncio.Task[None]] = set()

    def note_update(self, task: asyncio.Task[None]) -> None:
        """A response is fetched in the background; a worker finishes it before it ends."""
        self.updates.add(task)
        task.add_done_callback(self.updates.discard)

    def add(self, settings: CacheSettings, zone: Zone) -> None:
        """A cache in a zone that is not in use yet."""
        self.by_name[settings.zone] = Cache(settings, zone.cache_index(), self.report)

    def report(self, level: Severity, text: str) -> None:
        """Logs what no request is to blame for."""
        if self.log is not None:
            self.log.write(level, text)

    def check_continues(self, old: Caches) -> None:
        """Raises ConfError if a reload gives a zone to other files than it is of."""
        for name, cache in self.by_name.items():
            if name in old.by_name:
                cache.check_continues(old.by_name[name])

    def keepers(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Loader, manager and purger, which one process of all is to run, until it cancels them."""
        caches = tuple(self.by_name.values())
        purged = [cache for cache in caches if cache.settings.purger]
        purgers = (remove_purged(purged),) if purged else ()
        return (load(caches), manage(caches), *purgers) if caches else ()
