"""The core module: what it gives to locations when they are built."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ...errors import ConfError
from ...http.browser import is_msie6, is_safari
from ...http.contexts import LOCATION
from ...http.level import Level
from ...http.module import Module
from ...http.request import KeepAlive, Location, Request
from ...http.template import Text, bind_size
from .conf import CoreConf
from .error_pages import BoundErrorPage, bind_error_pages
from .log_tags import bind_log_tags
from .paths import bind_content_type, bind_path, bind_root

core = Module("core", CoreConf)


@core.after_merge
def check_level(conf: CoreConf, level: Level) -> None:
    """Large buffers hold at least what a connection's pool does; the directory of request bodies
    is created at start if it is missing."""
    if conf.large_client_header_buffers[1] < conf.connection_pool_size:
        raise ConfError(
            'the "large_client_header_buffers" size must be equal to or greater than '
            '"connection_pool_size"'
        )
    level.scope.directories[conf.temp_directory()] = None


def compile_core(level: Level, location: Location) -> None:
    """Sets the properties of a location that the core module determines."""
    conf = level[CoreConf]
    location.name, location.core = conf.name, conf
    location.internal = (conf.internal_only and bool(level.context & LOCATION)) or conf.is_named
    location.log_tags = bind_log_tags(conf.log_tags, level.variables)
    location.exact = conf.modifier == "="
    location.no_regex = conf.modifier == "^~"
    key = _Inherited, conf.origin
    (
        location.limit_rate,
        location.limit_rate_after,
        location.signature,
        location.keepalive,
        location.content_type_of,
        location.root_of,
        location.path_of,
        location.error_pages,
    ) = level.variables.once(key, lambda: _inherited(conf, level))


class _Inherited(NamedTuple):
    """What is made of settings that locations have in common."""

    limit_rate: Callable[[Request], int] | None
    limit_rate_after: Callable[[Request], int] | None
    signature: str
    keepalive: KeepAlive
    content_type_of: Callable[[str], str]
    root_of: Text
    path_of: Text
    error_pages: dict[int, BoundErrorPage]


def _inherited(conf: CoreConf, level: Level) -> _Inherited:
    root_of = bind_root(level)
    return _Inherited(
        bind_size(conf.limit_rate_value, level.variables),
        bind_size(conf.limit_rate_start, level.variables),
        conf.signature,
        _keepalive(conf),
        bind_content_type(level),
        root_of,
        bind_path(level, root_of),
        bind_error_pages(conf.error_pages, level.variables),
    )


def _keepalive(conf: CoreConf) -> KeepAlive:
    seconds, header = conf.keepalive_timeout
    allowed = conf.keepalive_requests if seconds > 0 else 0
    kept = KeepAlive(allowed, conf.keepalive_time, seconds, conf.keepalive_min_timeout)
    browsers = conf.keepalive_disable
    kept.disabled, kept.any_method = _disables(browsers), "safari" in browsers
    if header:
        kept.field += f"Keep-Alive: timeout={header}\r\n"
    return kept


@lru_cache(maxsize=8)
def _disables(browsers: frozenset[str]) -> Callable[[Request], bool] | None:
    if "safari" not in browsers and "msie6" not in browsers:
        return None

    def disabled(r: Request) -> bool:
        agent = r.first_line("user-agent")
        if not agent:
            return False
        if "msie6" in browsers and r.original_method == "POST" and is_msie6(agent):
            return True
        return "safari" in browsers and is_safari(agent)

    return disabled
