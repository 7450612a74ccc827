"""What the tests of the cache share: a cache in a folder, a clock to turn, a request's steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyngx_jwt.cache import (
    Cache,
    CacheClock,
    CacheKey,
    CachePolicy,
    Freshness,
    HashedPath,
    Hold,
    Lookup,
    parse_settings,
)
from pyngx_jwt.log import Severity
from pyngx_jwt.zones import Zone, ZoneDirectory, Zones
from pyngx_jwt.zones.store import CacheIndex

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Hands:
    """Clocks that stand still."""

    now: float = 1_700_000_000.0
    ticks: float = 1000.0

    def clock(self) -> CacheClock:
        return CacheClock(lambda: self.now, lambda: self.ticks)


@dataclass(slots=True)
class Kit:
    """A folder with caches; ``log`` is what they report."""

    path: Path
    folder: ZoneDirectory
    hands: Hands = field(default_factory=Hands)
    log: list[str] = field(default_factory=list)
    zones: list[Zones] = field(default_factory=list)
    index: Callable[[Zone], CacheIndex] = Zone.cache_index
    policy: CachePolicy = field(init=False)
    new_hold: type[Hold] = Hold

    def __post_init__(self) -> None:
        self.policy = CachePolicy(HashedPath(f"{self.path}/temp", (1, 2)))

    def close(self) -> None:
        for zones in self.zones:
            zones.close()
        self.folder.remove()

    def report(self, level: Severity, text: str) -> None:
        self.log.append(f"[{level.name.lower()}] {text}")

    def cache(self, *parameters: str, name: str = "one", size: str = "1m") -> Cache:
        """A new cache with an empty index over the folder of that name."""
        settings = parse_settings(
            "proxy_cache_path", f"{self.path}/{name}", f"keys_zone={name}:{size}", *parameters
        )
        zones = Zones()
        zone = zones.add(name, settings.zone_size, "proxy")
        zone.noreuse = True
        zones.start(self.folder, self.zones[-1] if self.zones else None)
        self.zones.append(zones)
        cache = Cache(settings, self.index(zone), self.report, self.hands.clock())
        cache.create_path()
        return cache

    def hold(
        self, cache: Cache, key: str = "k", headers: Headers = (), policy: CachePolicy | None = None
    ) -> Hold:
        policy = policy or self.policy
        return self.new_hold(cache, CacheKey.of(key), policy, list(headers), self.report)

    def fresh(self, *headers: tuple[str, str], seconds: int = 60) -> Freshness:
        """What a response with these headers, and that much of max-age, says."""
        fresh = Freshness(int(self.hands.now))
        fresh.feed([("Cache-Control", f"max-age={seconds}"), *headers])
        assert fresh.decide(200, ())
        return fresh

    def keep(self, hold: Hold, body: bytes = b"body", *headers: tuple[str, str]) -> None:
        """Commits a response."""
        writer = hold.begin(HEAD, self.fresh(*headers))
        assert writer is not None and writer.write(body)
        assert hold.commit(writer)

    def ask(
        self,
        cache: Cache,
        key: str = "k",
        headers: Headers = (),
        *,
        policy: CachePolicy | None = None,
        answer: bytes = b"body",
        vary: str = "",
    ) -> tuple[Lookup, bytes]:
        """A whole request, which keeps the answer if it has to fetch one."""
        hold = self.hold(cache, key, headers, policy)
        found = hold.open()
        body = hold.entry.body if hold.entry else b""
        if found in (Lookup.MISS, Lookup.STALE):
            self.keep(hold, answer, *([("Vary", vary)] if vary else ()))
        else:
            hold.free()
        hold.close()
        return found, body
