"""Sends files that are gzipped already: "page.html.gz" instead of "page.html"."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable

from ..conf.directive import Conf, enum
from ..http.contexts import EVERYWHERE
from ..http.files import FORBIDDEN, MISSING, send_file
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..log import Severity, errno_text
from .core import CoreConf
from .files import bind_files, describe_file
from .gzip_ok import GzipOkConf, bind_gzip_ok, bind_vary


class GzipStaticConf(Conf):
    gzip_static = enum(
        "off",
        ("off", "on", "always"),
        EVERYWHERE,
        'Sends the file with the extension ".gz", if it exists, to clients that accept gzip. '
        'With "always", it is sent to all clients. This costs less than "gzip", which '
        "compresses in the worker for each request.",
    )


gzip_static = Module("gzip_static", GzipStaticConf)


@gzip_static.handler(Phase.CONTENT)
def serve_gzipped(conf: GzipStaticConf, level: Level) -> Handler | None:
    """Before "static", which serves all other files."""
    if conf.gzip_static == "off":
        return None
    location, files, has_etag = level.location, bind_files(level), level[CoreConf].etag
    assert location is not None
    path_of, always = location.path_of, conf.gzip_static == "always"
    ok, mark_vary, vary = bind_gzip_ok(level), bind_vary(level), level[GzipOkConf].gzip_vary

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        if r.method not in ("GET", "HEAD") or r.uri.endswith("/"):
            return None
        wanted = always or ok(r)
        if not (wanted or vary):
            return None
        path = path_of(r) + ".gz"
        try:
            fd = files.open(r, path)
        except OSError as error:
            _log_error(r, path, error, files.open_call)
            return None
        if not always:
            mark_vary(r)
        info = os.fstat(fd)
        if wanted and stat.S_ISREG(info.st_mode):
            describe_file(r, info, has_etag)
            r.content_encoding = "gzip"
            r.headers_out.append(("Content-Encoding", "gzip"))
            return send_file(r, fd, info.st_size, path)
        os.close(fd)
        return _not_regular(r, path) if wanted and not stat.S_ISDIR(info.st_mode) else None

    return handle


def _log_error(r: Request, path: str, error: OSError, call: str) -> None:
    if error.errno not in MISSING:
        level = Severity.ERR if error.errno in FORBIDDEN else Severity.CRIT
        r.log(level, f'{call} "{path}" failed {errno_text(error)}')


def _not_regular(r: Request, path: str) -> Status:
    r.log(Severity.CRIT, f'"{path}" is not a regular file')
    return 404
