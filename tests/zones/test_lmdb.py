"""LMDB and the life of zones: one process, several, killed ones, full ones, reloads."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.zones import Zone, ZoneDirectory, ZoneFull, Zones
from pyngx_jwt.zones.lmdb_environment import MAX_READERS
from pyngx_jwt.zones.lmdb_table import BATCH, LmdbTable, Transaction, evict_oldest, first
from tests.forks import fork, in_child, kill_me
from tests.wire import DEADLINE

MEGABYTE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ZoneDirectory]:
    made = ZoneDirectory.make(base=str(tmp_path))
    yield made
    made.remove()


@pytest.fixture
def zone(folder: ZoneDirectory) -> Iterator[Zone]:
    zones = Zones()
    one = zones.add("one", MEGABYTE, "test")
    zones.start(folder)
    yield one
    zones.close()


@pytest.fixture
def table(zone: Zone) -> LmdbTable:
    return table_of(zone)


def table_of(zone: Zone) -> LmdbTable:
    return zone._table


# -- one process -------------------------------------------------------------------------------


def test_values_by_key(table: LmdbTable) -> None:
    assert table.get(b"a") is None
    assert table.put(b"a", b"1") and table.put(b"a", b"2")
    assert table.get(b"a") == b"2" and table.count() == 1
    assert table.delete(b"a") and not table.delete(b"a")
    assert table.get(b"a") is None


def test_update_makes_changes_and_deletes(table: LmdbTable) -> None:
    seen: list[bytes | None] = []

    def change(old: bytes | None) -> bytes | None:
        seen.append(old)
        return None if old == b"xx" else (old or b"") + b"x"

    for _ in range(4):
        assert table.update(b"k", change)
    assert seen == [None, b"x", b"xx", None] and table.get(b"k") == b"x"
    assert table.update(b"nobody", lambda old: old) and table.get(b"nobody") is None


def test_a_change_that_raises_leaves_nothing(table: LmdbTable) -> None:
    table.put(b"k", b"1")

    def change(t: Transaction) -> None:
        t.put(b"k", b"2")
        t.put(b"other", b"3")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        table.write(change)
    assert table.get(b"k") == b"1" and table.get(b"other") is None and table.put(b"k", b"4")


def test_iterate_in_order_with_a_prefix(table: LmdbTable) -> None:
    names = sorted(b"p%04d" % n for n in range(BATCH * 2 + 5))
    for name in [*names, b"a", b"q"]:
        table.put(name, name)
    assert list(table.iterate(b"p")) == [(name, name) for name in names]
    assert [key for key, _ in table.iterate()] == [b"a", *names, b"q"]
    assert list(table.iterate(b"zz")) == []
    assert table.read(lambda t: first(t, b"p")) == (names[0], names[0])
    assert table.read(lambda t: first(t, b"r")) is None


def test_deleting_while_iterating(table: LmdbTable) -> None:
    for n in range(BATCH + 10):
        table.put(b"%04d" % n, b"")
    for key, _ in table.iterate():
        table.delete(key)
    assert table.count() == 0


def test_used_too_early() -> None:
    with pytest.raises(RuntimeError, match="before"):
        table_of(Zone("one", MEGABYTE, "test")).get(b"a")


# -- full --------------------------------------------------------------------------------------


def fill(table: LmdbTable) -> int:
    count = 0
    while table.put(random.randbytes(16), bytes(48)):
        count += 1
        assert count < MEGABYTE // 48
    return count


def test_a_full_zone_refuses_new_keys_and_takes_old_ones(table: LmdbTable) -> None:
    table.put(b"old", b"1")
    count = fill(table)
    assert 6000 < count < 16000  # nginx has 8000 cache keys or 16000 states in a megabyte
    assert table.put(b"old", b"2") and table.get(b"old") == b"2"
    assert not table.put(b"new", b"1") and table.get(b"new") is None
    for key, _ in list(table.iterate())[: count // 2]:
        table.delete(key)
    assert table.put(b"new", b"1")


def test_evict_makes_room(table: LmdbTable) -> None:
    fill(table)
    full = table.count()
    evict = evict_oldest(lambda value: value[0])
    for _ in range(2000):
        assert table.update(random.randbytes(16), lambda _: b"\xff" * 48, evict)
    assert table.count() == full
    # The young ones are the last to go: nearly all of them are left.
    assert sum(value[0] == 255 for _, value in table.iterate()) > 1900


def test_exhausted_memory_is_told_and_survived(folder: ZoneDirectory) -> None:
    zones = Zones()
    table = table_of(zones.add("small", 8192, "test"))
    zones.start(folder)

    def flood(t: Transaction) -> None:
        for n in range(10_000):
            t.put(b"%d" % n, bytes(2000))

    with pytest.raises(ZoneFull):
        table.write(flood)
    assert table.count() == 0 and table.put(b"a", b"1") and table.get(b"a") == b"1"
    assert not table.put(b"big", bytes(2 * MEGABYTE))
    assert table.get(b"a") == b"1"
    zones.close()


def test_churn_does_not_eat_the_memory(table: LmdbTable) -> None:
    """Pages that are free again are used again; without that this fills the map."""
    for n in range(30_000):
        assert table.put(b"%d" % (n % 50), random.randbytes(300))


# -- several processes -------------------------------------------------------------------------


def test_children_share_it(table: LmdbTable) -> None:
    table.put(b"n", b"0")  # open in the parent: must not be inherited

    def count() -> None:
        for _ in range(1000):
            table.update(b"n", lambda old: b"%d" % (int(old or b"0") + 1))

    pids = [fork(count) for _ in range(3)]
    count()
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert table.get(b"n") == b"4000"


def test_killed_in_the_middle_of_a_change(table: LmdbTable) -> None:
    table.put(b"k", b"1")

    def change(t: Transaction) -> None:
        t.put(b"k", b"2")
        t.put(b"new", bytes(5000))
        kill_me()

    for _ in range(5):
        assert in_child(lambda: table.write(change)) == signal.SIGKILL
        assert table.get(b"k") == b"1" and table.get(b"new") is None
        assert table.put(b"after", b"3") and table.delete(b"after")
    assert in_child(lambda: table.put(b"k", b"4")) == 0
    assert table.get(b"k") == b"4"


def test_killed_at_any_moment(table: LmdbTable) -> None:
    """Two keys that change together are never seen apart, whenever the writer dies."""

    def both(t: Transaction) -> None:
        n = b"%d" % (int(t.get(b"a") or b"0") + 1)
        t.put(b"a", n)
        t.put(b"b", n)

    def forever() -> None:
        while True:
            with suppress(ZoneFull):  # the reader below has lost the processor, and keeps pages
                table.write(both)

    for _ in range(10):
        pid = fork(forever)
        before = table.get(b"a")
        while table.get(b"a") == before:
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert table.read(lambda t: t.get(b"a") == t.get(b"b"))
        table.write(both)


@contextmanager
def kept_open(zone: Zone) -> Iterator[None]:
    """Another process has the zone open: the last one to close it would clear it of dead
    readers."""
    ready, end = os.pipe(), os.pipe()

    def keep_open() -> None:
        os.close(end[1])
        zone.open()
        os.write(ready[1], b"x")
        os.read(end[0], 1)

    keeper = fork(keep_open)
    os.read(ready[0], 1)
    yield
    for fd in (*ready, *end):
        os.close(fd)
    assert os.waitpid(keeper, 0)[1] == 0


def test_killed_readers_do_not_keep_old_pages(zone: Zone, table: LmdbTable) -> None:
    table.put(b"k", b"1")
    with kept_open(zone):
        for _ in range(3):
            assert in_child(lambda: table.read(kill_me)) == signal.SIGKILL
        for n in range(20_000):
            assert table.put(b"%d" % (n % 50), random.randbytes(300))


def test_places_of_killed_readers_are_taken_again(zone: Zone, table: LmdbTable) -> None:
    """More processes than there are places, and none of them closes the zone."""
    table.put(b"k", b"1")
    zone.close()
    with kept_open(zone):
        for number in range(MAX_READERS + 100):
            assert in_child(lambda: table.get(b"k")) == 0
            if number % 100 == 0:
                zone.check_readers()
        assert table.get(b"k") == b"1"


FULL_FOLDER = """
import os, sys
from pyngx_jwt.zones import ZoneDirectory, Zones
zones = Zones()
zone = zones.add("one", 10 << 20, "test")
zones.start(ZoneDirectory.make(base=sys.argv[1]))
table = zone._table
table.put(b"before", b"1")
filler = os.open(sys.argv[1] + "/filler", os.O_CREAT | os.O_WRONLY)
try:
    while os.write(filler, bytes(4096)):
        pass
