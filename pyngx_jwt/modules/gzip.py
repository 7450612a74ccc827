"""Compresses responses with gzip on their way to clients that accept it."""

from __future__ import annotations

import zlib

from ..conf.directive import A_SIZE, Conf, accepted, buffers, directive, flag, size, slot
from ..conf.values import parse_number, parse_size
from ..errors import ConfError
from ..http.content_types import HTML, Types, add_types
from ..http.contexts import EVERYWHERE, LOCATION_IF
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from .coding import Coding, Compressed, compressing, ratio_of
from .gzip_ok import bind_gzip_ok

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
    return ratio_of(r, KEY)


@gzip.header_filter
def compress(conf: GzipConf, level: Level) -> HeaderFilter | None:
    if not conf.gzip:
        return None
    coding = Coding("gzip", ".gz", bind_gzip_ok(level))
    size = 0 if conf.gzip_no_buffer else conf.gzip_buffers[1]

    def start(r: Request) -> Compressed:
        return Compressed(r, Deflate(r, conf), size)

    return compressing(level, coding, KEY, conf.types, conf.gzip_min_length, start)


class Deflate:
    """A stream of zlib."""

    def __init__(self, r: Request, conf: GzipConf) -> None:
        bits, memory = parameters(conf.gzip_window, conf.gzip_hash, r.content_length)
        self.zlib = zlib.compressobj(conf.gzip_comp_level, zlib.DEFLATED, bits + 16, memory)
        self.compress = self.zlib.compress

    def flush(self) -> bytes:
        return self.zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self.zlib.flush()


def parameters(bits: int, memory: int, length: int) -> tuple[int, int]:
    """zlib's window bits and memory level: no more than a body of that length calls for
    (ngx_http_gzip_filter_memory)."""
    if length > 0:
        while length < (1 << (bits - 1)) - UNUSED:
            bits, memory = bits - 1, memory - 1
    return bits, max(memory, 1)
