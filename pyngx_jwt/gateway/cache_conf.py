"""The directives of caching, which protocols that buffer share."""

from __future__ import annotations

from typing import ClassVar

from ..cache import Caches, HashedPath, Valid, parse_settings, parse_valid
from ..conf.directive import (
    UNLIMITED,
    Declaration,
    bitmask,
    directive,
    flag,
    number,
    offset,
    own,
    time,
)
from ..conf.parse import Statement
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, HTTP
from ..http.level import Level
from ..http.template import Template, template
from ..zones import Zones
from .conf import BufferedConf, GatewayConf
from .purging import PurgedEntry, PurgeRule, parse_purge

ANY_OFFSET = 2**63 - 1
STALE = (
    "error",
    "timeout",
    "invalid_header",
    "updating",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "off",
)


class CachedConf(BufferedConf):
    """Of protocols whose responses can be kept; a zone is used by one of them."""

    shared: ClassVar[dict[str, Declaration]] = {}

    default_key: ClassVar[bool] = False  # whether there is one
    zone: Template | None = None  # None is "off"
    valid: tuple[Valid, ...] = ()
    cache_convert_head: bool = False  # of protocols that do not declare it
    bypass: tuple[Template, ...] = ()
    purge_rule: PurgeRule | None = None
    _purged_entry: PurgedEntry | None = own(None)
    not_kept: tuple[Template, ...] = ()

    @directive(EVERYWHERE, default="off", syntax="{name} zone | off")
    def cache(self, zone: str) -> None:
        """Sets the zone of the cache for responses, which "PREFIX_cache_path" defines.  The value
        can contain variables; "off" cancels an inherited value.  Without "PREFIX_cache_valid", only
        responses with a caching header are cached."""
        if "zone" in vars(self):
            raise ConfError(f'"{self.prefix}_cache" directive is duplicate')
        if zone != "off" and vars(self).get("store_to") is not None:
            raise ConfError(
                f'"{self.prefix}_cache" directive is incompatible with "{self.prefix}_store"'
            )
        self.zone = None if zone == "off" else Template(zone)
        if self.zone is not None and self.zone.is_constant:
            self.scope.shared(Zones).add(zone, 0, self.prefix)

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def cache_bypass(self, *strings: str) -> None:
        """Skips the lookup in the cache if at least one of the values is neither empty nor "0".
        The response can still be cached; see "PREFIX_no_cache"."""
        self.bypass = (*vars(self).get("bypass", ()), *map(Template, strings))

    cache_background_update = flag(
        False,
        EVERYWHERE,
        "Refreshes an expired entry with a background subrequest while the client gets the "
        'stale response. Requires "updating" in "PREFIX_cache_use_stale", or a response with '
        "stale-while-revalidate.",
    )
    cache_key = template(
        None,
        EVERYWHERE,
        "Sets the key of cache entries. proxy_cache has a default key, made of scheme, upstream"
        " and URI; other protocols cache nothing without this directive. Neither identifies the"
        " client: add a claim if responses depend on the token.",
    )
    cache_lock = flag(
        False,
        EVERYWHERE,
        "Lets only one request at a time fetch a new entry. Other requests for the same key "
        'wait for it, up to "PREFIX_cache_lock_timeout".',
    )
    cache_lock_age = time(
        5,
        EVERYWHERE,
        "Allows one more request to the upstream if the one that holds the lock has not "
        "finished within this time.",
        shown="5s",
    )
    cache_lock_timeout = time(
        5,
        EVERYWHERE,
        'Limits the time to wait for "PREFIX_cache_lock". The request is then passed to the '
        "upstream, and its response is not cached.",
        shown="5s",
    )
    cache_max_range_offset = offset(
        ANY_OFFSET,
        EVERYWHERE,
        "Sets the offset above which range requests are passed to the upstream and their "
        "responses not cached. By default every range request fetches and caches the whole "
        "response.",
        shown="—",
    )
    cache_methods = bitmask(
        frozenset({"GET", "HEAD"}),
        ("GET", "HEAD", "POST"),
        EVERYWHERE,
        "Sets the methods whose responses are cached. GET and HEAD are always included.",
        "GET HEAD",
    )
    cache_min_uses = number(
        1, EVERYWHERE, "Sets the number of requests after which a response is cached."
    )

    @directive(
        HTTP,
        syntax="{name} path [levels=levels] [use_temp_path=on|off] "
        "keys_zone=name:size [inactive=time] [max_size=size] [min_free=size] "
        "[manager_files=number] [manager_sleep=time] [manager_threshold=time] "
        "[loader_files=number] [loader_sleep=time] [loader_threshold=time] [purger=on|off] "
        "[purger_files=number] [purger_sleep=time] [purger_threshold=time]",
        arity=(2, UNLIMITED),
    )
    def cache_path(self, path: str, *parameters: str) -> None:
        """Defines a cache: the directory, the zone for its index, and limits.  Entries that are
        unused for "inactive" are removed, and the least recently used ones if the cache exceeds
        "max_size" or free space falls below "min_free".  "purger" deletes what has been purged with
        a "*" in the key.  The files have nginx's format.  Do not share the directory with another
        running server."""
        full = self.scope.full_name(path.removesuffix("/"))
        settings = parse_settings(f"{self.prefix}_cache_path", full, *parameters)
        self.scope.shared(Paths).add(settings.path, self.scope)
        zone = self.scope.shared(Zones).add(settings.zone, settings.zone_size, self.prefix)
        caches = self.scope.shared(Caches)
        if settings.zone in caches.by_name:
            raise ConfError(f'duplicate zone "{settings.zone}"')
        caches.add(settings, zone)

    @directive(EVERYWHERE, arity=(1, UNLIMITED), syntax="{name} string ...")
    def cache_purge(self, *strings: str) -> None:
        """Lets requests for which one of the values is neither empty nor "0" remove the entry that
        they would be answered with, and its variants.  The response is 204, or 404 if there was no
        entry.  A key that ends in "*" stands for all keys with the same beginning; files of these
        entries are deleted when they are asked for, when they are inactive, or by the "purger" of
        "PREFIX_cache_path".  Every client that can make the values true can purge: limit the
        addresses.  The syntax of ngx_cache_purge is accepted as well: "on", "METHOD from all",
        "METHOD from address ...", or "zone key" in a location of its own."""
        self.once("purge_rule", f"{self.prefix}_cache_purge")
        parsed = parse_purge(strings)
        self.purge_rule = parsed if isinstance(parsed, PurgeRule) else None
        if isinstance(parsed, PurgedEntry):
            self._purged_entry = parsed
            if parsed.zone.is_constant:
                self.scope.shared(Zones).add(parsed.zone.text, 0, self.prefix)
        self.scope.shared(Caches).can_purge |= parsed is not None

    cache_revalidate = flag(
        False,
        EVERYWHERE,
        "Refreshes expired entries with a conditional request (If-Modified-Since, "
        "If-None-Match), so that an unchanged response is not sent again.",
    )
    cache_use_stale = bitmask(
        frozenset(),
        STALE,
        EVERYWHERE,
        "Sets the conditions under which a stale response is served: errors and codes of the "
        'upstream, or "updating" while another request refreshes it. The same entry can also be'
        " served because of stale-if-error or stale-while-revalidate in Cache-Control.",
        "off",
    )

    @directive(EVERYWHERE, arity=(1, UNLIMITED), syntax="{name} [code ...] time")
    def cache_valid(self, *words: str) -> None:
        """Sets the caching time for responses with the given codes; "any" is all codes, and without
        a code it applies to 200, 301 and 302.  The response headers X-Accel-Expires, Cache-Control
        and Expires have precedence.  0 disables caching."""
        self.valid = (*vars(self).get("valid", ()), *parse_valid(*words))

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def no_cache(self, *strings: str) -> None:
        """Does not cache the response if at least one of the values is neither empty nor "0".  See
        also "PREFIX_cache_bypass"."""
        self.not_kept = (*vars(self).get("not_kept", ()), *map(Template, strings))

    def merge(self, outer: GatewayConf) -> None:
        """Of storing and caching the inner one takes the place of the outer one."""
        if vars(self).get("store_to") is not None:
            self.zone = None
        elif vars(self).get("zone") is not None:
            self.store_to = None
        super().merge(outer)
        zone = self.zone
        if zone is None or not zone.is_constant:
            return
        if zone.text not in self.scope.shared(Caches).by_name:
            raise ConfError(f'"{self.prefix}_cache" zone "{zone.text}" is unknown')

    @property
    def is_inherited_whole(self) -> bool:
        inherits = self.zone is None and self._purged_entry is None  # merging checks the zone
        return inherits and super().is_inherited_whole

    @property
    def keeps(self) -> bool:
        """Whether there is a cache for responses, and a key to find them by."""
        return self.zone is not None and (self.default_key or self.cache_key is not None)

    @property
    def purged_entry(self) -> PurgedEntry | None:
        """What requests of this very location purge."""
        return self._purged_entry if self.level.passes is None else None

    @property
    def stale(self) -> frozenset[str]:
        """When a stale response is better than none."""
        return frozenset() if "off" in self.cache_use_stale else self.cache_use_stale


