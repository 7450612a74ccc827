"""The directives of caching, which protocols that buffer share."""

from __future__ import annotations

from typing import ClassVar

from ..cache import Caches, HashedPath, Valid, parse_settings, parse_valid
from ..conf.directive import (
    EVERYWHERE,
    HTTP,
    UNLIMITED,
    Declaration,
    bitmask,
    directive,
    flag,
    number,
    offset,
    time,
)
from ..conf.parse import Statement
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.level import Level
from ..http.template import Template, template
from ..zones import Zones
from .conf import BufferedConf, GatewayConf

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
    not_kept: tuple[Template, ...] = ()

    @directive(EVERYWHERE, default="off", syntax="{name} zone | off")
    def cache(self, zone: str) -> None:
        """Defines the zone of the cache that responses are kept in; it can contain variables."""
        if "zone" in vars(self):
            raise ConfError(f'"{self.prefix}_cache" directive is duplicate')
        self.zone = None if zone == "off" else Template(zone)
        if self.zone is not None and self.zone.is_constant:
            self._scope.shared(Zones).add(zone, 0, self.prefix)

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def cache_bypass(self, *strings: str) -> None:
        """Takes the response from the upstream, not from the cache, if one of the values is
        neither empty nor "0"; it can be kept all the same."""
        self.bypass = (*vars(self).get("bypass", ()), *map(Template, strings))

    cache_background_update = flag(
        False,
        EVERYWHERE,
        "Fetches a stale response anew in the background while the old one is sent.",
    )
    cache_key = template(
        None,
        EVERYWHERE,
        "Sets the key of the cache.  proxy_cache has one: scheme, host and URI proxied to; others "
        "keep nothing without it.",
    )
    cache_lock = flag(
        False, EVERYWHERE, "Lets one request at a time fetch what others then find in the cache."
    )
    cache_lock_age = time(
        5, EVERYWHERE, "Sets the time after which one more request may fetch.", shown="5s"
    )
    cache_lock_timeout = time(
        5, EVERYWHERE, "Limits the time of waiting for the one that fetches.", shown="5s"
    )
    cache_max_range_offset = offset(
        ANY_OFFSET,
        EVERYWHERE,
        "Sets the offset from which on ranges are passed to the upstream and not kept.",
        shown="—",
    )
    cache_methods = bitmask(
        frozenset({"GET", "HEAD"}),
        ("GET", "HEAD", "POST"),
        EVERYWHERE,
        "Sets the methods whose responses are kept; GET and HEAD always are.",
        "GET HEAD",
    )
    cache_min_uses = number(1, EVERYWHERE, "Sets the requests before a response is kept.")

    @directive(
        HTTP,
        syntax="{name} path [levels=levels] [use_temp_path=on|off] "
        "keys_zone=name:size [inactive=time] [max_size=size] [min_free=size] "
        "[manager_files=number] [manager_sleep=time] [manager_threshold=time] "
        "[loader_files=number] [loader_sleep=time] [loader_threshold=time]",
        arity=(2, UNLIMITED),
    )
    def cache_path(self, path: str, *parameters: str) -> None:
        """Defines a cache: its directory, its zone and its limits."""
        full = self._scope.full_name(path.removesuffix("/"))
        settings = parse_settings(f"{self.prefix}_cache_path", full, *parameters)
        self._scope.shared(Paths).add(settings.path, self._scope)
        zone = self._scope.shared(Zones).add(settings.zone, settings.zone_size, self.prefix)
        caches = self._scope.shared(Caches)
        if settings.zone in caches.by_name:
            raise ConfError(f'duplicate zone "{settings.zone}"')
        caches.add(settings, zone)

    cache_revalidate = flag(
        False, EVERYWHERE, "Asks the upstream whether an expired response is still good."
    )
    cache_use_stale = bitmask(
        frozenset(), STALE, EVERYWHERE, "Tells when a stale response is better than none.", "off"
    )

    @directive(EVERYWHERE, arity=(1, UNLIMITED), syntax="{name} [code ...] time")
    def cache_valid(self, *words: str) -> None:
        """Sets how long responses with these codes are kept; 200, 301 and 302 without any."""
        self.valid = (*vars(self).get("valid", ()), *parse_valid(*words))

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def no_cache(self, *strings: str) -> None:
        """Keeps no response if one of the values is neither empty nor "0"."""
        self.not_kept = (*vars(self).get("not_kept", ()), *map(Template, strings))

    def merge(self, outer: GatewayConf) -> None:
        super().merge(outer)
        zone = self.zone
        if zone is None or not zone.is_constant:
            return
        if zone.text not in self._scope.shared(Caches).by_name:
            raise ConfError(f'"{self.prefix}_cache" zone "{zone.text}" is unknown')

    @property
    def keeps(self) -> bool:
        """Whether there is a cache for responses, and a key to find them by."""
        return self.zone is not None and (self.default_key or self.cache_key is not None)

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
        scope.folders[path.name] = None


class Keyless(set[Statement]):
    """The directives of a cache without a key of which a warning has told."""


def warn_of_key(conf: CachedConf, level: Level) -> None:
    """A warning where a cache has no key, of a protocol that has no default one."""
    scope, given = level.scope, level.set_by(f"{conf.prefix}_cache")
    if conf.zone is None or conf.keeps or given[-1] in scope.shared(Keyless):
        return
    scope.shared(Keyless).add(given[-1])
    before, scope.statement = scope.statement, given[-1]
    scope.warn(f'no "{conf.prefix}_cache_key" for "{conf.prefix}_cache"')
    scope.statement = before


def note_temp_folder(conf: CachedConf, level: Level) -> None:
    """The directory of temporary files is made at start if it is missing."""
    if conf.zone is not None:
        level.scope.folders[conf.temp_folder] = None
