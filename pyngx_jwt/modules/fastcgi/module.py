"""The module: its content handler and its variables."""

from __future__ import annotations

from ...gateway.cached import check_passing, purge_here
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request
from ..upstream import pass_to
from .conf import FastcgiConf
from .wire import FastcgiWire

fastcgi = Module("fastcgi", FastcgiConf)
fastcgi.after_merge(check_passing)


@fastcgi.upstream_content
def pass_request(conf: FastcgiConf, level: Level) -> Handler | None:
    """The content handler of a location with fastcgi_pass."""
    if conf.target is None:
        return purge_here(conf, level)
    return pass_to(conf, level, FastcgiWire(conf, level))


@fastcgi.variable("fastcgi_script_name")
def fastcgi_script_name(r: Request) -> str:
    """The URI, or its part for "fastcgi_split_path_info"; if it ends with a slash, with the name
    from "fastcgi_index"."""
    conf: FastcgiConf = r.location.conf(FastcgiConf)
    name = _split(r, conf)[0]
    return name + conf.fastcgi_index if name.endswith("/") else name


@fastcgi.variable("fastcgi_path_info")
def fastcgi_path_info(r: Request) -> str:
    """The second group of "fastcgi_split_path_info"; empty without one."""
    return _split(r, r.location.conf(FastcgiConf))[1]


def _split(r: Request, conf: FastcgiConf) -> tuple[str, str]:
    """The name of the script and the path behind it (ngx_http_fastcgi_split)."""
    match = conf.split.search(r, r.uri) if conf.split is not None else None
    if match is None:
        return r.uri, ""
    name, path = match.group(1) or b"", match.group(2) or b""
    return name.decode("latin-1"), path.decode("latin-1")