class Paths:
    """The directories of caches and where they were given."""

    def __init__(self) -> None:
        self.places: dict[str, Statement] = {}

    def add(self, path: HashedPath, scope: Scope) -> None:
        """Notes a directory, which is made at start; two caches cannot share one."""
        other = self.places.get(path.name)
        if other is not None:
            raise ConfError(
                f'the same path name "{path.name}" used in {other.file}:{other.line} and'
            )
        assert scope.statement is not None
        self.places[path.name] = scope.statement
        scope.directories[path.name] = None


class WarnedCaches(set[Statement]):
    """The directives of a cache without a key that have been warned of."""


def warn_of_key(conf: CachedConf, level: Level) -> None:
    """A warning where a cache has no key, of a protocol that has no default one."""
    scope, given = level.scope, level.set_by(f"{conf.prefix}_cache")
    if conf.zone is None or conf.keeps or given[-1] in scope.shared(WarnedCaches):
        return
    scope.shared(WarnedCaches).add(given[-1])
    before, scope.statement = scope.statement, given[-1]
    scope.warn(f'no "{conf.prefix}_cache_key" for "{conf.prefix}_cache"')
    scope.statement = before


def note_temp_directory(conf: CachedConf, level: Level) -> None:
    """The directory of temporary files is made at start if it is missing."""
    if conf.target is not None and (conf.zone or conf.store_to or conf.max_temp_file_size):
        level.scope.directories[conf.temp_directory] = None
