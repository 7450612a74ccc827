"""Compresses responses with Zstandard on their way to clients that accept it.

The directives are those of tokers/zstd-nginx-module.  They need the package zstandard:
`pip install 'pyngx-jwt[zstd]'`.  Without it, a warning is printed and responses are
not compressed.
"""

from __future__ import annotations

from typing import Any

from ..conf.directive import Conf, buffers, directive, enum, flag, size, slot, string
from ..errors import ConfError
from ..extras import ZSTD
from ..http.content_types import HTML, Types, add_types
from ..http.contexts import EVERYWHERE, HTTP, LOCATION_IF
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, HeaderFilter, Request
from ..log import errno_text
from .coding import Compressed, accepted_coding, compressing, library, ratio_of, serve_compressed

KEY = "zstd"
CODING = accepted_coding("zstd", ".zst")
MOST_WINDOW = 23  # 8 MB: what every client must be able to read (RFC 9659)


def _parse_level(name: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ConfError(f'"{name}" directive invalid number')
    level = int(text)
    if not -131072 <= level <= 22 or level == 0:
        raise ConfError("value must be between -131072 and 22, and not 0")
    return level


class ZstdConf(Conf):
    zstd = flag(
        False,
        EVERYWHERE | LOCATION_IF,
        "Compresses responses for clients that accept Zstandard. Compression runs in the worker; "
        'consider "zstd_static" for static files.',
    )
    zstd_static = enum(
        "off",
        ("off", "on", "always"),
        EVERYWHERE,
        'Sends the file with the extension ".zst", if it exists, to clients that accept '
        'Zstandard. With "always", it is sent to all clients.',
    )
    types: Types = HTML

    @directive(EVERYWHERE, default="text/html", syntax="zstd_types mime-type ...")
    def zstd_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are compressed, in addition to text/html.  "*"
        means all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))

    zstd_comp_level = slot(
        1,
        _parse_level,
        EVERYWHERE,
        "Sets the compression level from -131072 (fast) to 22 (slow).",
        syntax="level",
    )
    zstd_min_length = size(
        20,
        EVERYWHERE,
        "Sets the minimum Content-Length of responses that are compressed.",
        shown="20",
    )
    zstd_buffers = buffers(
        (32, 4096),
        EVERYWHERE,
        "Sets number and size of buffers for compressed data. Here the size is that of the "
        "pieces that are sent.",
        shown="32 4k",
    )
    zstd_dict_file = string(
        "",
        HTTP,
        "Sets a file with a dictionary. Only clients that have the same dictionary can read the "
        "responses.",
        syntax="path",
    )


zstd = Module("zstd", ZstdConf)


@zstd.variable("zstd_ratio")
def zstd_ratio(r: Request) -> str | None:
    """Ratio of the response's original size to the one compressed with Zstandard."""
    return ratio_of(r, KEY)


@zstd.handler(Phase.CONTENT)
def serve_file(conf: ZstdConf, level: Level) -> Handler | None:
    return serve_compressed(level, CODING, conf.zstd_static)


class Stream:
    """A stream of the package zstandard."""

    def __init__(self, package: Any, parameters: Any, dictionary: Any) -> None:
        compressor = package.ZstdCompressor(compression_params=parameters, dict_data=dictionary)
        self.block, self.stream = package.COMPRESSOBJ_FLUSH_BLOCK, compressor.compressobj()

    def compress(self, data: bytes) -> bytes:
        out: bytes = self.stream.compress(data)
        return out

    def flush(self) -> bytes:
        out: bytes = self.stream.flush(self.block)
        return out

    def finish(self) -> bytes:
        out: bytes = self.stream.flush()
        return out


@zstd.header_filter
def compress(conf: ZstdConf, level: Level) -> HeaderFilter | None:
    package = library(level, "zstd", ZSTD) if conf.zstd else None
    if package is None:
        return None
    parameters = package.ZstdCompressionParameters.from_level(conf.zstd_comp_level)
    if parameters.window_log > MOST_WINDOW:
        parameters = package.ZstdCompressionParameters.from_level(
            conf.zstd_comp_level, window_log=MOST_WINDOW
        )
    dictionary = _dictionary(conf, package)
    size = conf.zstd_buffers[1]

    def start(r: Request) -> Compressed:
        return Compressed(r, Stream(package, parameters, dictionary), size)

    return compressing(level, CODING, KEY, conf.types, conf.zstd_min_length, start)


def _dictionary(conf: ZstdConf, package: Any) -> Any:
    if not conf.zstd_dict_file:
        return None
    path = conf.scope.full_name(conf.zstd_dict_file)
    try:
        with open(path, "rb") as file:
            return package.ZstdCompressionDict(file.read())
    except OSError as error:
        raise ConfError(f'open() "{path}" failed {errno_text(error)}') from None
