"""Files as responses, and how they are opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, NamedTuple

from ..log import Severity
from .request import SMALL, Request, Status
from .status import DONE
from .template import Text

READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
FORBIDDEN = frozenset({errno.EACCES, errno.EMLINK, errno.ELOOP})
SEARCH = os.O_PATH | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
MAX_ETAGS: Final = 256
_etags: Final[dict[tuple[int, int], str]] = {}

Segment = tuple[bytes, int, int]  # what goes before it; first byte and end within the file


class Symlinks(Enum):
    """Which symbolic links in a path are refused ("disable_symlinks")."""

    ALLOWED = "off"
    NONE = "on"
    OF_OTHERS = "if_not_owner"


class FileAccess(NamedTuple):
    """How a location opens files; both raise OSError, the names are for the log."""

    open: Callable[[Request, str], int]
    stat: Callable[[Request, str], os.stat_result]
    open_call: str = "open()"
    stat_call: str = "stat()"


def files_of(symlinks: Symlinks, source: Text | None) -> FileAccess:
    """`source` is where checking begins, if a path begins with it."""
    if symlinks is Symlinks.ALLOWED:
        return FileAccess(_open, _stat)

    def open_checked(r: Request, path: str) -> int:
        return _open_checked(path, symlinks, _unchecked(path, source(r) if source else ""))

    def stat_checked(r: Request, path: str) -> os.stat_result:
        fd = open_checked(r, path)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    return FileAccess(open_checked, stat_checked, "openat()", "openat()")


def _open(r: Request, path: str) -> int:
    return os.open(path.encode("latin-1"), READ)


def _stat(r: Request, path: str) -> os.stat_result:
    return os.stat(path.encode("latin-1"))


# -- disable_symlinks -----------------------------------------------------------------------


def _unchecked(path: str, source: str) -> int:
    """How much of the path is not checked; -1 is all (ngx_http_set_disable_symlinks)."""
    if not source or not path.startswith(source):
        return 0
    if source == path:
        return -1
    if path[len(source)] == "/":
        return len(source)
    return len(source) - 1 if source.endswith("/") else 0


def _open_checked(path: str, symlinks: Symlinks, unchecked: int) -> int:
    """Opens a path part by part (ngx_open_file_wrapper)."""
    if unchecked < 0:
        return os.open(path.encode("latin-1"), READ)
    name = path.encode("latin-1")
    directory = os.open(name[:unchecked] or (b"/" if name.startswith(b"/") else b"."), SEARCH)
    *parts, last = name[unchecked:].split(b"/")
    try:
        for part in filter(None, parts):
            inner = _open_part(directory, part, SEARCH, symlinks)
            os.close(directory)
            directory = inner
        if not last:
            return os.open(b".", READ, dir_fd=directory)
        return _open_part(directory, last, READ, symlinks)
    finally:
        os.close(directory)


def _open_part(directory: int, name: bytes, flags: int, symlinks: Symlinks) -> int:
    if symlinks is Symlinks.NONE:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=directory)
    fd = os.open(name, flags, dir_fd=directory)
    try:
        link = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if os.fstat(fd).st_uid != link.st_uid:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    except OSError:
        os.close(fd)
        raise
    return fd


# -- describing -----------------------------------------------------------------------------


def describe_file(r: Request, info: os.stat_result, has_etag: bool) -> None:
    """Sets the response's status and headers that a regular file determines."""
    modified, size = int(info[stat.ST_MTIME]), info.st_size
    r.status = 200
    r.content_length, r.last_modified = size, modified
    if has_etag:
        r.etag = _etag(modified, size)
    if not r.content_type:
        r.content_type = r.location.content_type_of(r.uri)
    r.allow_ranges = True


def _etag(modified: int, size: int) -> str:
    """The files that are asked for are few, compared to the requests."""
    etag = _etags.get((modified, size))
    if etag is None:
        if len(_etags) >= MAX_ETAGS:
            _etags.clear()
        etag = _etags[modified, size] = f'"{modified:x}-{size:x}"'
    return etag


# -- sending --------------------------------------------------------------------------------


def send_file(
    r: Request, fd: int, size: int, path: str, *, prefix: bytes = b"", start: int = 0
) -> Awaitable[Status] | Status:
    """Sends header and body and closes the file; whatever is not long is sent at once.  The body
    is the prefix and the file from `start` up to `size`.

    Filters find that in r.file_segments and can put parts of it there."""
    r.file_segments = ((prefix, start, size),)
    waits = False
    try:
        r.send_header()
        if r.header_only:
            return r.finish()
        segments: tuple[Segment, ...] = r.file_segments
        waits = r.rate > 0 or r.inflates or sum(end - start for _, start, end in segments) > r.piece
        if waits:
            return _send_parts(r, fd, segments, path)
        return _send_at_once(r, fd, segments, path)
    finally:
        if not waits:
            os.close(fd)


def _send_at_once(r: Request, fd: int, segments: tuple[Segment, ...], path: str) -> Status:
    for prefix, start, end in segments:
        data = os.pread(fd, end - start, start) if end > start else b""
        r.write(prefix + data if prefix else data)
        if len(data) < end - start:
            return _cut(r, len(data), end - start, path)
    return r.finish()


async def _send_parts(r: Request, fd: int, segments: tuple[Segment, ...], path: str) -> Status:
    piece = r.piece
    try:
        for prefix, start, end in segments:
            if prefix:
                r.write(prefix)
            while start < end:
                wanted = end - start
                if wanted > piece + SMALL:  # a short rest goes with the last piece
                    wanted = piece
                data = os.pread(fd, wanted, start)
                read, sending = len(data), r.send(data)
                del data  # it is not kept for as long as the client takes
                await sending
                start += read
                if read < wanted:
                    return _cut(r, read, wanted, path)
        return r.finish()
    finally:
        os.close(fd)


def _cut(r: Request, read: int, wanted: int, path: str) -> Status:
    """The file became shorter than the header says."""
    r.log(Severity.ALERT, f'pread() read only {read} of {wanted} from "{path}"')
    r.sink.abort()
    return DONE


def cut(segments: tuple[Segment, ...], start: int, end: int) -> list[Segment]:
    """The bytes of a body from `start` to `end`."""
    parts: list[Segment] = []
    at = 0
    for prefix, first, last in segments:
        piece = prefix[max(start - at, 0) : max(end - at, 0)]
        at += len(prefix)
        low, high = max(start - at, 0), min(end - at, last - first)
        if low < high:
            parts.append((piece, first + low, first + high))
        elif piece:
            parts.append((piece, 0, 0))
        at += last - first
    return parts
