"""A request's steps on one cache, in one process."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pyngx_jwt.cache import (
    Cache,
    CacheKey,
    CachePolicy,
    Freshness,
    Hold,
    Lookup,
    PurgeableHold,
    Writer,
    pack,
    unpack,
)
from pyngx_jwt.cache.entry import HEADER_SIZE
from pyngx_jwt.errors import ConfError
from pyngx_jwt.zones.rules import capacity
from pyngx_jwt.zones.store import MOST_MASKS
from tests.stores import MemoryCacheIndex
from tests.wire import DEADLINE

from .kit import HEAD, Kit

T = TypeVar("T")
HIT, MISS, STALE, UPDATING = Lookup.HIT, Lookup.MISS, Lookup.STALE, Lookup.UPDATING
SCARCE, WAIT, FAILED = Lookup.SCARCE, Lookup.WAIT, Lookup.FAILED


def path_of(cache: Cache, key: str = "k") -> Path:
    return Path(cache.file(CacheKey.of(key).md5))


def files_of(kit: Kit) -> list[str]:
    """All files of the test, the index apart."""
    return sorted(x.name for x in kit.path.rglob("*") if x.is_file())


@pytest.fixture(params=["lmdb", "memory"])
def kit(kit: Kit, request: pytest.FixtureRequest) -> Kit:
    """Caches whose index is shared by processes, and such as know nothing of any."""
    if request.param == "memory":
        kit.index = lambda zone: MemoryCacheIndex(zone.size)
    return kit


# -- misses and hits ---------------------------------------------------------------------------


def test_a_miss_and_then_hits(kit: Kit) -> None:
    cache = kit.cache("levels=1:2")
    assert kit.ask(cache) == (MISS, b"")
    assert kit.ask(cache) == (HIT, b"body")
    hold = kit.hold(cache)
    assert hold.open() is HIT
    entry = hold.entry
    assert entry is not None and entry.head == HEAD and entry.body == b"body"
    assert entry.body_length == 4 and entry.fd == -1
    assert entry.header.date == 1_700_000_000 and entry.header.valid_sec == 1_700_000_060
    hold.free()
    hold.close()
    file = path_of(cache)
    assert file.parent.parent.parent == kit.path / "one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode)
    assert files_of(kit) == [file.name] and kit.log == []


def test_large_bodies_stay_on_the_disk(kit: Kit) -> None:
    cache, body = kit.cache(), os.urandom(1_000_000)
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None
    for start in range(0, len(body), 7000):
        assert writer.write(body[start : start + 7000])
    assert hold.commit(writer)
    hold.close()
    hold = kit.hold(cache)
    assert hold.open() is HIT and hold.entry is not None and hold.entry.fd >= 0
    entry, fd, start = hold.entry, hold.entry.fd, hold.entry.header.body_start
    assert entry.body_length == len(body) and body.startswith(entry.body)
    assert entry.read(start + 500_000, 1000, kit.report) == body[500_000:501_000]
    assert entry.read(start, 1000, kit.report) == body[:1000]
    assert entry.read(start + len(body) - 10, 1000, kit.report) == body[-10:]
    hold.free()
    hold.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_keys_do_not_meet(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache, "a", answer=b"A")
    assert kit.ask(cache, "b", answer=b"B") == (MISS, b"")
    assert [kit.ask(cache, key) for key in "ab"] == [(HIT, b"A"), (HIT, b"B")]
    # An md5 collision, near enough: another key's file in the place of ours.
    os.rename(path_of(cache, "a"), path_of(cache, "b"))
    assert kit.ask(cache, "b")[0] is MISS
    assert kit.log == [f'[crit] cache file "{path_of(cache, "b")}" has md5 collision']


def test_temporary_files_beside_the_entry(kit: Kit) -> None:
    cache = kit.cache("levels=1:2", "use_temp_path=off")
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None and writer.write(b"x" * 70_000)
    (name,) = files_of(kit)
    digest, dot, number = name.partition(".")
    assert (digest, dot, len(number), number.isdigit()) == (path_of(cache).name, ".", 10, True)
    assert hold.commit(writer)
    hold.close()
    assert files_of(kit) == [digest]


def test_freed_and_cut_short(kit: Kit) -> None:
    cache = kit.cache()
    for commit in (False, True):
        hold = kit.hold(cache)
        assert hold.open() is MISS
        writer = hold.begin(HEAD, kit.fresh())
        assert writer is not None and writer.write(b"x" * 70_000)
        assert len(files_of(kit)) == 1
        hold.free(writer)
        if commit:
            assert not hold.commit(writer)
        hold.close()
        assert files_of(kit) == [] and cache.index.head().entries == 0
        assert not writer.write(b"more")
    assert kit.ask(cache)[0] is MISS


# -- bad disks ---------------------------------------------------------------------------------


def corrupt(kit: Kit, data: bytes) -> None:
    cache = kit.cache()
    kit.ask(cache)
    path_of(cache).write_bytes(data)
    assert kit.ask(cache, answer=b"new") == (MISS, b"")
    assert kit.ask(cache) == (HIT, b"new")


def test_a_bad_file_is_a_miss_and_a_line(kit: Kit) -> None:
    corrupt(kit, b"")
    assert len(kit.log) == 1 and kit.log[0].startswith('[crit] cache file "')
    assert kit.log[0].endswith('" is too small')


def test_no_flipped_byte_harms(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    path = path_of(cache)
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 0xFF
        path.write_bytes(bytes(bad))
        hold = kit.hold(cache)
        assert hold.open() in (HIT, MISS, STALE, UPDATING)
        hold.free()
        hold.close()
    path.write_bytes(good)
    for size in range(len(good)):
        os.truncate(path, len(good) - size - 1)
        hold = kit.hold(cache)
        assert hold.open() in (HIT, MISS)
        hold.free()
        hold.close()


def test_a_vanished_file_is_a_quiet_miss(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    path_of(cache).unlink()
    assert kit.ask(cache)[0] is MISS and kit.ask(cache)[0] is HIT and kit.log == []


def test_a_folder_a_fifo_and_a_loop_in_its_place(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    path = path_of(cache)
    path.unlink()
    path.mkdir()
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None and not hold.commit(writer)
    hold.close()
    path.rmdir()
    os.mkfifo(path)
    assert kit.ask(cache)[0] is MISS
    path.unlink()
    path.symlink_to(path.name)
    assert kit.ask(cache)[0] is MISS and kit.ask(cache)[0] is HIT
    assert all(line.startswith("[crit]") for line in kit.log)
    assert "failed (40: Too many levels of symbolic links)" in kit.log[-1]
    assert "rename() " in kit.log[1] and "(21: Is a directory)" in kit.log[1]


def test_temporary_files_that_cannot_be_made(kit: Kit) -> None:
    cache = kit.cache()
    (kit.path / "temp").write_text("no folder")
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None
    assert writer.write(b"a") and not writer.write(b"x" * 70_000) and not writer.write(b"b")
    assert not hold.commit(writer)
    hold.close()
    assert len(kit.log) == 1 and "(20: Not a directory)" in kit.log[0]
    assert cache.index.head().entries == 0


def test_folders_that_cannot_be_made(kit: Kit) -> None:
    cache = kit.cache("levels=1")
    path_of(cache).parent.write_text("no folder")
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None and not hold.commit(writer)
    hold.close()
    assert len(files_of(kit)) == 1 and "(20: Not a directory)" in kit.log[0]
    os.rename(cache.path, cache.path + ".gone")
    Path(cache.path).write_text("no folder")
    hold = kit.hold(cache, "other")
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None and not hold.commit(writer)
    hold.close()
    assert cache.index.head()[:2] == (0, 2) and len(files_of(kit)) == 2


def test_names_of_temporary_files_that_are_taken(kit: Kit) -> None:
    names, lost = iter(["a", "a", "b"]), kit.path / "a"
    lost.write_text("lost")
    writer = Writer(lambda number: f"{kit.path}/{next(names)}", b"start", kit.report)
    assert writer.flush() and writer.path == f"{kit.path}/b" and lost.read_text() == "lost"
    writer.abort()
    writer = Writer(lambda number: str(lost), b"start", kit.report)
    assert not writer.flush() and lost.read_text() == "lost"
    assert kit.log == [f'[crit] open() "{lost}" failed (17: File exists)']


def test_a_header_that_cannot_be_rewritten(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = kit.cache()
    kit.ask(cache)
    kit.hands.now += 100
    hold = kit.hold(cache)
    assert hold.open() is STALE

    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pwrite", full)
    assert not hold.update_header(kit.fresh())
    monkeypatch.undo()
    path = path_of(cache)
    path.unlink()
    path.mkdir()
    assert not hold.update_header(kit.fresh())
    path.rmdir()
    hold.free()
    hold.close()
    assert [line.split(" ")[1] for line in kit.log] == ["pwrite()", "open()"]


def test_a_full_disk(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = kit.cache()
    hold = kit.hold(cache)
    assert hold.open() is MISS
    writer = hold.begin(HEAD, kit.fresh())
    assert writer is not None

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert not writer.write(b"x" * 70_000)
    assert not hold.commit(writer)
    monkeypatch.undo()
    hold.close()
    assert files_of(kit) == [] and "(28: No space left on device)" in kit.log[0]


def test_over_file_systems(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, rename = kit.cache("levels=1"), os.rename

    def refuse(source: str, target: str) -> None:
        if not source.startswith(cache.path):
            raise OSError(18, "Invalid cross-device link")
        rename(source, target)

    Path(cache.file(CacheKey.of("k").md5)).parent.mkdir()
    monkeypatch.setattr(os, "rename", refuse)
    assert kit.ask(cache)[0] is MISS and kit.ask(cache)[0] is HIT
    assert files_of(kit) == [path_of(cache).name] and kit.log == []
    assert stat.S_IMODE(path_of(cache).stat().st_mode) == 0o600


def test_heads_that_are_too_long(kit: Kit) -> None:
    cache = kit.cache()
    hold = kit.hold(cache)
    assert hold.open() is MISS
    assert hold.begin(b"x" * 65_536, kit.fresh()) is None
    hold.free()
    hold.close()
    # A head that fits no buffer any more: the location's has become smaller.
    hold = kit.hold(cache)
    hold.open()
    writer = hold.begin(b"x" * 5000, kit.fresh())
    assert writer is not None and hold.commit(writer)
    hold.close()
    assert kit.ask(cache)[0] is HIT  # the index knows how long it is
    assert kit.ask(kit.cache())[0] is MISS  # a cold one does not
    assert [line.rpartition('" ')[2] for line in kit.log] == ["has too long header"] * 2


# -- stale -------------------------------------------------------------------------------------


def test_expired(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    kit.hands.now += 60
    assert kit.ask(cache) == (HIT, b"body")
    kit.hands.now += 1
    one, two = kit.hold(cache), kit.hold(cache)
    assert one.open() is STALE and two.open() is UPDATING
    assert one.entry is not None and one.entry.body == b"body"
    assert not one.entry.stale_updating and not one.entry.stale_error
    one.free()
    three = kit.hold(cache)
    assert three.open() is STALE
    kit.keep(three, b"new")
    for hold in (one, two, three):
        hold.free()
        hold.close()
    assert kit.ask(cache) == (HIT, b"new") and kit.log == []


def test_how_long_stale_ones_may_be_used(kit: Kit) -> None:
    cache = kit.cache()
    hold = kit.hold(cache)
    hold.open()
    kit.keep(hold, b"body", ("Cache-Control", "stale-while-revalidate=10, stale-if-error=20"))
    hold.close()
    for after, updating, error in ((70, True, True), (71, False, True), (81, False, False)):
        kit.hands.now = 1_700_000_000 + after
        hold = kit.hold(cache)
        assert hold.open() is STALE and hold.entry is not None
        assert (hold.entry.stale_updating, hold.entry.stale_error) == (updating, error)
        hold.free()
        hold.close()


def test_revalidated(kit: Kit) -> None:
    cache = kit.cache()
    hold = kit.hold(cache)
    hold.open()
    writer = hold.begin(HEAD, kit.fresh(), last_modified=1234567890, etag='"x"')
    assert writer is not None and writer.write(b"body") and hold.commit(writer)
    hold.close()
    kit.hands.now += 100
    hold = kit.hold(cache)
    assert hold.open() is STALE
    assert hold.update_header(kit.fresh(("Cache-Control", "stale-if-error=5"), seconds=30))
    hold.free()
    hold.close()
    hold = kit.hold(cache)
    assert hold.open() is HIT and hold.entry is not None
    header = hold.entry.header
    assert (header.date, header.valid_sec, header.error_sec) == (1_700_000_100, 1_700_000_130, 5)
    assert (header.last_modified, header.etag, hold.entry.body) == (1234567890, '"x"', b"body")
    hold.free()
    hold.close()


def test_not_revalidated_if_it_was_replaced(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    kit.hands.now += 100
    hold, other = kit.hold(cache), kit.hold(cache)
    assert hold.open() is STALE and other.open() is UPDATING
    kit.keep(other, b"other")
    before = path_of(cache).read_bytes()
    assert not hold.update_header(kit.fresh())
    assert path_of(cache).read_bytes() == before
    path_of(cache).unlink()
    assert not hold.update_header(kit.fresh()) and kit.log == []
    hold.free()
    for each in (hold, other):
        each.close()


def test_not_revalidated_if_it_was_changed_in_place(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    kit.hands.now += 100
    hold = kit.hold(cache)
    assert hold.open() is STALE
    data = path_of(cache).read_bytes()
    header = unpack(data)
    assert header is not None
    with path_of(cache).open("r+b") as file:
        file.write(pack(header._replace(last_modified=5)))
    assert not hold.update_header(kit.fresh())
    with path_of(cache).open("r+b") as file:
        file.write(data[:HEADER_SIZE])
    assert hold.update_header(kit.fresh())
    hold.free()
    hold.close()


def test_who_forgets_to_say_how_it_ended(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    kit.hands.now += 100
    for background in (True, False):
        hold = kit.hold(cache)
        assert hold.open() is STALE
        hold.background = background
        hold.close()
    assert kit.log == ["[alert] stalled cache updating, error:0"]
    assert kit.ask(cache)[0] is STALE


# -- uses and errors ---------------------------------------------------------------------------


def test_min_uses(kit: Kit) -> None:
    cache, policy = kit.cache(), kit.policy._replace(min_uses=3)
    found = [kit.ask(cache, policy=policy)[0] for _ in range(4)]
    cold = kit.cache()
    assert found == [SCARCE, SCARCE, MISS, HIT]
    # A cold index has to look before it says that nobody has asked.
    assert [kit.ask(cold, policy=policy)[0], kit.ask(cold, policy=policy)[0]] == [HIT, HIT]
    assert kit.ask(cold, "other", policy=policy)[0] is SCARCE


def test_errors_are_remembered(kit: Kit) -> None:
    cache = kit.cache()
    hold = kit.hold(cache)
    assert hold.open() is MISS
    hold.free(error=502, valid_sec=int(kit.hands.now) + 10)
    hold.close()
    for after in (0, 10):
        kit.hands.now = 1_700_000_000 + after
        hold = kit.hold(cache)
        assert (hold.open(), hold.error) == (FAILED, 502)
        hold.free()
        hold.close()
    kit.hands.now += 1
    assert kit.ask(cache)[0] is MISS and kit.ask(cache)[0] is HIT


def test_an_error_hides_an_old_response(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache)
    size = cache.index.head().size
    kit.hands.now += 100
    hold = kit.hold(cache)
    assert hold.open() is STALE
    hold.free(error=504, valid_sec=int(kit.hands.now) + 10)
    hold.close()
    assert kit.ask(cache)[0] is FAILED
    kit.hands.now += 11
    assert kit.ask(cache)[0] is STALE  # the file is found again while the index is cold
    assert kit.ask(cache)[0] is HIT
    assert cache.index.head().size == size and cache.index.head().entries == 1


# -- variants ----------------------------------------------------------------------------------

GZIP, PLAIN = [("Accept-Encoding", "gzip")], [("Accept-Encoding", "identity")]


def test_variants(kit: Kit) -> None:
    cache = kit.cache()
    vary = "Accept-Encoding"
    assert kit.ask(cache, headers=GZIP, answer=b"gzip", vary=vary)[0] is MISS
    assert kit.ask(cache, headers=PLAIN, answer=b"plain", vary=vary)[0] is MISS
    assert kit.ask(cache, headers=GZIP) == (HIT, b"gzip")
    assert kit.ask(cache, headers=PLAIN) == (HIT, b"plain")
    assert len(files_of(kit)) == 2 and kit.log == []
    cold = kit.cache()
    assert kit.ask(cold, headers=PLAIN) == (HIT, b"plain")
    assert kit.ask(cold, headers=GZIP) == (HIT, b"gzip")
    assert cold.index.head().entries == 2


def test_a_variant_in_a_wrong_place(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache, headers=GZIP, vary="Accept-Encoding")
    kit.ask(cache, headers=PLAIN, vary="Accept-Encoding")
    hold = kit.hold(cache, headers=PLAIN)
    assert hold.open() is HIT
    secondary = Path(hold.path)
    hold.free()
    hold.close()
    secondary.write_bytes(path_of(cache).read_bytes())
    assert kit.ask(cache, headers=PLAIN, vary="Accept-Encoding")[0] is MISS
    assert kit.log == [f'[crit] cache file "{secondary}" has incorrect vary hash']
    assert kit.ask(cache, headers=PLAIN)[0] is HIT


@pytest.mark.parametrize("vary", ["", "Other"])
def test_a_response_that_varies_no_more_is_the_main_one(kit: Kit, vary: str) -> None:
    cache = kit.cache()
    kit.ask(cache, headers=GZIP, vary="Accept-Encoding")
    assert kit.ask(cache, headers=PLAIN, vary=vary, answer=b"all")[0] is MISS
    assert kit.ask(cache, headers=GZIP) == (HIT, b"all")
    assert files_of(kit) == [path_of(cache).name]


def test_lost_variants_are_noted_once(kit: Kit) -> None:
    """The right to fetch under the variant's key is given back on the way to the main one."""
    policy = kit.policy._replace(lock=True)
    cache = kit.cache()
    kit.ask(cache, headers=GZIP, vary="Accept-Encoding")
    kit.ask(cache, headers=PLAIN, policy=policy)
    head = cache.index.head()
    found = [kit.hold(cache, headers=x, policy=policy).open() for x in (GZIP, PLAIN)]
    assert found == [HIT, HIT] and head.entries == 2


