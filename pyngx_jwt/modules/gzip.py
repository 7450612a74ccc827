"""Compresses responses with gzip on their way to clients that accept it."""

from __future__ import annotations

import zlib

from ..conf.directive import A_SIZE, Conf, accepted, buffers, directive, flag, size, slot
from ..conf.values import parse_number, parse_size
from ..errors import ConfError
from ..http.content_types import HTML, Types, add_types, has_type
from ..http.contexts import EVERYWHERE, LOCATION_IF
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from .gzip_ok import bind_gzip_ok, bind_vary, change_length

STATUSES = frozenset({200, 403, 404})
KEY = "gzip"
MAX_BITS, MAX_MEMORY = 15, 9  # of zlib
UNUSED = 262  # bytes of zlib's window that it does not look back into


def _parse_level(name: str, text: str) -> int:
    try:
        level = parse_number(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid number') from None
    if not 1 <= level <= 9:
        raise ConfError("value must be between 1 and 9")
    return level


def _parse_bits(name: str, text: str, sizes: tuple[str, ...], most: int) -> int:
    """One of zlib's parameters by the size it stands for; the greatest is `most`."""
    try:
        size = parse_size(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None
    for below, word in enumerate(reversed(sizes)):
        if parse_size(word) == size:
            return most - below
    raise ConfError(f'"{name}" directive must be {", ".join(sizes[:-1])}, or {sizes[-1]}')


WINDOWS = ("512", "1k", "2k", "4k", "8k", "16k", "32k")
HASHES = (*WINDOWS, "64k", "128k")


class GzipConf(Conf):
    gzip = flag(
        False,
        EVERYWHERE | LOCATION_IF,
        "Compresses responses for clients that accept gzip. Compression runs in the worker; "
        'consider "gzip_static" for static files.',
    )
    gzip_buffers = buffers(
        (32, 4096),
        EVERYWHERE,
        "Sets number and size of buffers for compressed data. Here the size is that of the "
        "pieces that are sent.",
        shown="32 4k",
    )
    types: Types = HTML

    @directive(EVERYWHERE, default="text/html", syntax="gzip_types mime-type ...")
    def gzip_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are compressed, in addition to text/html.  "*"
        means all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))

    gzip_comp_level = slot(
        1,
        _parse_level,
        EVERYWHERE,
        "Sets the compression level from 1 (fast) to 9.",
        syntax="level",
    )
    gzip_window = slot(
        MAX_BITS,
        lambda name, text: _parse_bits(name, text, WINDOWS, MAX_BITS),
        EVERYWHERE,
        "Sets the size of zlib's window.",
        syntax="size",
        shown="32k",
    )
    gzip_hash = slot(
        8,
        lambda name, text: _parse_bits(name, text, HASHES, MAX_MEMORY),
        EVERYWHERE,
        "Sets the size of zlib's hash table.",
        syntax="size",
        shown="64k",
    )
    postpone_gzipping = accepted(EVERYWHERE, "what zlib gives out is held back anyway", like=A_SIZE)
    gzip_no_buffer = flag(False, EVERYWHERE, "Sends the output of zlib immediately.")
    gzip_min_length = size(
        20,
        EVERYWHERE,
        "Sets the minimum Content-Length of responses that are compressed. Responses without a "
        "Content-Length are always compressed.",
        shown="20",
    )


gzip = Module("gzip", GzipConf)


@gzip.variable("gzip_ratio")
def gzip_ratio(r: Request) -> str | None:
    """Ratio of the response's original size to the compressed one."""
    deflate = r.contexts.get(KEY)
    return deflate.ratio() if isinstance(deflate, Deflate) else None


@gzip.header_filter
def compress(conf: GzipConf, level: Level) -> HeaderFilter | None:
    if not conf.gzip:
        return None
    ok, mark_vary = bind_gzip_ok(level), bind_vary(level)
    types, least = conf.types, conf.gzip_min_length

    def filter_header(r: Request) -> None:
        if (
            r.status not in STATUSES
            or r.content_encoding
            or -1 < r.content_length < least
            or not has_type(r, types)
            or (r.header_only and r.method != "HEAD")
        ):
            return
        mark_vary(r)
        if not ok(r):
            return
        deflate = r.contexts[KEY] = Deflate(r, conf)
        r.filter_all(deflate)
        r.content_encoding = "gzip"
        r.headers_out.append(("Content-Encoding", "gzip"))
        change_length(r)

    return filter_header


class Deflate:
    """The body filter; holds back less than one buffer of output, unless it has to flush."""

    def __init__(self, r: Request, conf: GzipConf) -> None:
        bits, memory = parameters(conf.gzip_window, conf.gzip_hash, r.content_length)
        self.r, self.size = r, conf.gzip_buffers[1]
        self.no_buffer = conf.gzip_no_buffer
        self.zlib = zlib.compressobj(conf.gzip_comp_level, zlib.DEFLATED, bits + 16, memory)
        self.held = b""
        self.taken = self.given = 0
        self.done = False

    def feed(self, data: bytes) -> bytes:
        self.taken += len(data)
        out = self.held + self.zlib.compress(data)
        if self.r.unbuffered:
            out += self.zlib.flush(zlib.Z_SYNC_FLUSH)
        elif len(out) < self.size and not self.no_buffer:
            self.held = out
            return b""
        self.held = b""
        self.given += len(out)
        return out

    def end(self) -> bytes:
        if self.r.header_only:
            return b""
        out = self.held + self.zlib.flush()
        self.given += len(out)
        self.done = True
        return out

    def ratio(self) -> str | None:
        """None until all is compressed."""
        if not self.done:
            return None
        whole, fraction = divmod(self.taken * 100 // self.given, 100)
        if self.taken * 1000 // self.given % 10 > 4:
            whole, fraction = divmod(whole * 100 + fraction + 1, 100)
        return f"{whole}.{fraction:02d}"


def parameters(bits: int, memory: int, length: int) -> tuple[int, int]:
    """zlib's window bits and memory level: no more than a body of that length calls for
    (ngx_http_gzip_filter_memory)."""
    if length > 0:
        while length < (1 << (bits - 1)) - UNUSED:
            bits, memory = bits - 1, memory - 1
    return bits, max(memory, 1)
