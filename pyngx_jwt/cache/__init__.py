"""The proxy cache's storage: nginx's files, its index in a zone, its rules of freshness.

At load: ``settings = parse_settings(...)``, ``zone = zones.add(settings.zone,
settings.zone_size, "proxy")``, ``cache = Cache(settings, zone.cache_index(), report)``, and
``cache.check_continues(old)`` on a reload.  The master calls ``cache.create_path(uid)``; one
process runs ``manage(caches)`` and ``load(caches)`` (`Caches.keepers`).

A request, in the order of ngx_http_upstream.c::

    key = CacheKey.of(key_text)              # key.header_start + 256 must fit the buffer
    hold = Hold(cache, key, policy, r.headers_in, r.log)
    try:
        while (lookup := hold.open()) is Lookup.WAIT:
            await hold.wait()
        # HIT, STALE, UPDATING: hold.entry has head, body, header; FAILED: hold.error is a status

        fresh = Freshness(now, ignore)
        fresh.feed(upstream_headers)
        if fresh.decide(status, valid_table) and (
            writer := hold.begin(head, fresh, last_modified=..., etag=...)
        ):
            ...writer.write(chunk)...   # False: not kept, go on without
            hold.commit(writer)         # or hold.free(writer) if the response was cut short
        else:
            hold.free()                 # or free(error=502, valid_sec=...)

        # after a 304: fresh.revalidate(kept_headers, status, table), hold.update_header(fresh),
        # and hold.free()
    finally:
        hold.close()

``BYPASS`` is a hold that is begun without being opened.  Nothing of this raises for what it
finds on the disk: an invalid file is a MISS and a line in the log.
"""

from .caches import Caches
from .entry import CacheKey, Fault, Header, check, key_line, new_header, pack, unpack
from .files import Writer, move
from .freshness import (
    IGNORABLE,
    Freshness,
    Ignore,
    Valid,
    parse_valid,
    valid_seconds,
    variant,
)
from .hold import CacheEntry, Hold, Lookup, PurgeableHold
from .manager import load, load_one, manage, manage_once
from .settings import CacheSettings, HashedPath, parse_levels, parse_settings
from .store import Cache, CacheClock, CachePolicy

__all__ = [
    "IGNORABLE",
    "Cache",
    "CacheClock",
    "CacheEntry",
    "CacheKey",
    "CachePolicy",
    "CacheSettings",
    "Caches",
    "Fault",
    "Freshness",
    "HashedPath",
    "Header",
    "Hold",
    "Ignore",
    "Lookup",
    "PurgeableHold",
    "Valid",
    "Writer",
    "check",
    "key_line",
    "load",
    "load_one",
    "manage",
    "manage_once",
    "move",
    "new_header",
    "pack",
    "parse_levels",
    "parse_settings",
    "parse_valid",
    "unpack",
    "valid_seconds",
    "variant",
]
