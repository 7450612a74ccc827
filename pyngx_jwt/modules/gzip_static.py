"""Sends files that are gzipped already: "page.html.gz" instead of "page.html"."""

from __future__ import annotations

from ..conf.directive import Conf, enum
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler
from .coding import Coding, serve_compressed
from .gzip_ok import bind_gzip_ok


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
    coding = Coding("gzip", ".gz", bind_gzip_ok(level))
    return serve_compressed(level, coding, conf.gzip_static)
