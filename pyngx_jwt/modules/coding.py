"""What gzip, brotli and zstd have in common: a filter that compresses, and files that are
compressed already."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from ..errors import ConfError
from ..extras import Extra, load
from ..http.content_types import Types, has_type
from ..http.files import FORBIDDEN, MISSING, describe_file, send_file
from ..http.level import Level
from ..http.request import Handler, HeaderFilter, Request, Status
from ..log import Severity, errno_text
from .core import CoreConf
from .files import bind_files
from .gzip_ok import GzipOkConf, accepts, bind_vary, change_length

STATUSES = frozenset({200, 403, 404})


class Compressor(Protocol):
    """A stream that is being compressed."""

    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """What the client needs to have all that came so far."""

    def finish(self) -> bytes:
        """The end of the stream."""


class Compressed:
    """The body filter; holds back less than `size` bytes of output, unless it has to flush."""

    def __init__(self, r: Request, compressor: Compressor, size: int) -> None:
        self.r, self.compressor, self.size = r, compressor, size
        self.held = b""
        self.taken = self.given = 0
        self.done = False

    def feed(self, data: bytes) -> bytes:
        self.taken += len(data)
        out = self.held + self.compressor.compress(data)
        if self.r.unbuffered:
            out += self.compressor.flush()
        elif len(out) < self.size:
            self.held = out
            return b""
        self.held = b""
        self.given += len(out)
        return out

    def end(self) -> bytes:
        if self.r.header_only:
            return b""
        out = self.held + self.compressor.finish()
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


class Coding(NamedTuple):
    """A content coding; `ok` says whether a client gets it."""

    name: str  # as in Content-Encoding
    extension: str  # of files that are compressed already
    ok: Callable[[Request], bool]


def accepted_coding(name: str, extension: str) -> Coding:
    """A coding that clients get who say that they accept it."""

    def ok(r: Request) -> bool:
        return r.parent is None and accepts(r.first_line("accept-encoding") or "", name)

    return Coding(name, extension, ok)


def compressing(
    level: Level,
    coding: Coding,
    key: str,
    types: Types,
    least: int,
    start: Callable[[Request], Compressed],
) -> HeaderFilter:
    """A header filter that has responses of these types and at least that length compressed;
    `key` is that of the body filter among the request's contexts."""
    ok, mark_vary = coding.ok, bind_vary(level)

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
        body_filter = r.contexts[key] = start(r)
        r.filter_all(body_filter)
        r.content_encoding = coding.name
        r.headers_out.append(("Content-Encoding", coding.name))
        change_length(r)

    return filter_header


def ratio_of(r: Request, key: str) -> str | None:
    """The ratio of the response's original size to the compressed one."""
    body_filter = r.contexts.get(key)
    return body_filter.ratio() if isinstance(body_filter, Compressed) else None


def serve_compressed(level: Level, coding: Coding, mode: str) -> Handler | None:
    """A content handler that sends the compressed file in the place of another; `mode` is "off",
    "on", or "always"."""
    if mode == "off":
        return None
    location, files, has_etag = level.location, bind_files(level), level[CoreConf].etag
    assert location is not None
    path_of, always = location.path_of, mode == "always"
    ok, mark_vary, vary = coding.ok, bind_vary(level), level[GzipOkConf].gzip_vary

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        if r.method not in ("GET", "HEAD") or r.uri.endswith("/"):
            return None
        wanted = always or ok(r)
        if not (wanted or vary):
            return None
        path = path_of(r) + coding.extension
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
            r.content_encoding = coding.name
            r.headers_out.append(("Content-Encoding", coding.name))
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


class WithoutLibrary:
    """What was warned of: a directive is left out, as its package is missing."""

    __slots__ = ("warnings",)

    def __init__(self) -> None:
        self.warnings: set[str] = set()


def library(level: Level, directive: str, extra: Extra) -> Any:
    """The package that compresses; without it None, and a warning for each directive."""
    statement = level.set_by(directive)[-1]
    try:
        return load(f'the "{directive}" directive', extra)
    except ConfError as error:
        text = f"{error}, ignored in {statement.file}:{statement.line}"
        warnings = level.scope.shared(WithoutLibrary).warnings
        if text not in warnings:
            warnings.add(text)
            level.scope.warn_at(text)
        return None
