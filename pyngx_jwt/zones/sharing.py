"""The store that zones share with other machines: what the configuration says, and a worker's use.

A zone that is shared still is a zone of this machine, where everything is counted as well.  It
decides alone while the store cannot be reached, unless it is to deny then.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from ..errors import ConfError, Place
from .copies import NAME, Apply, Copy, CopyState, Items, Notes
from .redis_limits import SCRIPTS as LIMITS
from .redis_limits import SharedConnections, SharedRates
from .redis_link import RedisLink, Report, Watcher
from .redis_map import SCRIPTS as MAPS
from .redis_map import Follower, SharedMap
from .store import Sessions
from .store_url import StoreSettings

FALLBACKS = ("local", "deny")
OF_SESSION, LONGEST_SID = 16, 255  # bytes of a key, which is a digest, and of the id of a server
MOST_TOLD = 100_000  # sessions of which a worker remembers when it has published them
GLANCE = 0.02  # seconds between two looks at copies that another worker makes
COPYING = 20.0  # seconds that a worker waits for copies before it accepts connections
CONNECTING = 2.0  # the same while there is no connection with the store
REPORTED = 60.0  # seconds between two reports of changes of a zone that were lost
Start = Callable[[Coroutine[Any, Any, None]], None]


def split_sync(words: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """The words without "sync" and "fallback=", and the fallback: None without "sync", "" for that
    of the store.  Raises ConfError."""
    rest, shared, fallback = list[str](), False, ""
    for word in words:
        if word == "sync":
            shared = True
        elif word.startswith("fallback="):
            fallback = word.removeprefix("fallback=")
            if fallback not in FALLBACKS:
                raise ConfError(f'invalid parameter "{word}"')
        else:
            rest.append(word)
    if fallback and not shared:
        raise ConfError('"fallback" needs the parameter "sync"')
    return tuple(rest), fallback if shared else None


def forget_copy(notes: Notes) -> None:
    """The values are no copy now; if they become one again, they will have missed changes."""
    if notes.noted(NAME):
        notes.note(NAME, b"")


class ZoneStore:
    """One per configuration.  Without a worker that uses it, zones are those of the machine."""

    def __init__(self) -> None:
        self.settings: StoreSettings | None = None
        self.fallback = "local"
        self.wanted: dict[str, str] = {}  # zones that are shared: their fallback, "" is the store's
        self._wanted_by: tuple[str, Place | None] | None = None  # the first that cannot do without
        self._copies: dict[str, Copy] = {}
        self._lost: dict[str, tuple[int, float]] = {}  # zone: changes, and when they were reported
        self._shared: dict[str, SharedMap] = {}
        self._link: RedisLink | None = None
        self._rates: SharedRates | None = None
        self._connections: SharedConnections | None = None
        self._watcher: Watcher | None = None
        self._report: Report | None = None

    # -- the configuration ----------------------------------------------------------------------

    def share(self, zone: str, fallback: str | None, place: Place | None) -> bool:
        """What "split_sync" has returned for the zone; whether it is shared."""
        if fallback is not None:
            self.wanted[zone] = fallback
            self.need(f'the parameter "sync" of the zone "{zone}"', place)
        return fallback is not None

    def need(self, what: str, place: Place | None) -> None:
        """Something of the configuration makes no sense without a store."""
        self._wanted_by = self._wanted_by or (what, place)

    def check(self) -> None:
        """Raises ConfError if a store is needed and there is none."""
        if self.settings is not None or self._wanted_by is None:
            return
        what, place = self._wanted_by
        error = ConfError(
            f'{what} needs a Redis or Valkey server: add "pyngx_zone_store redis://HOST;" '
            'to the "http" block'
        )
        raise error.at(place.file, place.line) if place is not None else error.nowhere()

    def shares(self, zone: str) -> bool:
        """The directive that names the store may still follow."""
        return zone in self.wanted

    def denies(self, zone: str) -> bool:
        """Whether requests are refused while the store cannot be asked about the zone."""
        return (self.wanted.get(zone) or self.fallback) == "deny"

    def fall_back(self, zones: Iterable[str]) -> str | None:
        """The store cannot be asked about the zones: one that refuses the request therefore."""
        names = tuple(zones)
        denying = next((name for name in names if self.denies(name)), None)
        if self._watcher is not None:
            for name in names:
                self._watcher.fell_back(name, denied=self.denies(name))
        return denying

    def copies(self, zone: str, apply: Apply, items: Items, notes: Notes | None = None) -> None:
        """The zone is a copy of a map that all machines have.  With notes it matters whether it
        is whole."""
        self._copies[zone] = Copy(apply, items, notes)

    # -- a worker -------------------------------------------------------------------------------

    def start(self, start: Start, report: Report, watcher: Watcher, *, follows: bool) -> None:
        """On the loop of the worker; ``follows``: this one follows the changes of maps."""
        if self.settings is None or not self.wanted:
            return
        self._watcher, self._report = watcher, report
        link = self._link = RedisLink(self.settings, [*LIMITS, *MAPS], report, watcher)
        self._rates = SharedRates(link)
        self._connections = SharedConnections(link, f"{os.getpid()}-{secrets.token_hex(8)}")
        for zone, copy in self._copies.items():
            copy.copies(f"{self.settings.shown} {self.settings.prefix}{zone}")
            self._shared[zone] = SharedMap(link, zone, copy, self._lose)
        start(link.run())
        start(self._connections.live())
        if self._shared and follows:
            start(Follower(self.settings, self._shared.values(), watcher).run())

    @property
    def rates(self) -> SharedRates | None:
        """None before the worker has started."""
        return self._rates

    @property
    def connections(self) -> SharedConnections | None:
        return self._connections

    @property
    def is_up(self) -> bool:
        return self._link is not None and self._link.up

    @property
    def status(self) -> str:
        """UP, SYNC while a copy is not whole, or DOWN."""
        if not self.is_up:
            return "DOWN"
        return "UP" if all(self.wholes().values()) else "SYNC"

    def wholes(self) -> dict[str, bool]:
        """By zone, whether the copy on this machine is whole."""
        return {x: shared.copy.state is CopyState.WHOLE for x, shared in self._shared.items()}

    def unfit(self) -> list[str]:
        """Zones that are not to be relied on: those that were never copied, and those of which a
        part is missing and that are to deny then."""
        return [
            zone
            for zone, shared in self._shared.items()
            if shared.copy.state is CopyState.UNKNOWN or self._lacks(zone, shared)
        ]

    def refuses(self, zone: str) -> bool:
        """Whether requests that read the copy are refused now."""
        shared = self._shared.get(zone)
        if shared is None or not self._lacks(zone, shared):
            return False
        if self._watcher is not None:
            self._watcher.fell_back(zone, denied=True)
        return True

    def _lacks(self, zone: str, shared: SharedMap) -> bool:
        return self.denies(zone) and shared.copy.state is not CopyState.WHOLE

    async def copied(self) -> None:
        """Waits until all zones were copied once, but no longer than is good."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while missing := [x for x in self._shared if self._state(x) is CopyState.UNKNOWN]:
            waited = loop.time() - begun
            if waited >= COPYING or (waited >= CONNECTING and not self.is_up):
                if self._report is not None:
                    names = ", ".join(f'"{zone}"' for zone in missing)
                    self._report(f"has not been copied yet: the zones {names}", True)
                return
            await asyncio.sleep(GLANCE)

    def _state(self, zone: str) -> CopyState:
        return self._shared[zone].copy.state

    def _lose(self, zone: str, text: str) -> None:
        """A change was lost, for the reason in the text."""
        if self._watcher is not None:
            self._watcher.lost(zone)
        count, reported = self._lost.get(zone, (0, 0.0))
        count, now = count + 1, time.monotonic()
        if self._report is not None and (count == 1 or now >= reported + REPORTED):
            self._report(f"{text.format(zone)} ({count} so far)", True)
            reported = now
        self._lost[zone] = count, reported

    def pending(self) -> dict[str, int]:
        """By zone, how many changes of this worker the store does not have yet."""
        return {zone: shared.pending for zone, shared in self._shared.items()}

    def publish(self, zone: str, key: bytes, value: bytes | None, expires: float = 0.0) -> None:
        """A value of the zone was set, or removed (None); the copies of others get it."""
        shared = self._shared.get(zone)
        if shared is not None:
            shared.publish(key, value, expires)


