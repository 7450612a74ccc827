"""Compresses responses with Brotli on their way to clients that accept it.

The directives are those of google/ngx_brotli.  They need the package brotli:
`pip install 'pyngx-jwt[brotli]'`.  Without it, a warning is printed and responses are
not compressed.
"""

from __future__ import annotations

from typing import Any

from ..conf.directive import Conf, accepted, buffers, directive, enum, flag, size, slot
from ..conf.values import parse_number, parse_size
from ..errors import ConfError
from ..extras import BROTLI
from ..http.content_types import HTML, Types, add_types
from ..http.contexts import EVERYWHERE, LOCATION_IF
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, HeaderFilter, Request
from .coding import Compressed, accepted_coding, compressing, library, ratio_of, serve_compressed

KEY = "brotli"
CODING = accepted_coding("br", ".br")
BUFFER = 4096  # bytes of output that are held back
MODES = ("off", "on", "always")


def _parse_quality(name: str, text: str) -> int:
    try:
        quality = parse_number(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid number') from None
    if quality > 11:
        raise ConfError("value must be between 0 and 11")
    return quality


def _parse_window(name: str, text: str) -> int:
    """The binary logarithm of a size from 1k to 16m."""
    try:
        bits = parse_size(text).bit_length() - 1
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None
    if not 10 <= bits <= 24 or parse_size(text) != 1 << bits:
        raise ConfError(f'"{name}" directive must be a power of two from 1k to 16m')
    return bits


class BrotliConf(Conf):
    brotli = flag(
        False,
        EVERYWHERE | LOCATION_IF,
        "Compresses responses for clients that accept Brotli. Compression runs in the worker; "
        'consider "brotli_static" for static files.',
    )
    brotli_static = enum(
        "off",
        MODES,
        EVERYWHERE,
        'Sends the file with the extension ".br", if it exists, to clients that accept Brotli. '
        'With "always", it is sent to all clients.',
    )
    types: Types = HTML

    @directive(EVERYWHERE | LOCATION_IF, default="text/html", syntax="brotli_types mime-type ...")
    def brotli_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are compressed, in addition to text/html.  "*"
        means all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))

    brotli_comp_level = slot(
        6,
        _parse_quality,
        EVERYWHERE | LOCATION_IF,
        "Sets the compression level from 0 (fast) to 11 (slow).",
        syntax="level",
    )
    brotli_window = slot(
        19,
        _parse_window,
        EVERYWHERE | LOCATION_IF,
        "Sets the size of the window, a power of two from 1k to 16m.",
        syntax="size",
        shown="512k",
    )
    brotli_min_length = size(
        20,
        EVERYWHERE | LOCATION_IF,
        "Sets the minimum Content-Length of responses that are compressed.",
        shown="20",
    )
    brotli_buffers = accepted(
        EVERYWHERE | LOCATION_IF,
        "it is deprecated in ngx_brotli",
        like=buffers((32, 4096), EVERYWHERE, "", shown="32 4k"),
    )


brotli = Module("brotli", BrotliConf)


@brotli.variable("brotli_ratio")
def brotli_ratio(r: Request) -> str | None:
    """Ratio of the response's original size to the one compressed with Brotli."""
    return ratio_of(r, KEY)


@brotli.handler(Phase.CONTENT)
def serve_file(conf: BrotliConf, level: Level) -> Handler | None:
    return serve_compressed(level, CODING, conf.brotli_static)


class Stream:
    """A stream of the package brotli."""

    def __init__(self, package: Any, conf: BrotliConf) -> None:
        quality, window = conf.brotli_comp_level, conf.brotli_window
        self.stream = package.Compressor(quality=quality, lgwin=window)

    def compress(self, data: bytes) -> bytes:
        out: bytes = self.stream.process(data)
        return out

    def flush(self) -> bytes:
        out: bytes = self.stream.flush()
        return out

    def finish(self) -> bytes:
        out: bytes = self.stream.finish()
        return out


@brotli.header_filter
def compress(conf: BrotliConf, level: Level) -> HeaderFilter | None:
    package = library(level, "brotli", BROTLI) if conf.brotli else None
    if package is None:
        return None

    def start(r: Request) -> Compressed:
        return Compressed(r, Stream(package, conf), BUFFER)

    return compressing(level, CODING, KEY, conf.types, conf.brotli_min_length, start)
