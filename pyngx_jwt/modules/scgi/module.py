"""The module: its content handler."""

from __future__ import annotations

from ...gateway.cache_conf import note_temp_folder, warn_of_key
from ...gateway.conf import check_buffers
from ...gateway.target import warn_of_resolver
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler
from ..upstream import pass_to
from .conf import ScgiConf
from .wire import ScgiWire

scgi = Module("scgi", ScgiConf)


@scgi.after_merge
def check(conf: ScgiConf, level: Level) -> None:
    """As for proxy_pass; and here a cache has no key of its own."""
    check_buffers(conf)
    note_temp_folder(conf, level)
    warn_of_key(conf, level)
    warn_of_resolver(conf, level)


@scgi.upstream_content
def pass_request(conf: ScgiConf, level: Level) -> Handler | None:
    """The content handler of a location with scgi_pass."""
    return pass_to(conf, level, ScgiWire(conf, level)) if conf.target else None
