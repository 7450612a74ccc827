"""Decompresses gzipped responses for clients that do not accept gzip."""

from __future__ import annotations

import zlib

from ..conf.directive import Conf, accepted, buffers, flag
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..log import Severity
from .gzip_ok import bind_gzip_ok, bind_vary, change_length

BITS = zlib.MAX_WBITS + 16  # the gzip format
Z_DATA_ERROR, Z_BUF_ERROR = -3, -5


class GunzipConf(Conf):
    gunzip = flag(
        False,
        EVERYWHERE,
        "Decompresses gzipped responses for clients that do not accept gzip. Useful with cached"
        " or precompressed responses.",
    )
    gunzip_buffers = accepted(
        EVERYWHERE,
        "what zlib gives out is sent at once",
        like=buffers((32, 4096), EVERYWHERE, "", shown="32 4k"),
    )


gunzip = Module("gunzip", GunzipConf)


@gunzip.header_filter
def decompress(conf: GunzipConf, level: Level) -> HeaderFilter | None:
    if not conf.gunzip:
        return None
    ok, mark_vary = bind_gzip_ok(level), bind_vary(level)

    def filter_header(r: Request) -> None:
        if (r.content_encoding or "").lower() != "gzip":
            return
        mark_vary(r)
        if ok(r):
            return
        r.body_filters += (Inflate(r),)
        r.inflates = True
        r.content_encoding = None
        r.clear_header("content-encoding")
        change_length(r)

    return filter_header


class Inflate:
    """The body filter; a body may be of several gzip members.  Raises ConnectionResetError,
    after logging, for what is not gzip: the response is cut."""

    def __init__(self, r: Request) -> None:
        self.r, self.zlib, self.begun = r, zlib.decompressobj(BITS), False

    def feed(self, data: bytes) -> bytes:
        parts = []
        while data:
            if self.zlib.eof:
                self.zlib = zlib.decompressobj(BITS)
            self.begun = True
            try:
                parts.append(self.zlib.decompress(data))
            except zlib.error:
                self._fail(f"inflate() failed: 0, {Z_DATA_ERROR}")
            data = self.zlib.unused_data
        return b"".join(parts)

    def end(self) -> bytes:
        if not self.zlib.eof and not self.r.header_only:
            self._fail(f"inflate() returned {Z_BUF_ERROR} on response end")
        return b""

    def _fail(self, text: str) -> None:
        self.r.log(Severity.ERR, text)
        raise ConnectionResetError
