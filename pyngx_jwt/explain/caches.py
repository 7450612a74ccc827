"""What a cache would say: its files are read, its index and its locks are left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..cache import Cache, CacheClock, CacheKey, Hold, Lookup
from ..conf.parse import Statement
from ..gateway.cached import CachedGateway
from ..http.level import Level
from ..http.request import Request
from ..http.template import any_is_set
from ..log import Severity
from ..zones.store import CacheIndex, Node, NodeState, Visit
from .lines import Result, distance_text, shown
from .trip import Trip


class _OpenIndex:
    """An index to which every file is known, and in which nothing is noted."""

    def visit(self, md5: bytes, now: float, min_uses: int, *, again: bool) -> Visit:
        return Visit(NodeState.KNOWN, Node(exists=1))

    def claim(self, md5: bytes) -> int:
        return 1

    def lock(self, md5: bytes, now: int, age: int) -> int:
        return 1

    def release(self, md5: bytes, lock_time: int) -> None: ...

    def forsake(self, md5: bytes, lock_time: int | None) -> None: ...


@dataclass(slots=True)
class CacheLook:
    """A look into the cache: `status` is that of $upstream_cache_status."""

    zone: str
    key: str
    status: str
    reason: str
    statement: Statement | None
    hold: Hold | None = None  # of a response that the cache answers with

    def report(self, prefix: str, level: Level, trip: Trip) -> None:
        """Adds the zone, the key, and whether the response is there."""
        caches = level.set_by(f"{prefix}_cache")
        text = f'{shown(self.zone)}: looked for by the key "{shown(self.key)}"'
        trip.add(Result.NOTE, "cache", text, *caches)
        trip.add(Result.NOTE, "", f"{self.status}: {self.reason}", self.statement)
        for statement in level.set_by(f"{prefix}_cache_valid") if self.hold is None else ():
            words = shown(" ".join([statement.name, *statement.args]))
            trip.add(Result.NOTE, "", f"kept: {words}", statement)


def look_up(
    gateway: CachedGateway, level: Level, r: Request, cache: Cache, key: CacheKey, now: float
) -> CacheLook:
    """What the cache has for a request at a time, and what the gateway makes of it."""
    prefix = gateway.conf.prefix
    zone, text = cache.settings.zone, key.text.decode("latin-1")
    if any_is_set(gateway.bypass, r):
        name = f"{prefix}_cache_bypass"
        words = " ".join(word for s in level.set_by(name) for word in s.args)
        r.cache_status = "BYPASS"
        return CacheLook(zone, text, "BYPASS", shown(words), next(iter(level.set_by(name)), None))
    faults: list[str] = []
    open_cache = Cache(
        cache.settings,
        cast("CacheIndex", _OpenIndex()),
        lambda severity, text: faults.append(text),
        CacheClock(time=lambda: now),
    )

    def report(severity: Severity, text: str) -> None:
        faults.append(text)

    hold = Hold(open_cache, key, gateway.policy, r.headers_in, report)
    hold.background = True  # it gives nothing back
    state = hold.open()
    entry = hold.entry
    r.cache_status = "MISS"
    if state is Lookup.HIT:
        r.cache_status = "HIT"
    elif state is Lookup.STALE:
        r.cache_status = gateway.status_of_stale(r, hold, state)
    if entry is None:
        reason = (
            shown(faults[0]) if faults else f"there is no file {shown(open_cache.file(hold.md5))}"
        )
        hold.close()
        return CacheLook(zone, text, "MISS", shown(reason), None)
    until = distance_text(entry.header.valid_sec, now)
    verb = "expires" if state is Lookup.HIT else "expired"
    reason = f"the file {shown(entry.path)} {verb} {until}"
    answers = r.cache_status in ("HIT", "STALE", "UPDATING")
    if not answers:
        hold.close()
    return CacheLook(zone, text, r.cache_status, reason, None, hold if answers else None)
