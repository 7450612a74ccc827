"""Serves files."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable

from ..conf.directive import Conf
from ..http.files import describe_file, send_file
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.uri import escape_uri
from ..log import Severity
from .core import CoreConf
from .files import bind_files, open_failed

METHODS = frozenset({"GET", "HEAD", "POST"})


class StaticConf(Conf):
    """No directives of its own: "root", "types" and their like are the core module's."""


static = Module("static", StaticConf)


@static.handler(Phase.CONTENT)
def serve_file(conf: StaticConf, level: Level) -> Handler:
    """The last of the content handlers."""
    location, core, files = level.location, level[CoreConf], bind_files(level)
    assert location is not None
    path_of, has_etag, log_not_found = location.path_of, core.etag, core.log_not_found

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        if r.method not in METHODS:
            return 405
        if r.uri.endswith("/"):
            return None
        path = path_of(r)
        try:
            fd = files.open(r, path)
        except OSError as error:
            return open_failed(r, path, error, files, log_not_found)
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode) and r.method != "POST":
            describe_file(r, info, has_etag)
            return send_file(r, fd, info.st_size, path)
        os.close(fd)
        return _cannot_serve(r, info, path)

    return handle


def _cannot_serve(r: Request, info: os.stat_result, path: str) -> Status:
    """A directory gets its slash; what is neither that nor a file is not there."""
    if stat.S_ISDIR(info.st_mode):
        r.location_out = escape_uri(r.uri) + "/" + (f"?{r.args}" if r.args else "")
        return 301
    if stat.S_ISREG(info.st_mode):
        return 405
    r.log(Severity.CRIT, f'"{path}" is not a regular file')
    return 404