# -- locks -------------------------------------------------------------------------------------


@pytest.fixture
def locking(kit: Kit) -> CachePolicy:
    return kit.policy._replace(lock=True)


class StoppedClock(asyncio.SelectorEventLoop):
    """A loop whose timers never come: of what waits ends only what is woken."""

    def time(self) -> float:
        return 0.0


def run_without_timers(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=StoppedClock) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        rescue = threading.Timer(DEADLINE, loop.call_soon_threadsafe, (task.cancel,))
        rescue.start()
        try:
            return loop.run_until_complete(task)
        finally:
            rescue.cancel()


def test_one_fetches_and_the_others_wait(kit: Kit, locking: CachePolicy) -> None:
    cache = kit.cache()
    one, two = (kit.hold(cache, policy=locking) for _ in range(2))
    assert (one.open(), two.open()) == (MISS, WAIT)

    async def wait() -> Lookup:
        task = asyncio.create_task(two.wait())
        await asyncio.sleep(0)
        assert not task.done()
        kit.keep(one)
        await task
        return two.open()

    assert run_without_timers(wait()) is HIT
    for hold in (one, two):
        hold.free()
        hold.close()
    assert cache._waiting == {}


def test_when_the_first_fails_another_one_tries(kit: Kit, locking: CachePolicy) -> None:
    cache = kit.cache()
    holds = [kit.hold(cache, policy=locking) for _ in range(4)]
    assert [hold.open() for hold in holds] == [MISS, WAIT, WAIT, WAIT]

    async def wait() -> list[Lookup]:
        tasks = [asyncio.create_task(hold.wait()) for hold in holds[1:]]
        await asyncio.sleep(0)
        holds[0].free()
        await asyncio.gather(*tasks)
        return [hold.open() for hold in holds[1:]]

    assert run_without_timers(wait()) == [MISS, WAIT, WAIT]
    for hold in holds:
        hold.free()
        hold.close()


