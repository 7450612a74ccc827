"""Packages that only some configurations need: the extras of the distribution.

Nothing is imported before a configuration needs it, and what is missing is named together with
the extra that installs it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from .errors import ConfError, Place


class Extra(NamedTuple):
    """The name in brackets, the package as messages name it, and the modules that are needed."""

    name: str
    package: str
    modules: tuple[str, ...]


BROTLI = Extra("brotli", "brotli", ("brotli",))
GEOIP2 = Extra("geoip2", "maxminddb", ("maxminddb",))
HLS = Extra("hls", "PyAV", ("av", "av.logging"))
HTTP3 = Extra("http3", "aioquic", ("aioquic",))
IMAGE = Extra("image", "Pillow", ("PIL.Image", "PIL.ImageFilter"))
LUA = Extra("lua", "lupa, with LuaJIT", ("lupa", "lupa.luajit21"))
OTEL = Extra(
    "otel",
    "opentelemetry-proto, with grpcio",
    ("opentelemetry.proto.collector.trace.v1.trace_service_pb2", "grpc"),
)
XSLT = Extra("xslt", "lxml", ("lxml.etree",))
ZSTD = Extra("zstd", "zstandard", ("zstandard",))


def lacks(what: str, extra: Extra) -> str:
    """The sentence about what needs an extra that is not installed."""
    return f"{what} needs the package {extra.package} (pip install 'pyngx-jwt[{extra.name}]')"


def check(what: str, extra: Extra, place: Place | None = None) -> None:
    """Raises ConfError if the extra is not installed, without importing it."""
    if not all(map(_is_there, extra.modules)):
        raise _missing(what, extra, place)


def load(what: str, extra: Extra, place: Place | None = None) -> Any:
    """Imports the modules of the extra, and returns the first; raises ConfError without them.

    An error of a directive that is being run gets its place anyway; any other needs `place`."""
    try:
        first, *_ = [import_module(name) for name in extra.modules]
    except ImportError:
        raise _missing(what, extra, place) from None
    return first


def _is_there(name: str) -> bool:
    package, _, rest = name.rpartition(".")
    if rest and package and not _is_there(package):
        return False
    return find_spec(name) is not None


def _missing(what: str, extra: Extra, place: Place | None) -> ConfError:
    error = ConfError(lacks(what, extra))
    return error.at(place.file, place.line) if place is not None else error
