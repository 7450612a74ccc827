"""The cache manager and the cache loader, as tasks of one process.

The loader tells the index what is on the disk after a start; the manager deletes what is not
used or has no room.  Both work in short turns and may be cancelled, or killed, at any moment.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator

from ..log import Severity, errno_text
from ..zones.store import MICRO, IndexTotals, ZoneFull
from . import files
from .entry import HEADER_SIZE, key_of, unpack
from .store import Cache

LOADER_DELAY = 60.0  # seconds after the start, as nginx
_LONGEST_WAIT = 10
_NEXT_LOOK = 3600.0
_PURGER_LOOK = 1.0  # seconds between two looks for something to purge
_MOST_START = 65536  # bytes that a header and its key can have
_BREATH = 16  # files between two looks at the event loop

Sleep = Callable[[float], Awaitable[object]]

_DIGEST_AT_END = re.compile("[0-9a-fA-F]{32}$")
_TEMPORARY_LENGTH = 32 + 1 + 10  # a digest, a dot and ten digits


class _Turn:
    """How much one turn may do before it has to sleep."""

    __slots__ = ("files_left", "now", "until")

    def __init__(self, files_left: int, until: float, now: Callable[[], float]) -> None:
        self.files_left = files_left
        self.until = until
        self.now = now

    def is_over(self) -> bool:
        self.files_left -= 1
        return self.files_left <= 0 or self.now() >= self.until


# -- the manager -------------------------------------------------------------------------------


async def manage(caches: Iterable[Cache], sleep: Sleep = asyncio.sleep) -> None:
    """Runs until it is cancelled (ngx_cache_manager_process_handler)."""
    caches = tuple(caches)
    while True:
        await sleep(max(0.001, min([_NEXT_LOOK, *(manage_once(cache) for cache in caches)])))


def manage_once(cache: Cache) -> float:
    """One turn; the seconds until the next (ngx_http_file_cache_manager)."""
    try:
        return _manage(cache)
    except ZoneFull:
        cache.report_full()
        return float(_LONGEST_WAIT)


def _manage(cache: Cache) -> float:
    settings, now = cache.settings, cache.clock.monotonic
    turn = _Turn(settings.manager_files, now() + settings.manager_threshold, now)
    next_turn = expire_inactive(cache, turn)
    if not next_turn:
        return settings.manager_sleep
    while is_over_limits(cache, cache.index.head()):
        wait = cache.force_expire()
        if wait:
            return float(wait)
        if turn.is_over():
            return settings.manager_sleep
    return float(next_turn)


def expire_inactive(cache: Cache, turn: _Turn) -> int:
    """Deletes what was not used for ``inactive`` seconds; the seconds to the next, at most 10.

    0 when the turn is over before the work (ngx_http_file_cache_expire).
    """
    while oldest := cache.index.oldest():
        md5, node = oldest
        wait = node.access // MICRO + cache.settings.inactive - int(cache.clock.time())
        if wait > 0:
            return min(wait, _LONGEST_WAIT)
        cache.expire(md5, node)
        if turn.is_over():
            return 0
    return _LONGEST_WAIT


def is_over_limits(cache: Cache, head: IndexTotals) -> bool:
    """Whether the files, the nodes or the file system leave too little room."""
    settings = cache.settings
    if head.size >= settings.max_size // cache.block:
        return True
    if 0 <= head.watermark <= head.entries:
        return True
    if not settings.min_free:
        return False
    free = files.available(cache.path)
    return free is not None and free <= settings.min_free


# -- the loader --------------------------------------------------------------------------------


async def load(
    caches: Iterable[Cache], delay: float = LOADER_DELAY, sleep: Sleep = asyncio.sleep
) -> None:
    """Makes the files of all caches known, once (ngx_cache_loader_process_handler)."""
    await sleep(delay)
    for cache in caches:
        await load_one(cache, sleep)


async def load_one(cache: Cache, sleep: Sleep = asyncio.sleep) -> None:
    """Unless it was done, or another process is at it (ngx_http_file_cache_loader)."""
    if not cache.index.start_loading():
        return
    complete = False
    try:
        await _load(cache, sleep)
        complete = True
    except ZoneFull:
        cache.report_full()
    finally:
        cache.index.end_loading(complete)
    if complete:
        size = cache.index.head().size * cache.block / (1024 * 1024)
        text = f"http file cache: {cache.path} {size:.3f}M, bsize: {cache.block}"
        cache.report(Severity.NOTICE, text)


async def _load(cache: Cache, sleep: Sleep) -> None:
    def look(path: str, info: os.stat_result) -> None:
        if not add_file(cache, path, info):
            files.unlink(path, cache.report)

    s = cache.settings
    await _visit(cache, look, s.loader_files, s.loader_threshold, s.loader_sleep, sleep)


async def _visit(
    cache: Cache,
    look: Callable[[str, os.stat_result], None],
    count: int,
    threshold: float,
    pause: float,
    sleep: Sleep,
) -> None:
    """Looks at all files of a cache, in turns of so many files or seconds with pauses."""
    now = cache.clock.monotonic
    turn = _Turn(count, now() + threshold, now)
    for number, (path, info) in enumerate(walk(cache.path, cache.report)):
        is_file = not stat.S_ISDIR(info.st_mode)
        if is_file:
            look(path, info)
        if is_file and turn.is_over():
            await sleep(pause)
            turn = _Turn(count, now() + threshold, now)
        elif number % _BREATH == 0:
            await sleep(0)


def walk(path: str, report: files.Report) -> Iterator[tuple[str, os.stat_result]]:
    """All files, at any depth, except those in nginx's own temporary directories; and the
    directories, of which a cache can have more than files.

    A link to a directory is followed where it is the first one: others may lead in a circle."""
    linked = set[tuple[int, int]]()
    inside = [iter(_paths_in(path, report))]
    while inside:
        file = next(inside[-1], None)
        if file is None:
            inside.pop()
            continue
        try:
            info = os.stat(file)
        except OSError as error:
            report(Severity.CRIT, f'stat() "{file}" failed {errno_text(error)}')
            continue
        yield file, info
        if not stat.S_ISDIR(info.st_mode) or file.endswith("/temp"):
            continue
        if os.path.islink(file):
            identity = info.st_dev, info.st_ino
            if identity in linked:
                continue
            linked.add(identity)
        inside.append(iter(_paths_in(file, report)))


def _paths_in(path: str, report: files.Report) -> list[str]:
    try:
        return [f"{path}/{name}" for name in os.listdir(path)]
    except OSError as error:
        report(Severity.CRIT, f'opendir() "{path}" failed {errno_text(error)}')
        return []


def add_file(cache: Cache, path: str, info: os.stat_result) -> bool:
    """Makes a file known; False if it does not belong here (ngx_http_file_cache_add_file).

    What is being written is left alone, and so is a file in a place where no request looks,
    which nginx would count.
    """
    if not stat.S_ISREG(info.st_mode) or len(path) < 32:
        return False
    if len(path) >= _TEMPORARY_LENGTH and path[-11] == ".":
        return True
    if info.st_size < HEADER_SIZE:
        cache.report(Severity.CRIT, f'cache file "{path}" is too small')
        return False
    match = _DIGEST_AT_END.search(path)
    if match is None:
        return False
    md5 = bytes.fromhex(match[0])
    if cache.file(md5) != path:
        return True
    if cache.index.add(md5, cache.clock.time(), files.blocks(info, cache.block)):
        return True
    cache.report_full()
    return False


# -- the purger --------------------------------------------------------------------------------


async def remove_purged(caches: Iterable[Cache], sleep: Sleep = asyncio.sleep) -> None:
    """Deletes the files of entries that have been purged by their keys, until it is cancelled."""
    seen = dict.fromkeys(caches, 0)
    while True:
        for cache, version in seen.items():
            news = cache.index.masks(version)
            if news is not None:
                seen[cache] = news[0]
                await remove_purged_of(cache, sleep)
        await sleep(_PURGER_LOOK)


async def remove_purged_of(cache: Cache, sleep: Sleep = asyncio.sleep) -> None:
    """The same for one cache, once."""

    def look(path: str, info: os.stat_result) -> None:
        match = _DIGEST_AT_END.search(path)
        if match is not None and _is_purged(cache, path):
            cache.delete(bytes.fromhex(match[0]))

    s = cache.settings
    await _visit(cache, look, s.purger_files, s.purger_threshold, s.purger_sleep, sleep)


def _is_purged(cache: Cache, path: str) -> bool:
    opened = files.open_file(path, cache.report)
    if opened is None:
        return False
    fd, _ = opened
    try:
        data = files.read(fd, _MOST_START, 0, path, cache.report) or b""
    finally:
        os.close(fd)
    header = unpack(data)
    return header is not None and cache.is_masked(key_of(data, header), header.date)
