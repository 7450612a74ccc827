"""The loader and the manager, turn by turn."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pyngx_jwt.cache import (
    Cache,
    CacheKey,
    Lookup,
    PurgeableHold,
    files,
    load,
    load_one,
    manage,
    manage_once,
)
from pyngx_jwt.cache.manager import remove_purged, walk
from pyngx_jwt.zones.rules import capacity

from .kit import Kit

HIT, MISS = Lookup.HIT, Lookup.MISS


def names(cache: Cache) -> list[str]:
    return sorted(x.name for x in Path(cache.path).rglob("*") if x.is_file())


def filled(kit: Kit, cache: Cache, count: int) -> list[str]:
    """So many entries, a second apart; their files, the oldest first."""
    for n in range(count):
        kit.ask(cache, str(n))
        kit.hands.now += 1
    return [os.path.basename(cache.file(CacheKey.of(str(n)).md5)) for n in range(count)]


class Naps:
    """Sleeps that take no time, and end it all after some."""

    def __init__(self, most: int = 1000) -> None:
        self.times: list[float] = []
        self.most = most

    async def __call__(self, seconds: float) -> None:
        if seconds:
            self.times.append(seconds)
        if len(self.times) >= self.most:
            raise asyncio.CancelledError


# -- the loader --------------------------------------------------------------------------------


def test_the_loader_finds_what_is_there(kit: Kit) -> None:
    cache = kit.cache("levels=1:2")
    filled(kit, cache, 5)
    sums = cache.index.head()[:2]
    cold = kit.cache("levels=1:2")
    assert cold.index.head().cold
    naps = Naps()
    asyncio.run(load([cold], sleep=naps))
    head = cold.index.head()
    assert naps.times == [60.0] and (head[:2], head.cold, head.loading) == (sums, 0, 0)
    assert kit.log == [
        f"[notice] http file cache: {cold.path} {5 * cold.block / 2**20:.3f}M, bsize: {cold.block}"
    ]
    for n in range(5):
        assert kit.ask(cold, str(n))[0] is HIT
    asyncio.run(load_one(cold))  # once is enough
    assert len(kit.log) == 1


def test_the_loader_works_in_turns(kit: Kit) -> None:
    filled(kit, kit.cache(), 10)
    naps = Naps()
    asyncio.run(load_one(kit.cache("loader_files=3", "loader_sleep=7"), naps))
    assert naps.times == [7.0] * 3
    slow = kit.cache("loader_threshold=200ms")

    async def later(seconds: float) -> None:
        await naps(seconds)
        kit.hands.ticks += 0.2

    naps.times.clear()
    asyncio.run(load_one(slow, later))
    assert naps.times and set(naps.times) == {0.05} and slow.index.head().entries == 10


def test_the_loader_deletes_what_does_not_belong(kit: Kit) -> None:
    cache = kit.cache("levels=1")
    (good,) = filled(kit, cache, 1)
    root = Path(cache.path)
    (root / "temp").mkdir()
    (root / "junk").write_bytes(bytes(400))
    (root / ("z" * 32)).write_bytes(bytes(400))
    (root / ("0" * 32)).write_bytes(bytes(335))
    (root / ("1" * 32)).write_bytes(bytes(400))  # of other levels
    (root / ("3" * 32)).write_bytes(bytes(336))  # just long enough to be none of our business
    (root / f"{'2' * 32}.0123456789").write_bytes(b"x")
    (root / "temp" / "anything").write_bytes(b"x")
    os.mkfifo(root / "fifo")
    (root / "dangling").symlink_to("nowhere")
    cold = kit.cache("levels=1")
    asyncio.run(load_one(cold))
    kept = ["1" * 32, "3" * 32, f"{'2' * 32}.0123456789", "anything", good]
    assert names(cold) == sorted(kept) and not (root / "fifo").exists()
    assert cold.index.head()[:2] == (1, 1)
    assert f'[crit] cache file "{root}/{"0" * 32}" is too small' in kit.log
    assert any(line.startswith('[crit] stat() "') and "dangling" in line for line in kit.log)


def test_links_that_lead_in_circles(kit: Kit) -> None:
    """Each of them is followed once; without an end there would be 2 to the power of 40 paths."""
    cache = kit.cache("levels=1")
    (good,) = filled(kit, cache, 1)
    root = Path(cache.path)
    for name in ("one", "two"):
        (root / name).symlink_to(".")
    (root / "temp").mkdir()
    paths = [path for path, _ in walk(cache.path, cache.report)]
    assert sum(path.endswith(good) for path in paths) == 2  # by itself, and by the first link
    cold = kit.cache("levels=1")
    asyncio.run(load_one(cold))
    assert names(cold) == [good] and cold.index.head().entries == 1


def test_directories_in_directories(kit: Kit) -> None:
    """More than functions can call each other."""
    cache = kit.cache()
    filled(kit, cache, 1)
    deepest = os.open(cache.path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deepest)
        deepest = _moved(deepest, "d")
    cold = kit.cache()
    asyncio.run(load_one(cold))
    assert cold.index.head().entries == 1
    for _ in range(1500):  # what cleans up after tests does call itself
        deepest = _moved(deepest, "..")
        os.rmdir("d", dir_fd=deepest)
    os.close(deepest)


def _moved(directory: int, name: str) -> int:
    """Another directory in the place of the one that is open."""
    other = os.open(name, os.O_RDONLY, dir_fd=directory)
    os.close(directory)
    return other


def test_the_loader_lets_others_run_among_empty_directories(kit: Kit) -> None:
    cache = kit.cache()
    for number in range(100):
        (Path(cache.path) / str(number)).mkdir()
    breaths: list[float] = []

    async def breathe(seconds: float) -> None:
        breaths.append(seconds)

    asyncio.run(load_one(cache, breathe))
    assert breaths == [0] * 7  # directories are not counted as files, after which there is a pause


def test_the_loader_of_a_full_zone_deletes_the_rest(kit: Kit) -> None:
    most = capacity(16 << 10)
    filled(kit, kit.cache(), most + 5)
    small = kit.cache(size="16k")
    asyncio.run(load_one(small))
    assert len(names(small)) == small.index.head().entries == most
    assert kit.log[0] == '[alert] could not allocate node in cache keys zone "one"'
    assert len(kit.log) == 2  # not once for every file


def test_a_loader_that_is_ended_or_killed(kit: Kit) -> None:
    filled(kit, kit.cache(), 5)
    cold = kit.cache("loader_files=1")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(load_one(cold, Naps(2)))
    assert (cold.index.head().cold, cold.index.head().loading) == (1, 0)
    pid = os.fork()
    if pid == 0:
        cold.index.start_loading()
        os._exit(0)
    os.waitpid(pid, 0)
    assert cold.index.head().loading == pid
    asyncio.run(load_one(cold))
    assert cold.index.head()[1:] == (5, -1, 0, 0)


def test_only_one_loads(kit: Kit) -> None:
    cold = kit.cache()
    assert cold.index.start_loading() and not cold.index.start_loading()
    asyncio.run(load_one(cold))
    assert cold.index.head().cold and kit.log == []


def test_without_a_folder(kit: Kit) -> None:
    cache = kit.cache()
    os.rmdir(cache.path)
    asyncio.run(load_one(cache))
    assert "[crit] opendir() " in kit.log[0] and "(2: No such file or directory)" in kit.log[0]


# -- the manager -------------------------------------------------------------------------------


def test_what_is_not_used_goes(kit: Kit) -> None:
    cache = kit.cache("inactive=30")
    old, young, used = filled(kit, cache, 3)
    assert manage_once(cache) == 10 and len(names(cache)) == 3
    kit.hands.now += 20
    assert manage_once(cache) == 7  # the first one's thirty seconds are over then
    kit.ask(cache, "2")
    kit.hands.now += 7
    assert names(cache) == sorted([old, young, used]) and manage_once(cache) == 1
    assert names(cache) == sorted([young, used])
    kit.hands.now += 1
    assert manage_once(cache) == 10 and names(cache) == [used]
    kit.hands.now += 100
    assert manage_once(cache) == 10 and names(cache) == []
    assert cache.index.head()[:2] == (0, 0) and kit.log == []


def test_hits_keep_an_entry(kit: Kit) -> None:
    cache = kit.cache("inactive=2")
    filled(kit, cache, 1)
    for _ in range(10):
        kit.hands.now += 1
        assert kit.ask(cache, "0")[0] is HIT
        manage_once(cache)
    kit.hands.now += 2
    manage_once(cache)
    assert kit.ask(cache, "0")[0] is MISS


def test_max_size(kit: Kit) -> None:
    cache = kit.cache("max_size=16k")
    files = filled(kit, cache, 6)
    kit.ask(cache, "0")
    assert manage_once(cache) == 10
    assert names(cache) == sorted([*files[-2:], files[0]])
    assert cache.index.head().entries == 3


def test_nothing_may_stay(kit: Kit) -> None:
    cache = kit.cache("max_size=0")
    filled(kit, cache, 3)
    assert manage_once(cache) == 10 and names(cache) == []


@pytest.mark.interpreted("replaces files.available()")
def test_min_free(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = kit.cache("min_free=10m")
    filled(kit, cache, 3)
    for free, left in ((None, 3), (11 << 20, 3), (10 << 20, 0)):
        monkeypatch.setattr(files, "available", lambda path, free=free: free)
        manage_once(cache)
        assert len(names(cache)) == left


def test_watermark(kit: Kit) -> None:
    cache, most = kit.cache(size="16k"), capacity(16 << 10)
    filled(kit, cache, most)
    manage_once(cache)
    assert len(names(cache)) == most
    kit.ask(cache, "one too many")
    manage_once(cache)
    assert len(names(cache)) == most - most // 8 - 1 == cache.index.head().entries


def test_the_manager_works_in_turns(kit: Kit) -> None:
    cache = kit.cache("max_size=0", "manager_files=2", "manager_sleep=5")
    filled(kit, cache, 5)
    assert [(manage_once(cache), len(names(cache))) for _ in range(3)] == [(5, 3), (5, 1), (10, 0)]
    cache = kit.cache("inactive=1", "manager_files=2", "manager_sleep=5")
    filled(kit, cache, 5)
    kit.hands.now += 10
    assert [(manage_once(cache), len(names(cache))) for _ in range(3)] == [(5, 3), (5, 1), (10, 0)]


def test_the_manager_stops_when_it_takes_long(kit: Kit) -> None:
    cache = kit.cache("max_size=0", "manager_threshold=0")
    filled(kit, cache, 3)
    assert manage_once(cache) == 0.05 and len(names(cache)) == 2


def test_entries_that_are_being_fetched_stay(kit: Kit) -> None:
    cache = kit.cache("inactive=10")
    (name,) = filled(kit, cache, 1)
    kit.hands.now += 100
    hold = kit.hold(cache, "0")
    assert hold.open() is Lookup.STALE
    kit.hands.now += 100
    assert manage_once(cache) == 10 and names(cache) == [name]
    text = f"[alert] ignore long locked inactive cache entry {name}, count:1"
    assert kit.log == [text]
    hold.free()
    hold.close()
    kit.hands.now += 11
    manage_once(cache)
    assert names(cache) == []


def test_room_is_made_behind_the_busy_ones(kit: Kit) -> None:
    cache = kit.cache("max_size=8k")
    busy, *_ = filled(kit, cache, 3)
    kit.hands.now += 100
    hold = kit.hold(cache, "0")
    assert hold.open() is Lookup.STALE
    for number in ("1", "2"):
        kit.hands.now += 1
        kit.ask(cache, number)
    assert manage_once(cache) == 10 and names(cache) == [busy]
    hold.free()
    hold.close()


def test_what_a_dead_process_fetched_goes(kit: Kit) -> None:
    cache = kit.cache("inactive=10")
    filled(kit, cache, 1)
    kit.hands.now += 100
    pid = os.fork()
    if pid == 0:
        os._exit(kit.hold(cache, "0").open() is not Lookup.STALE)
    assert os.waitpid(pid, 0)[1] == 0
    kit.hands.now += 100
    manage_once(cache)
    assert names(cache) == [] and kit.log == []


def test_files_that_are_gone_are_no_trouble(kit: Kit) -> None:
    cache = kit.cache("inactive=1")
    (name,) = filled(kit, cache, 1)
    (Path(cache.path) / name).unlink()
    kit.hands.now += 10
    assert manage_once(cache) == 10 and cache.index.head().entries == 0 and kit.log == []


def test_a_file_that_cannot_be_deleted(kit: Kit) -> None:
    cache = kit.cache("inactive=1")
    (name,) = filled(kit, cache, 1)
    path = Path(cache.path) / name
    path.unlink()
    path.mkdir()
    kit.hands.now += 10
    manage_once(cache)
    assert cache.index.head().entries == 0 and kit.log[0].startswith('[crit] unlink() "')


@pytest.mark.interpreted("replaces files.unlink()")
def test_an_entry_renewed_while_it_is_deleted(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever commits between the two steps of the manager keeps the entry."""
    cache = kit.cache("inactive=60")
    (name,) = filled(kit, cache, 1)
    kit.hands.now += 61
    unlink = files.unlink

    def slow(path: str, report: files.Report) -> None:
        unlink(path, report)
        kit.ask(cache, "0", answer=b"new")

    monkeypatch.setattr(files, "unlink", slow)
    manage_once(cache)
    assert kit.ask(cache, "0") == (HIT, b"new") and names(cache) == [name]
    assert cache.index.head()[:2] == (1, 1)


