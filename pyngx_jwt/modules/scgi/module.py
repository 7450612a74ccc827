"""The module: its content handler."""

from __future__ import annotations

from ...gateway.cached import check_passing, purge_here
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler
from ..upstream import pass_to
from .conf import ScgiConf
from .wire import ScgiWire

scgi = Module("scgi", ScgiConf)
scgi.after_merge(check_passing)


@scgi.upstream_content
def pass_request(conf: ScgiConf, level: Level) -> Handler | None:
    """The content handler of a location with scgi_pass."""
    if conf.target is None:
        return purge_here(conf, level)
    return pass_to(conf, level, ScgiWire(conf, level))
