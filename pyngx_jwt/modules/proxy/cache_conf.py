"""The directives of the proxy's cache."""

from __future__ import annotations

from ...cache import Caches, HashedPath, Valid, parse_settings, parse_valid
from ...conf.directive import (
    EVERYWHERE,
    HTTP,
    UNLIMITED,
    Conf,
    bitmask,
    directive,
    flag,
    number,
    offset,
    time,
)
from ...conf.parse import Statement
from ...conf.scope import Scope
from ...errors import ConfError
from ...http.level import Level
from ...http.module import Module
from ...http.template import Template, template
from ...zones import Zones
from .conf import ProxyConf

TAG = "proxy"  # the use of the zones
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


class CacheConf(Conf):
    zone: Template | None = None  # None is "off"
    valid: tuple[Valid, ...] = ()
    bypass: tuple[Template, ...] = ()
    no_cache: tuple[Template, ...] = ()

    @directive(EVERYWHERE, default="off", syntax="proxy_cache zone | off")
    def proxy_cache(self, zone: str) -> None:
        """Defines the zone of the cache that responses are kept in; it can contain variables."""
        if "zone" in vars(self):
            raise ConfError('"proxy_cache" directive is duplicate')
        self.zone = None if zone == "off" else Template(zone)
        if self.zone is not None and self.zone.is_constant:
            self._scope.shared(Zones).add(zone, 0, TAG)

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def proxy_cache_bypass(self, *strings: str) -> None:
        """Takes the response from the upstream, not from the cache, if one of the values is
        neither empty nor "0"; it can be kept all the same."""
        self.bypass = (*vars(self).get("bypass", ()), *map(Template, strings))

    proxy_cache_background_update = flag(
        False,
        EVERYWHERE,
        "Fetches a stale response anew in the background while the old one is sent.",
    )
    proxy_cache_convert_head = flag(True, EVERYWHERE, "Fetches with GET what HEAD asks for.")
    proxy_cache_key = template(
        None, EVERYWHERE, "Sets the key of the cache; by default scheme, host and URI proxied to."
    )
    proxy_cache_lock = flag(
        False, EVERYWHERE, "Lets one request at a time fetch what others then find in the cache."
    )
    proxy_cache_lock_age = time(
        5, EVERYWHERE, "Sets the time after which one more request may fetch.", shown="5s"
    )
    proxy_cache_lock_timeout = time(
        5, EVERYWHERE, "Limits the time of waiting for the one that fetches.", shown="5s"
    )
    proxy_cache_max_range_offset = offset(
        ANY_OFFSET,
        EVERYWHERE,
        "Sets the offset from which on ranges are passed to the upstream and not kept.",
        shown="—",
    )
    proxy_cache_methods = bitmask(
        frozenset({"GET", "HEAD"}),
        ("GET", "HEAD", "POST"),
        EVERYWHERE,
        "Sets the methods whose responses are kept; GET and HEAD always are.",
        "GET HEAD",
    )
    proxy_cache_min_uses = number(1, EVERYWHERE, "Sets the requests before a response is kept.")

    @directive(
        HTTP,
        syntax="proxy_cache_path path [levels=levels] [use_temp_path=on|off] "
        "keys_zone=name:size [inactive=time] [max_size=size] [min_free=size] "
        "[manager_files=number] [manager_sleep=time] [manager_threshold=time] "
        "[loader_files=number] [loader_sleep=time] [loader_threshold=time]",
        arity=(2, UNLIMITED),
    )
    def proxy_cache_path(self, path: str, *parameters: str) -> None:
        """Defines a cache: its directory, its zone and its limits."""
        full = self._scope.full_name(path.removesuffix("/"))
        settings = parse_settings("proxy_cache_path", full, *parameters)
        self._scope.shared(Paths).add(settings.path, self._scope)
        zone = self._scope.shared(Zones).add(settings.zone, settings.zone_size, TAG)
        caches = self._scope.shared(Caches)
        if settings.zone in caches.by_name:
            raise ConfError(f'duplicate zone "{settings.zone}"')
        caches.add(settings, zone)

    proxy_cache_revalidate = flag(
        False, EVERYWHERE, "Asks the upstream whether an expired response is still good."
    )
    proxy_cache_use_stale = bitmask(
        frozenset(), STALE, EVERYWHERE, "Tells when a stale response is better than none.", "off"
    )

    @directive(EVERYWHERE, arity=(1, UNLIMITED), syntax="proxy_cache_valid [code ...] time")
    def proxy_cache_valid(self, *words: str) -> None:
        """Sets how long responses with these codes are kept; 200, 301 and 302 without any."""
        self.valid = (*vars(self).get("valid", ()), *parse_valid(*words))

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def proxy_no_cache(self, *strings: str) -> None:
        """Keeps no response if one of the values is neither empty nor "0"."""
        self.no_cache = (*vars(self).get("no_cache", ()), *map(Template, strings))

    def merge(self, outer: CacheConf) -> None:
        super().merge(outer)
        zone = self.zone
        if zone is None or not zone.is_constant:
            return
        if zone.text not in self._scope.shared(Caches).by_name:
            raise ConfError(f'"proxy_cache" zone "{zone.text}" is unknown')

    @property
    def stale(self) -> frozenset[str]:
        """The cases of proxy_cache_use_stale."""
        return frozenset() if "off" in self.proxy_cache_use_stale else self.proxy_cache_use_stale


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


cache = Module("proxy_cache", CacheConf)


@cache.after_merge
def need_temp_folder(conf: CacheConf, level: Level) -> None:
    """It is made at start if it is missing."""
    if conf.zone is not None:
        level.scope.folders[temp_path(level).name] = None


def temp_path(level: Level) -> HashedPath:
    """The directory of proxy_temp_path."""
    conf, scope = level[ProxyConf], level.scope
    name = conf.proxy_temp_path
    if not conf.is_set("proxy_temp_path"):
        name = scope.options.layout.temp("proxy_temp")
    return HashedPath(scope.full_name(name))