except OSError:
    os.close(filler)
put = [table.put(b"%d" % n, bytes(300)) for n in range(3000)]
assert table.get(b"before") == b"1" and not all(put), "there was room"
os.unlink(sys.argv[1] + "/filler")
assert table.put(b"after", b"1") and table.get(b"after") == b"1"
print("survived")
"""


def test_a_full_folder_is_a_full_zone(tmp_path: Path) -> None:
    """Memory that cannot be had is an error of the one request that wants it."""
    mount = f'mount -t tmpfs -o size=2m none {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    command = ["unshare", "-rm", "sh", "-c", mount, FULL_FOLDER]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("unshare is missing")
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no file system of one's own: {done.stderr}")
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


# -- configurations ----------------------------------------------------------------------------


def test_declarations_that_conflict() -> None:
    zones = Zones()
    zone = zones.add("one", 0, "proxy")
    assert zones.add("one", MEGABYTE, "proxy") is zone and zone.size == MEGABYTE
    assert zones.add("one", 0, "proxy") is zone
    with pytest.raises(ConfError) as error:
        zones.add("one", 8192, "proxy")
    assert str(error.value) == (
        'the size 8192 of shared memory zone "one" conflicts with already declared size 1048576'
    )
    with pytest.raises(ConfError) as error:
        zones.add("one", MEGABYTE, "limit_req")
    assert str(error.value) == (
        'the shared memory zone "one" is already declared for a different use'
    )
    zones.check()
    zones.add("two", 0, "proxy")
    with pytest.raises(ConfError) as error:
        zones.check()
    assert str(error.value) == 'zero size shared memory zone "two"'


def test_a_reload_keeps_what_is_alike(folder: ZoneDirectory) -> None:
    old, new = Zones(), Zones()
    alike = ("same", "size", "tag", "noreuse", "dropped")
    for name in alike:
        old.add(name, MEGABYTE, "proxy")
    old.start(folder)
    for zone in old.zones.values():
        table_of(zone).put(b"k", b"old")
    kept = new.add("same", MEGABYTE, "proxy")
    others = [
        new.add("size", 2 * MEGABYTE, "proxy"),
        new.add("tag", MEGABYTE, "limit_req"),
        new.add("noreuse", MEGABYTE, "proxy"),
        new.add("added", MEGABYTE, "proxy"),
    ]
    new.zones["noreuse"].noreuse = True
    new.start(folder, old)
    assert table_of(kept).get(b"k") == b"old"
    assert [table_of(zone).get(b"k") for zone in others] == [None] * 4
    assert [table_of(old.zones[name]).get(b"k") for name in alike] == [
        b"old"
    ] * 5  # the old workers go on
    before = len(os.listdir(folder.path))
    old.retire(new)
    assert len(os.listdir(folder.path)) == before - 2 * 4
    assert table_of(kept).get(b"k") == b"old" and table_of(others[0]).put(b"k", b"new")
    new.close()


def test_open_zones_outlive_their_files(folder: ZoneDirectory) -> None:
    old, new = Zones(), Zones()
    old.add("one", MEGABYTE, "proxy")
    old.start(folder)
    new.start(folder, old)
    ready, go = os.pipe(), os.pipe()

    def worker() -> None:
        old.open()
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        table = table_of(old.zones["one"])
        assert table.put(b"k", b"1") and table.get(b"k") == b"1"

    pid = fork(worker)
    os.read(ready[0], 1)
    old.retire(new)
    os.write(go[1], b"x")
    assert os.waitpid(pid, 0)[1] == 0
    for fd in (*ready, *go):
        os.close(fd)


# -- folders -----------------------------------------------------------------------------------


def test_folders_are_unique_and_go(tmp_path: Path) -> None:
    one, two = ZoneDirectory.make(base=str(tmp_path)), ZoneDirectory.make(base=str(tmp_path))
    assert one.path != two.path and os.stat(one.path).st_mode & 0o777 == 0o700
    one.remove()
    assert not os.path.exists(one.path) and os.path.exists(two.path)
    two.remove()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_master_left_is_removed(tmp_path: Path) -> None:
    base = str(tmp_path)
    ready = os.pipe()

    def master() -> None:
        os.close(ready[1])
        ZoneDirectory.make(base=base)
        fork(lambda: os.read(ready[0], 1))
        kill_me()

    assert in_child(master) == signal.SIGKILL
    os.close(ready[0])
    (left,) = tmp_path.iterdir()
    here = ZoneDirectory.make(base=base)
    assert left.exists()  # a worker is still there
    here.remove()
    os.close(ready[1])
    deadline = time.monotonic() + DEADLINE
    while left.exists() and time.monotonic() < deadline:
        ZoneDirectory.make(base=base).remove()
        time.sleep(0.01)
    assert not left.exists()


def test_others_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyngx.new").mkdir()  # being made: without a lock
    (tmp_path / "pyngx.file").touch()
    (tmp_path / "other").mkdir()
    ZoneDirectory.make(base=str(tmp_path)).remove()
    assert len(list(tmp_path.iterdir())) == 3


def test_in_memory_when_there_is_room() -> None:
    small, large = ZoneDirectory.make(MEGABYTE), ZoneDirectory.make(1 << 60)
    try:
        assert not large.path.startswith("/dev/shm/")
        if os.access("/dev/shm", os.W_OK):
            assert small.path.startswith("/dev/shm/")
    finally:
        small.remove()
        large.remove()


def test_directories_that_vanish_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another master may end while this one starts."""
    scan = os.scandir

    def vanishing(base: str) -> AbstractContextManager[list[os.DirEntry[str]]]:
        with scan(base) as entries:
            found = list(entries)
        (tmp_path / "pyngx.other").rmdir()
        return nullcontext(found)

    (tmp_path / "pyngx.other").mkdir()
    monkeypatch.setattr(os, "scandir", vanishing)
    directory = ZoneDirectory.make(base=str(tmp_path))
    assert os.path.isdir(directory.path)
    directory.remove()
