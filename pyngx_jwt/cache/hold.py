"""A request's hold on one entry of a cache: ngx_http_cache_t."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum, auto

from ..log import Severity, errno_text
from ..zones.store import CacheIndex, Node, NodeState, ZoneFull
from . import files
from .entry import HEADER_SIZE, CacheKey, Fault, Header, check, key_line, new_header, pack, unpack
from .files import Report, Writer
from .freshness import Freshness, variant
from .store import Cache, CachePolicy, Headers

READ_SIZE = 65536  # bytes; a file that is not larger is read at once
_POLL = 0.5  # seconds, as nginx


class Lookup(Enum):
    """What ``Hold.open`` found, with nginx's names for it."""

    HIT = auto()  # NGX_OK
    STALE = auto()  # expired, and it is ours to fetch it again
    UPDATING = auto()  # expired, and another request fetches it again
    MISS = auto()  # NGX_DECLINED: fetch it, and keep it
    SCARCE = auto()  # fetch it for yourself
    WAIT = auto()  # NGX_AGAIN: wait(), then open() again
    FAILED = auto()  # answer with the status in ``error``
    ERROR = auto()  # NGX_ERROR


class CacheEntry:
    """A file of the cache: its header and first bytes, the rest behind ``fd``.

    ``fd`` is -1 if ``data`` is all.  ``length`` and offsets are bytes of the file.
    """

    __slots__ = (
        *("data", "fd", "header", "length", "mtime", "path", "stale_error", "stale_updating"),
        "uniq",
    )

    def __init__(
        self, path: str, header: Header, data: bytes, length: int, fd: int, uniq: int, mtime: int
    ) -> None:
        self.path, self.header, self.data, self.length = path, header, data, length
        self.fd, self.uniq, self.mtime = fd, uniq, mtime
        self.stale_updating = self.stale_error = False

    @property
    def head(self) -> bytes:
        """The response's status line and header fields as they came; "" in HTTP/0.9."""
        return self.data[self.header.header_start : self.header.body_start]

    @property
    def body(self) -> bytes:
        """As much of the body as was read with the header."""
        return self.data[self.header.body_start :]

    @property
    def body_length(self) -> int:
        return self.length - self.header.body_start

    def read(self, offset: int, size: int, report: Report) -> bytes | None:
        """Bytes of the file; None if reading fails, fewer if the file has become shorter."""
        if self.fd < 0 or offset + size <= len(self.data):
            return self.data[offset : offset + size]
        return files.read(self.fd, size, offset, self.path, report)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Hold:
    """One per request; ``close`` it whatever happens.

    ``headers`` are the request's, for responses that vary.  ``report`` logs with the
    request's particulars.
    """

    __slots__ = (
        "_done",
        "_lock_time",
        "_lock_timeout",
        "_secondary",
        "_visited",
        "_wait_until",
        "background",
        "cache",
        "entry",
        "error",
        "headers",
        "key",
        "md5",
        "policy",
        "report",
    )

    def __init__(
        self, cache: Cache, key: CacheKey, policy: CachePolicy, headers: Headers, report: Report
    ) -> None:
        self.cache, self.key, self.policy = cache, key, policy
        self.headers, self.report = headers, report
        self.md5 = key.md5
        self.entry: CacheEntry | None = None
        self.error = 0
        self.background = False  # a background request goes on after this one
        self._lock_time: int | None = None  # of the right to fetch, None: not ours
        self._lock_timeout = policy.lock_timeout
        self._wait_until = 0.0
        self._secondary = self._visited = self._done = False

    def check(self, data: bytes, key: CacheKey, longest: int, length: int) -> Header | Fault:
        """The header of a file's first bytes."""
        return check(data, key, longest, length)

    # -- opening ---------------------------------------------------------------------------

    def open(self) -> Lookup:
        """Looks for the response (ngx_http_file_cache_open)."""
        try:
            return self._open()
        except ZoneFull:
            self.cache.report_full()
            return Lookup.ERROR

    def _open(self) -> Lookup:
        min_uses = self.policy.min_uses
        state, node, cold = self.cache.visit(self.md5, min_uses, again=self._visited)
        if state is NodeState.FULL:
            return Lookup.ERROR
        self._visited = True
        if state is NodeState.SCARCE:
            return Lookup.SCARCE
        if state is NodeState.KNOWN and node.error:
            self.error = node.error
            return Lookup.FAILED
        look, missing = node.exists, Lookup.MISS
        if state is NodeState.NEW:
            look, missing = cold, Lookup.SCARCE if min_uses > 1 else Lookup.MISS
        if look and (lookup := self._read(node)) is not None:
            return lookup
        return self._lock() if missing is Lookup.MISS else missing

    def _read(self, node: Node) -> Lookup | None:
        """None if there is no file."""
        path = self.cache.file(self.md5)
        opened = files.open_file(path, self.report)
        if opened is None:
            return None
        fd, info = opened
        longest = node.body_start or self.policy.buffer_size
        wanted = min(info.st_size, max(READ_SIZE, longest))
        data = files.read(fd, wanted, 0, path, self.report)
        if data is None or len(data) == info.st_size:
            os.close(fd)
            fd = -1
        if data is None:
            return Lookup.MISS
        header = self.check(data, self.key, longest, info.st_size)
        if isinstance(header, Fault):
            return self._refuse(path, fd, header)
        self.entry = CacheEntry(path, header, data, info.st_size, fd, info.st_ino, info.st_mtime_ns)
        if not node.exists:  # nginx notes it below, and so forgets a file for other requests
            size = files.blocks(info, self.cache.block)
            self.cache.index.note_file(self.md5, header.body_start, info.st_ino, size)
        if header.vary_len and header.variant != self._variant(header.vary):
            return self._reopen(header.vary)
        return self._judge(self.entry)

    def _refuse(self, path: str, fd: int, fault: Fault) -> Lookup | None:
        if fd >= 0:
            os.close(fd)
        self.report(fault.level, f'cache file "{path}" {fault.text}')
        return Lookup.MISS

    def _variant(self, vary: str) -> bytes:
        return variant(self.key.md5, vary, self.headers)

    def _reopen(self, vary: str) -> Lookup | None:
        """The file is for other requests: looks under this one's own key."""
        self.close_entry()
        if self._secondary:
            return self._refuse(self.cache.file(self.md5), -1, Fault.VARY_HASH)
        self._secondary, self._visited = True, False
        self.md5 = self._variant(vary)
        return self._open()

    def _judge(self, entry: CacheEntry) -> Lookup:
        header, now = entry.header, int(self.cache.clock.time())
        if header.valid_sec >= now:
            return Lookup.HIT
        entry.stale_updating = header.valid_sec + header.updating_sec >= now
        entry.stale_error = header.valid_sec + header.error_sec >= now
        self._lock_time = self.cache.index.claim(self.md5)
        return Lookup.UPDATING if self._lock_time is None else Lookup.STALE

    # -- waiting for another that fetches it -----------------------------------------------

    def _lock(self) -> Lookup:
        if not self.policy.lock:
            return Lookup.MISS
        now, age = self.cache.clock.milliseconds(), int(self.policy.lock_age * 1000)
        self._lock_time = self.cache.index.lock(self.md5, now, age)
        if self._lock_time is not None:
            return Lookup.MISS
        return Lookup.WAIT if self._lock_timeout else Lookup.SCARCE

    async def wait(self) -> None:
        """After WAIT: returns when ``open`` is worth another try."""
        clock = self.cache.clock
        self._wait_until = self._wait_until or clock.monotonic() + self._lock_timeout
        while True:
            left = self._wait_until - clock.monotonic()
            await self.cache.released(self.md5, max(0.0, min(left, _POLL)))
            if clock.monotonic() >= self._wait_until:
                self.report(Severity.INFO, "cache lock timeout")
                self._lock_timeout = 0.0
                return
            if not self.cache.index.is_locked(self.md5, clock.milliseconds()):
                return

    # -- keeping a response ----------------------------------------------------------------

    def begin(
        self, head: bytes, fresh: Freshness, *, last_modified: int = -1, etag: str = ""
    ) -> Writer | None:
        """A writer for a response with that head, None if it cannot be kept.

        The body is the caller's to write (ngx_http_file_cache_set_header).
        """
        try:
            return self._begin(head, fresh, last_modified, etag)
        except ZoneFull:
            self.cache.report_full()
            return None

    def _begin(self, head: bytes, fresh: Freshness, last_modified: int, etag: str) -> Writer | None:
        variant = self._variant(fresh.vary) if fresh.vary else b""
        if self._secondary and variant != self.md5:
            self._back_to_main()
        if not self._visited and not self._note_use():
            return None
        header = self._header(self.key.header_start + len(head), fresh, last_modified, etag)
        if header is None:
            self.report(Severity.CRIT, f'cache file "{self.path}" has too long header')
            return None
        self.close_entry()
        start = pack(header) + key_line(self.key) + head
        return Writer(self._temp_name(), start, self.report)

    def _back_to_main(self) -> None:
        """The response does not vary as the one did that led here: it is the main one now."""
        self.cache.index.release(self.md5, self._lock_time)
        self.cache.wake(self.md5)
        self.md5, self._lock_time = self.key.md5, None
        self._secondary = self._visited = False

    def _note_use(self) -> bool:
        """Makes the entry known (ngx_http_file_cache_create)."""
        visit = self.cache.visit(self.md5, self.policy.min_uses, again=False)
        self._visited = visit.state is not NodeState.FULL
        return self._visited

    def _header(
        self, body_start: int, fresh: Freshness, last_modified: int, etag: str
    ) -> Header | None:
        return new_header(
            self.key,
            body_start,
            valid_sec=fresh.valid_sec,
            updating_sec=fresh.updating_sec,
            error_sec=fresh.error_sec,
            last_modified=last_modified,
            date=fresh.now,
            etag=etag,
            vary=fresh.vary,
            variant=self._variant(fresh.vary) if fresh.vary else bytes(16),
        )

    def _temp_name(self) -> Callable[[str], str]:
        if self.cache.settings.use_temp_path:
            return self.policy.temp_path.file
        path = self.path
        return lambda number: f"{path}.{number}"

    def commit(self, writer: Writer) -> bool:
        """Puts a whole response in its place (ngx_http_file_cache_update)."""
        if self._done or not writer.flush():
            self.free(writer)
            return False
        stored, path = None, self.path
        if files.move(writer.path, path, self.report):
            stored = self._stored(path)
        writer.close()
        start = writer.body_start
        self._index(lambda x: x.commit(self.md5, self.cache.clock.time(), stored, start))
        self._finish()
        return stored is not None

    def _stored(self, path: str) -> tuple[int, int] | None:
        try:
            info = os.stat(path)
        except OSError as error:
            self.report(Severity.CRIT, f'fstat() "{path}" failed {errno_text(error)}')
            return None
        return info.st_ino, files.blocks(info, self.cache.block)

    def update_header(self, fresh: Freshness) -> bool:
        """Gives the entry that was opened a new validity, in its file.

        Not if the file has been replaced meanwhile (ngx_http_file_cache_update_header).
        """
        entry = self.entry
        if entry is None:
            return False
        try:
            fd = os.open(entry.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.report(Severity.CRIT, f'open() "{entry.path}" failed {errno_text(error)}')
            return False
        try:
            return self._update_header(fd, entry, fresh)
        except OSError as error:
            self.report(Severity.CRIT, f'pwrite() "{entry.path}" failed {errno_text(error)}')
            return False
        finally:
            os.close(fd)

    def _update_header(self, fd: int, entry: CacheEntry, fresh: Freshness) -> bool:
        info, old = os.fstat(fd), entry.header
        if (info.st_ino, info.st_size) != (entry.uniq, entry.length):
            return False
        kept = unpack(os.pread(fd, HEADER_SIZE, 0))
        if kept is None or _identity(kept) != _identity(old):
            return False
        header = self._header(old.body_start, fresh, old.last_modified, old.etag)
        return header is not None and os.pwrite(fd, pack(header), 0) == HEADER_SIZE

    # -- the end ---------------------------------------------------------------------------

    def free(self, writer: Writer | None = None, *, error: int = 0, valid_sec: int = 0) -> None:
        """Nothing was kept; ``error`` is a status to answer with until ``valid_sec``.

        ngx_http_file_cache_free.
        """
        if writer is not None:
            writer.abort()
        if self._done or not self._visited:
            return
        md5, lock_time = self.md5, self._lock_time
        if error:
            self._index(lambda x: x.remember(md5, lock_time, error, valid_sec))
        elif self.policy.min_uses == 1 and self.entry is None and not self.error:
            self._index(lambda x: x.forsake(md5, lock_time))
        elif lock_time is not None:
            self._index(lambda x: x.release(md5, lock_time))
        self._finish()

    def _finish(self) -> None:
        self._done = True
        if self._lock_time is not None:
            self._lock_time = None
            self.cache.wake(self.md5)

    def _index(self, change: Callable[[CacheIndex], None]) -> None:
        try:
            change(self.cache.index)
        except ZoneFull:
            self.cache.report_full()

    def close(self) -> None:
        """Gives everything back; what was neither committed nor freed is a mistake."""
        if not self._done:
            if self._lock_time is not None and not self.background:
                text = f"stalled cache updating, error:{self.error}"
                self.report(Severity.ALERT, text)
            self.free()
        self.close_entry()

    def close_entry(self) -> None:
        """Closes the file; what else is held is held on to."""
        if self.entry is not None:
            self.entry.close()
            self.entry = None

    @property
    def path(self) -> str:
        """The file of the entry."""
        return self.cache.file(self.md5)


class PurgeableHold(Hold):
    """Of a cache whose entries can be purged: what is left of them is removed where it is met."""

    __slots__ = ("_purged",)

    def _read(self, node: Node) -> Lookup | None:
        if not self._secondary:  # variants are purged with their main entry
            self._purged = node.purged
        return super()._read(node)

    def check(self, data: bytes, key: CacheKey, longest: int, length: int) -> Header | Fault:
        header = check(data, key, longest, length)
        if isinstance(header, Fault):
            return header
        if header.date <= self._purged or self.cache.is_masked(key.text, header.date):
            return Fault.PURGED
        return header

    def _refuse(self, path: str, fd: int, fault: Fault) -> Lookup | None:
        lookup = super()._refuse(path, fd, fault)
        if fault is not Fault.PURGED:
            return lookup
        files.unlink(path, self.report)
        return None  # as if there had been no file


def _identity(header: Header) -> tuple[int, ...]:
    return (
        header.version,
        header.last_modified,
        header.crc32,
        header.header_start,
        header.body_start,
    )