def test_manage_sleeps_for_the_most_urgent(kit: Kit) -> None:
    one, two = kit.cache("inactive=5"), kit.cache(name="two")
    filled(kit, one, 1)
    naps = Naps(3)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(manage([one, two], naps))
    assert naps.times == [4, 4, 4]
    naps = Naps(1)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(manage([], naps))
    assert naps.times == [3600]


def test_uncounted_use(kit: Kit) -> None:
    """Entries asked for too seldom are forgotten as well."""
    cache = kit.cache("inactive=5")
    kit.ask(cache, policy=kit.policy._replace(min_uses=5))
    assert cache.index.head().entries == 1
    kit.hands.now += 6
    manage_once(cache)
    assert cache.index.head().entries == 0


# -- the purger --------------------------------------------------------------------------------


def test_the_purger_deletes_what_was_purged_by_its_key(kit: Kit) -> None:
    cache = kit.cache("levels=1:2", "purger=on", "purger_files=2", "purger_sleep=3")
    kit.new_hold, kept = PurgeableHold, filled(kit, cache, 5)
    Path(cache.path, "other").write_bytes(b"not of the cache")
    naps = Naps(6)
    assert cache.purge_all(b"") and cache.index.head().entries == 5
    kit.hands.now += 1
    kit.ask(cache, "0", answer=b"new")  # a file that was not there when the others were purged
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(remove_purged([cache], naps))
    assert names(cache) == sorted([kept[0], "other"]) and cache.index.head().entries == 1
    assert naps.times == [3.0] * 3 + [1.0] * 3  # nothing has changed since