@pytest.mark.interpreted("replaces Cache.released()")
def test_lock_timeout(kit: Kit, locking: CachePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = kit.cache()
    one, two = (kit.hold(cache, policy=locking) for _ in range(2))
    assert (one.open(), two.open()) == (MISS, WAIT)
    times: list[float] = []

    async def released(md5: bytes, timeout: float) -> None:
        times.append(timeout)
        kit.hands.ticks += timeout

    monkeypatch.setattr(cache, "released", released)
    kit.hands.ticks += 4.7  # the lock itself would be over after five seconds
    long = kit.hold(cache, policy=locking._replace(lock_timeout=0.2))
    assert long.open() is WAIT
    asyncio.run(long.wait())
    assert times == pytest.approx([0.2]) and long.open() is SCARCE
    assert kit.log == ["[info] cache lock timeout"]
    for hold in (one, two, long):
        hold.free()
        hold.close()


@pytest.mark.interpreted("replaces Cache.released()")
def test_looks_every_half_second(
    kit: Kit, locking: CachePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = kit.cache()
    one = kit.hold(cache, policy=locking)
    two = kit.hold(cache, policy=locking._replace(lock_timeout=1.2))
    assert (one.open(), two.open()) == (MISS, WAIT)
    times: list[float] = []

    async def released(md5: bytes, timeout: float) -> None:
        times.append(timeout)
        kit.hands.ticks += timeout

    monkeypatch.setattr(cache, "released", released)
    asyncio.run(two.wait())
    assert times == pytest.approx([0.5, 0.5, 0.2]) and two.open() is SCARCE
    for hold in (one, two):
        hold.free()
        hold.close()


def test_no_waiting_with_a_timeout_of_nothing(kit: Kit, locking: CachePolicy) -> None:
    cache = kit.cache()
    one = kit.hold(cache, policy=locking)
    two = kit.hold(cache, policy=locking._replace(lock_timeout=0))
    assert (one.open(), two.open()) == (MISS, SCARCE)
    for hold in (one, two):
        hold.free()
        hold.close()
    assert cache.index.head().entries == 0


def test_lock_age(kit: Kit, locking: CachePolicy) -> None:
    cache = kit.cache()
    one, two = (kit.hold(cache, policy=locking) for _ in range(2))
    assert one.open() is MISS
    kit.hands.ticks += 5.0
    assert two.open() is MISS  # the first takes too long
    one.free()  # which it is told too late to give back what is the other's
    three = kit.hold(cache, policy=locking)
    assert three.open() is WAIT
    kit.keep(two)
    assert three.open() is HIT
    for hold in (one, two, three):
        hold.free()
        hold.close()
    assert kit.log == []


def test_cancelled_while_waiting(kit: Kit, locking: CachePolicy) -> None:
    cache = kit.cache()
    one, two = (kit.hold(cache, policy=locking) for _ in range(2))
    assert (one.open(), two.open()) == (MISS, WAIT)

    async def wait() -> None:
        task = asyncio.create_task(two.wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(wait())
    assert cache._waiting == {}
    two.close()
    kit.keep(one)
    one.close()
    assert kit.log == []


# -- bypassed, purged, full --------------------------------------------------------------------


def test_bypassed_and_kept(kit: Kit) -> None:
    cache = kit.cache()
    kit.ask(cache, answer=b"old")
    hold = kit.hold(cache)
    kit.keep(hold, b"new")
    hold.close()
    assert kit.ask(cache) == (HIT, b"new") and cache.index.head().entries == 1
    hold = kit.hold(cache)
    hold.free()
    hold.close()


def test_purged(kit: Kit) -> None:
    cache, kit.new_hold = kit.cache(), PurgeableHold
    kit.ask(cache)
    assert cache.purge(CacheKey.of("k").md5) and not cache.purge(CacheKey.of("k").md5)
    assert cache.index.head().size == 0 and files_of(kit) == []
    kit.hands.now += 1
    assert kit.ask(cache)[0] is MISS
    assert kit.ask(cache)[0] is HIT


def test_what_was_on_its_way_when_it_was_purged_is_not_kept(kit: Kit) -> None:
    cache, kit.new_hold = kit.cache(), PurgeableHold
    hold = kit.hold(cache)
    assert hold.open() is MISS
    cache.purge(CacheKey.of("k").md5)
    kit.keep(hold)
    hold.close()
    kit.hands.now += 1
    assert kit.ask(cache, answer=b"new")[0] is MISS
    assert kit.ask(cache) == (HIT, b"new")


def test_variants_are_purged_along(kit: Kit) -> None:
    cache, kit.new_hold = kit.cache(), PurgeableHold
    for name in ("a", "b"):
        kit.ask(cache, headers=[("X", name)], vary="X")
    assert len(files_of(kit)) == 2
    cache.purge(CacheKey.of("k").md5)
    kit.hands.now += 1
    for name in ("a", "b"):
        assert kit.ask(cache, headers=[("X", name)], vary="X")[0] is MISS
    for name in ("a", "b"):
        assert kit.ask(cache, headers=[("X", name)], vary="X")[0] is HIT


def test_purged_by_the_beginning_of_the_key(kit: Kit) -> None:
    cache, kit.new_hold = kit.cache("inactive=10m"), PurgeableHold
    for key in ("/a/1", "/a/2", "/b"):
        kit.ask(cache, key)
    assert cache.purge_all(b"/a/")
    kit.hands.now += 1
    assert [kit.ask(cache, key)[0] for key in ("/a/1", "/b", "/a/3")] == [MISS, HIT, MISS]
    assert [kit.ask(cache, key)[0] for key in ("/a/1", "/b", "/a/3")] == [HIT] * 3
    assert kit.log == [f'[info] cache file "{cache.file(CacheKey.of("/a/1").md5)}" has been purged']
    assert os.path.exists(cache.file(CacheKey.of("/a/2").md5))


def test_too_many_beginnings(kit: Kit) -> None:
    cache = kit.cache("inactive=10m")
    for n in range(MOST_MASKS):
        assert cache.purge_all(b"%d" % n)
    assert not cache.purge_all(b"more") and cache.purge_all(b"1")
    kit.hands.now += 3600 + 601  # whatever they were about has been inactive
    assert cache.purge_all(b"more")
    news = cache.index.masks(0)
    assert news is not None and news[1] == ((b"more", int(kit.hands.now)),)


def test_sums(kit: Kit) -> None:
    cache = kit.cache()
    for n in range(3):
        kit.ask(cache, str(n), answer=b"x" * 10_000)
    assert cache.index.head()[:2] == (3 * -(-10_400 // cache.block), 3)
    kit.hands.now += 100
    kit.ask(cache, "0", answer=b"y")
    assert cache.index.head()[:2] == (2 * -(-10_400 // cache.block) + 1, 3)


def test_a_full_zone_gives_up_the_oldest(kit: Kit) -> None:
    cache = kit.cache(size="16k")
    most = capacity(16 << 10)
    assert most == 63 and capacity(1 << 20) == 8095 and capacity(8192) == 1
    for n in range(most):
        kit.hands.now += 1
        assert kit.ask(cache, str(n))[0] is MISS
    kit.hands.now += 1
    assert kit.ask(cache, "0")[0] is STALE and kit.ask(cache, "new")[0] is MISS
    assert cache.index.head().entries == most
    assert cache.index.head().watermark == most - most // 8
    assert not path_of(cache, "1").exists() and path_of(cache, "0").exists()
    assert kit.log == []


def test_a_full_zone_of_busy_entries(kit: Kit) -> None:
    cache, policy = kit.cache(size="16k"), kit.policy._replace(lock=True)
    holds = [kit.hold(cache, str(n), policy=policy) for n in range(capacity(16 << 10))]
    for hold in holds:
        kit.hands.now += 1
        assert hold.open() is MISS
    last = kit.hold(cache, "last", policy=policy)
    assert last.open() is Lookup.ERROR
    assert kit.log[-1] == '[alert] could not allocate node in cache keys zone "one"'
    assert kit.log[0].startswith("[alert] ignore long locked inactive cache entry ")
    for hold in [*holds, last]:
        hold.free()
        hold.close()


# -- configurations ----------------------------------------------------------------------------


def test_a_reload_must_keep_the_place(kit: Kit) -> None:
    cache, other, levels = kit.cache(), kit.cache(name="two"), kit.cache("levels=1")
    cache.check_continues(kit.cache("inactive=1"))
    with pytest.raises(ConfError) as error:
        other.check_continues(cache)
    assert str(error.value) == (
        f'cache "two" uses the "{kit.path}/two" cache path '
        f'while previously it used the "{kit.path}/one" cache path'
    )
    with pytest.raises(ConfError, match='cache "one" had previously different levels'):
        levels.check_continues(cache)


def test_all_responses_a_clock_can_tell(kit: Kit) -> None:
    """The moment itself is fresh: valid_sec is the last good second."""
    cache = kit.cache()
    hold = Hold(cache, CacheKey.of("k"), kit.policy, [], kit.report)
    assert hold.open() is MISS
    fresh = Freshness(int(kit.hands.now))
    fresh.feed([("X-Accel-Expires", "@1700000000")])
    assert fresh.decide(200, ())
    writer = hold.begin(HEAD, fresh)
    assert writer is not None and hold.commit(writer)
    hold.close()
    assert kit.ask(cache)[0] is HIT
    kit.hands.now += 0.9
    assert kit.ask(cache)[0] is HIT
    kit.hands.now += 0.1
    assert kit.ask(cache)[0] is STALE