class CopiedSessions:
    """Sessions of which all machines have a copy.

    A use is published by a worker that has not done so for a quarter of the session's life."""

    def __init__(self, local: Sessions, store: ZoneStore, zone: str, timeout: float) -> None:
        self._local, self._store, self._zone, self._timeout = local, store, zone, timeout
        self._told: dict[tuple[bytes, str], float] = {}
        store.copies(zone, self._apply, tuple)  # what is in use is published again by itself

    def find(self, key: bytes, since: float) -> str:
        return self._local.find(key, since)

    def note(self, key: bytes, sid: str, now: float, *, create: bool) -> bool:
        noted = self._local.note(key, sid, now, create=create)
        if noted and self._local.find(key, now) == sid:
            self._tell(key, sid, now)
        return noted

    def expire(self, before: float) -> int:
        return self._local.expire(before)

    def _tell(self, key: bytes, sid: str, now: float) -> None:
        if self._told.get((key, sid), 0.0) + self._timeout / 4 > now:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[key, sid] = now
        self._store.publish(self._zone, key, sid.encode("latin-1"), now + self._timeout)

    def _apply(self, key: bytes, value: bytes | None, expires: float) -> bool:
        if value is None or len(key) != OF_SESSION or len(value) > LONGEST_SID:
            return True  # of a session of no machine
        sid, last = value.decode("latin-1"), expires - self._timeout
        if expires <= time.time() or self._local.find(key, last) == sid:
            return True
        return self._local.note(key, sid, last, create=True)
