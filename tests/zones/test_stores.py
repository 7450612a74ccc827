"""What each store means, whichever engine keeps it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pyngx_jwt.zones import Zone, ZoneDirectory, Zones
from pyngx_jwt.zones.rules import capacity
from pyngx_jwt.zones.store import (
    CacheIndex,
    Connections,
    Counters,
    Counts,
    IndexTotals,
    KeyVal,
    Node,
    NodeState,
    PeersChanged,
    PeerStates,
    Rates,
    Sessions,
    SharedPeers,
    Sums,
    ZoneFull,
)
from tests.forks import in_child, kill_me
from tests.stores import (
    MemoryCacheIndex,
    MemoryConnections,
    MemoryCounters,
    MemoryKeyVal,
    MemoryPeers,
    MemoryRates,
    MemorySessions,
    MemorySums,
)

T = TypeVar("T")
SIZE = 65536
KEY, OTHER = b"k" * 16, b"o" * 16
SECOND = 1000  # milliseconds


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[Callable[[str], Zone]]:
    """Makes zones that can be used at once."""
    folder, made = ZoneDirectory.make(base=str(tmp_path)), list[Zones]()

    def make(name: str) -> Zone:
        zones = Zones()
        zone = zones.add(name, SIZE, "test")
        zones.start(folder, made[-1] if made else None)
        made.append(zones)
        return zone

    yield make
    for one in made:
        one.close()
    folder.remove()


Make = Callable[[str], Zone]
engines = pytest.mark.parametrize("engine", ["lmdb", "memory"])


def store(engine: str, zones: Make, of_zone: Callable[[Zone], T], memory: Callable[[], T]) -> T:
    return of_zone(zones("one")) if engine == "lmdb" else memory()


# -- limits ------------------------------------------------------------------------------------


@engines
def test_a_bucket_fills_and_leaks(engine: str, zones: Make) -> None:
    rates: Rates = store(engine, zones, Zone.rates, MemoryRates)
    rate, burst = 2000, 1000  # two requests a second, and one before its time
    assert rates.look(KEY, 0, rate) == 0
    assert [rates.take(KEY, 0, rate, burst) for _ in range(3)] == [0, 1000, 2000]
    assert rates.take(KEY, 0, rate, burst) == 2000  # a refused one is not counted
    assert rates.look(KEY, 0, rate) == rates.look(KEY, 0, rate) == 2000
    assert rates.take(KEY, SECOND // 4, rate, burst) == 1500
    assert rates.take(KEY, SECOND // 2, rate, burst) == 1000
    assert rates.take(OTHER, SECOND // 2, rate, burst) == 0
    assert rates.take(KEY, 100 * SECOND, rate, burst) == 0


@engines
def test_a_bucket_and_clocks_that_disagree(engine: str, zones: Make) -> None:
    rates: Rates = store(engine, zones, Zone.rates, MemoryRates)
    now, rate, burst = 100 * SECOND, 1000, 10_000
    assert rates.take(KEY, now, rate, burst) == 0
    assert rates.take(KEY, now - SECOND, rate, burst) == 1000  # nothing has leaked
    assert rates.take(KEY, now + SECOND, rate, burst) == 1000  # since the later of the two
    assert rates.take(KEY, now - 90 * SECOND, rate, burst) == 1999  # the clock was set
    assert rates.take(KEY, now - 89 * SECOND, rate, burst) == 1999


def test_room_for_a_bucket_is_made(zones: Make) -> None:
    rates = zones("one").rates()
    keys = [n.to_bytes(16, "big") for n in range(5000)]
    random.Random(1).shuffle(keys)
    assert all(rates.take(key, n, 1, 0) == 0 for n, key in enumerate(keys))
    assert sum(rates.look(key, 5000, 1) > 0 for key in keys) < 2500


@engines
def test_connections_are_counted(engine: str, zones: Make) -> None:
    connections: Connections = store(engine, zones, Zone.connections, MemoryConnections)
    assert [connections.enter(b"a", 2) for _ in range(3)] == [True, True, False]
    assert connections.enter(b"b" * 255, 1) is True
    connections.leave(b"a")
    assert [connections.enter(b"a", 2) for _ in range(2)] == [True, False]
    assert connections.enter(b"a", 3) is True  # another limit for the same key
    for _ in range(5):
        connections.leave(b"a")
    assert [connections.enter(b"a", 1) for _ in range(2)] == [True, False]


def test_no_room_for_a_connection(zones: Make) -> None:
    connections = zones("one").connections()
    count = 0
    while connections.enter(b"%0200d" % count, 1):
        count += 1
        assert count < 5000
    assert connections.enter(b"%0200d" % count, 1) is None
    assert connections.enter(b"%0200d" % 0, 1) is False
    assert MemoryConnections(full=True).enter(b"a", 1) is None
    assert MemoryRates(full=True).take(KEY, 0, 1, 0) is None


def test_connections_of_a_killed_worker_do_not_stay(zones: Make) -> None:
    connections = zones("one").connections()

    def die() -> None:
        assert connections.enter(b"a", 3) and connections.enter(b"a", 3)
        kill_me()

    assert connections.enter(b"a", 3) and in_child(die) == signal.SIGKILL
    assert [connections.enter(b"a", 3) for _ in range(3)] == [True, True, False]


# -- upstreams ---------------------------------------------------------------------------------


@engines
def test_peers_are_decided_about_once(engine: str, zones: Make) -> None:
    peers: SharedPeers = store(engine, zones, lambda z: z.peers("u"), MemoryPeers)
    seen = []

    def decide(states: PeerStates | None) -> tuple[int, PeerStates]:
        known = None if states is None else list(states)
        seen.append(known)
        return len(seen), [(1, 2, -3, len(seen), 5, 2**40), (0, 0, 0, 0, 0, 0)]

    assert peers.states() is None
    assert [peers.transact(decide) for _ in range(3)] == [1, 2, 3]
    assert list(peers.states() or ()) == [(1, 2, -3, 3, 5, 2**40), (0, 0, 0, 0, 0, 0)]
    assert seen[0] is None
    assert seen[2] == [(1, 2, -3, 2, 5, 2**40), (0, 0, 0, 0, 0, 0)]


def test_groups_of_a_zone_are_apart(zones: Make) -> None:
    zone = zones("one")
    zone.peers("u").transact(lambda states: (None, [(1, 1, 1, 1, 1, 1)]))
    assert zone.peers("v").transact(lambda states: (states, [])) is None


@engines
def test_peers_come_and_go(engine: str, zones: Make) -> None:
    peers: SharedPeers = store(engine, zones, lambda z: z.peers("u"), MemoryPeers)
    assert peers.version() == 0 and peers.roster() == (0, b"")
    one, other = (1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2)
    peers.transact(lambda states: (None, [one]))
    assert peers.change(lambda states: [*(states or ()), other], 0, b"first") == 1
    assert peers.version() == 1 and peers.roster() == (1, b"first")
    assert peers.transact(lambda states: (list(states or ()), [other]), 1) == [one, other]
    with pytest.raises(PeersChanged):
        peers.transact(lambda states: (None, [one]))
    with pytest.raises(PeersChanged):
        peers.states()
    with pytest.raises(PeersChanged):
        peers.change(lambda states: [one], 0, b"second")
    with pytest.raises(PeersChanged):
        peers.note(b"of the first", 0)
    assert peers.roster() == (1, b"first")
    assert peers.transact(lambda states: (list(states or ()), []), 1) == [other]
    peers.note(b"again", 1)
    assert peers.roster() == (1, b"again")


def test_no_room_for_a_change_of_peers(zones: Make) -> None:
    peers = zones("one").peers("u")
    many = [(n, 1, 1, 1, 1, 1) for n in range(100_000)]
    for full in (peers, MemoryPeers(full=True)):
        with pytest.raises(ZoneFull):
            full.change(lambda states: many, 0, b"many")
        assert full.version() == 0


def test_no_room_for_peers(zones: Make) -> None:
    """A group of so many peers does not fit, which is found out after the decision."""
    runs: list[None] = []

    def decide(states: PeerStates | None) -> tuple[bool, PeerStates]:
        runs.append(None)
        return states is None, [(n, 1, 1, 1, 1, 1) for n in range(100_000)]

    peers = zones("one").peers("u")
    assert peers.transact(decide) and len(runs) == 1
    assert peers.transact(decide) and len(runs) == 2
    full = MemoryPeers(full=True)
    assert full.transact(decide) and full.transact(decide)


# -- counters ----------------------------------------------------------------------------------


@engines
def test_counts_of_one_process(engine: str, zones: Make) -> None:
    counters: Counters = store(engine, zones, Zone.counters, MemoryCounters)
    assert counters.total(Counts()) == Counts()
    counters.report(Counts(1, 2, 3, 4, 5, 6))
    assert counters.total(Counts(2, 2, 3, 4, 7, 8)) == Counts(2, 2, 3, 4, 7, 8)


def test_counts_of_processes_that_have_ended(zones: Make) -> None:
    counters = zones("one").counters()
    counters.report(Counts(1, 1, 1, 1, 10, 100))
    for _ in range(2):
        assert in_child(lambda: counters.report(Counts(1, 2, 3, 4, 5, 6))) == 0
    for _ in range(2):
        assert counters.total(Counts(1, 1, 1, 1, 11, 101)) == Counts(1, 1, 1, 1, 21, 113)


@engines
def test_sums(engine: str, zones: Make) -> None:
    sums: Sums = store(engine, zones, Zone.sums, MemorySums)
    sums.add([(b"a1", (1, 2)), (b"b", (5,))])
    sums.add([(b"a1", (10, -2)), (b"a2", (3, 4))])
    assert sums.totals(b"a") == {b"a1": (11, 0), b"a2": (3, 4)}
    sums.put(b"a2", (7, 8))
    assert sums.totals(b"") == {b"a1": (11, 0), b"a2": (7, 8), b"b": (5,)}
    sums.forget(b"a")
    assert sums.totals(b"") == {b"b": (5,)}
    sums.add([(b"b2", (6,)), (b"b3", (7,))])
    sums.remove([b"b", b"b3", b"none"])
    assert sums.totals(b"") == {b"b2": (6,)}
    sums.report([(b"x", (1,)), (b"y", (2,))])
    sums.report([(b"x", (3,))])
    assert [one[1:] for one in sums.reports(b"")] == [(b"x", (3,))]
    assert sums.reports(b"y") == [] and sums.totals(b"x") == {}


def test_sums_of_processes_that_have_ended(zones: Make) -> None:
    """What they have added stays, what they have reported goes."""
    sums = zones("one").sums()
    sums.report([(b"now", (1,))])

    def work() -> None:
        sums.add([(b"all", (4,))])
        sums.report([(b"now", (2,))])

    for _ in range(2):
        assert in_child(work) == 0
    assert sums.totals(b"all") == {b"all": (8,)}
    assert [one[1:] for one in sums.reports(b"now")] == [(b"now", (1,))]


def test_no_room_for_sums(zones: Make) -> None:
    """What is new is left out, and all else is counted."""
    sums = zones("one").sums()
    rows = [(b"%400d" % number, (1,) * 20) for number in range(1000)]
    assert sums.report([(b"now", (1,))])
    assert not sums.add(rows)
    known = sums.totals(b"")
    assert 10 < len(known) < 1000
    assert not sums.add([(b"new", (1,)), rows[0]]) and sums.add(rows[:1])
    assert sums.totals(b"") == {**known, rows[0][0]: (3,) * 20}
    assert not sums.put(b"new", (1,)) and sums.put(*rows[1])
    assert not sums.report([(b"new", (1,)), (b"now", (2,))])
    assert [one[1:] for one in sums.reports(b"")] == [(b"now", (2,))]
    sums.remove([key for key, _ in rows[:200]])
    assert sums.add([(b"new", (1,))]) and sums.totals(b"n") == {b"new": (1,)}


@engines
def test_sessions(engine: str, zones: Make) -> None:
    sessions: Sessions = store(engine, zones, Zone.sessions, MemorySessions)
    assert sessions.find(KEY, 0) == ""
    assert sessions.note(KEY, "a", 10, create=False) and sessions.find(KEY, 0) == ""
    assert sessions.note(KEY, "a", 10, create=True) and sessions.find(KEY, 10) == "a"
    assert sessions.find(KEY, 11) == ""
    assert sessions.note(KEY, "b", 20, create=False) and sessions.find(KEY, 20) == "b"
    assert sessions.note(OTHER, "r" * 32, 21, create=True)
    assert sessions.expire(20) == 0 and sessions.expire(21) == 1
    assert (sessions.find(KEY, 0), sessions.find(OTHER, 0)) == ("", "r" * 32)


def test_room_for_a_session_is_made(zones: Make) -> None:
    sessions = zones("one").sessions()
    keys = [random.Random(n).randbytes(16) for n in range(5000)]
    assert all(sessions.note(key, "a" * 32, n, create=True) for n, key in enumerate(keys))
    known = [n for n, key in enumerate(keys) if sessions.find(key, 0)]
    assert 300 < len(known) < 2500  # nginx has room for about 400
    assert sum(n > 4000 for n in known) > len(known) / 2


# -- caches ------------------------------------------------------------------------------------


def index_of(engine: str, zones: Make) -> CacheIndex:
    return store(engine, zones, Zone.cache_index, lambda: MemoryCacheIndex(SIZE))


@engines
def test_an_entry_from_its_first_use_to_its_end(engine: str, zones: Make) -> None:
    index = index_of(engine, zones)
    assert index.get(KEY) is None and index.oldest() is None and index.head() == IndexTotals()
    visit = index.visit(KEY, 10.0, 2, again=False)
    assert (visit.state, visit.cold) == (NodeState.NEW, True)
    assert index.visit(KEY, 10.5, 2, again=True).state is NodeState.SCARCE
    assert index.visit(KEY, 11.0, 2, again=False).state is NodeState.KNOWN
    index.commit(KEY, 12.0, (7, 3), 100)
    node = index.get(KEY)
    assert node == Node(11_000_000, uniq=7, fs_size=3, body_start=100, uses=2, exists=1)
    assert index.head()[:2] == (3, 1) and index.oldest() == (KEY, node)
    index.remove(KEY, 8)  # another file than the one that is there
    assert index.get(KEY) == node
    index.remove(KEY, 7)
    assert index.get(KEY) is None and index.head()[:2] == (0, 0)


@engines
def test_the_right_to_fetch(engine: str, zones: Make) -> None:
    index = index_of(engine, zones)
    assert index.lock(KEY, 0, 5) is None  # of what is not known
    index.visit(KEY, 1.0, 1, again=False)
    taken = index.lock(KEY, 100, 50)
    assert taken == 150 and index.lock(KEY, 149, 50) is None and index.claim(KEY) is None
    assert index.is_locked(KEY, 149) and not index.is_locked(KEY, 150)
    assert index.lock(KEY, 150, 50) == 200  # it took too long
    index.release(KEY, taken)  # too late: it is another's
    assert index.is_locked(KEY, 160)
    index.release(KEY, 200)
    assert not index.is_locked(KEY, 160) and index.claim(KEY) == 200
    index.forsake(KEY, 200)
    assert index.get(KEY) is None and index.head().entries == 0


def test_a_killed_worker_holds_nothing(zones: Make) -> None:
    index = zones("one").cache_index()
    index.visit(KEY, 1.0, 1, again=False)

    def die() -> None:
        assert index.lock(KEY, 100, 1000)
        kill_me()

    def oldest_is_owned() -> bool:
        found = index.oldest()
        return found is not None and bool(found[1].owner)

    for _ in range(2):
        assert in_child(die) == signal.SIGKILL
        assert not index.is_locked(KEY, 101) and not oldest_is_owned()
    assert index.claim(KEY) == 1100 and oldest_is_owned()


@engines
def test_an_error_is_remembered_for_a_while(engine: str, zones: Make) -> None:
    index = index_of(engine, zones)
    index.visit(KEY, 1.0, 1, again=False)
    index.remember(KEY, None, 502, 5)
    visit = index.visit(KEY, 5.0, 1, again=False)
    assert visit.state is NodeState.KNOWN and visit.node.error == 502
    assert index.visit(KEY, 6.0, 1, again=False).state is NodeState.NEW


@engines
def test_a_full_index(engine: str, zones: Make) -> None:
    index, most = index_of(engine, zones), capacity(SIZE)
    keys = [b"%016d" % n for n in range(most + 1)]
    for n, key in enumerate(keys[:-1]):
        assert index.add(key, float(n + 1), 1)
    assert not index.add(keys[-1], 1.0, 1)
    assert index.visit(keys[-1], 1.0, 1, again=False).state is NodeState.FULL
    assert index.head() == IndexTotals(most, most, most - most // 8)
    index.requeue(keys[0], most + 10.0)
    oldest = index.oldest()
    assert oldest is not None and oldest[0] == keys[1]


@engines
def test_one_loads(engine: str, zones: Make) -> None:
    index = index_of(engine, zones)
    assert index.start_loading() and not index.start_loading()
    index.end_loading(complete=False)
    assert index.start_loading()
    index.end_loading(complete=True)
    assert not index.start_loading() and index.head().cold == 0


Step = Callable[[CacheIndex], object]


def random_step(chance: random.Random, now: float) -> Step:
    md5 = b"%016d" % chance.randrange(6)
    ticks, number = int(now * 1000), chance.randrange(4)
    lock_time = chance.choice([None, ticks, ticks - 500, 0])
    steps: list[Step] = [
        lambda x: x.visit(md5, now, number, again=bool(number % 2)).state,
        lambda x: x.note_file(md5, 100, number, number),
        lambda x: x.lock(md5, ticks, 500),
        lambda x: x.is_locked(md5, ticks),
        lambda x: x.claim(md5),
        lambda x: x.commit(md5, now, (number, number) if number else None, 10),
        lambda x: x.release(md5, lock_time),
        lambda x: x.remember(md5, lock_time, 500 + number, int(now) + number),
        lambda x: x.forsake(md5, lock_time),
        lambda x: x.add(md5, now, number),
        lambda x: x.requeue(md5, now),
        lambda x: x.remove(md5, number),
        lambda x: x.purge(md5, now),
        lambda x: x.add_mask(md5[-1:], now, now - 9),
        lambda x: x.masks(number),
    ]
    return chance.choice(steps)


@pytest.mark.parametrize("seed", range(5))
def test_both_indexes_agree(seed: int, zones: Make) -> None:
    """After any steps; each comes in a second of its own, for which neither may leave it out."""
    chance, now = random.Random(seed), 1000.0
    one, other = zones("one").cache_index(), MemoryCacheIndex(SIZE)
    for _ in range(600):
        now += 1.0
        step = random_step(chance, now)
        assert step(one) == step(other)
        assert one.oldest() == _as_owned(other.oldest(), one.oldest())
        assert one.head()[:2] == other.head()[:2]


def _as_owned(
    mine: tuple[bytes, Node] | None, theirs: tuple[bytes, Node] | None
) -> tuple[bytes, Node] | None:
    """An owner is anything but 0, as the engine likes."""
    if mine is None or theirs is None or not (mine[1].owner and theirs[1].owner):
        return mine
    return mine[0], mine[1]._replace(owner=theirs[1].owner)


# -- values ------------------------------------------------------------------------------------


@engines
def test_values_expire(engine: str, zones: Make) -> None:
    values: KeyVal = store(engine, zones, Zone.keyval, MemoryKeyVal)
    long = b"a long key " * 100
    assert values.get(b"", 0.0) is None
    assert values.set(b"", b"empty") and values.set(long, b"") and values.set(b"k", b"1", 10.0)
    assert values.get(b"", 1e9) == b"empty" and values.get(long, 1e9) == b""
    assert values.get(b"k", 9.999) == b"1" and values.get(b"k", 10.0) is None
    assert values.set(b"later", b"2", 10.0) and values.set(b"later", b"3", 20.0)
    assert values.set(b"never", b"4", 10.0) and values.set(b"never", b"5")
    assert dict(values.items(10.0)) == {b"": b"empty", long: b"", b"later": b"3", b"never": b"5"}
    assert values.expire(5.0) == 0 and values.expire(10.0) == 1
    assert not values.delete(b"k") and values.delete(b"later") and not values.delete(b"later")
    assert values.expire(1e9) == 0
    assert {key for key, _ in values.items(1e9)} == {b"", long, b"never"}


@engines
def test_notes_are_no_values(engine: str, zones: Make) -> None:
    values: KeyVal = store(engine, zones, Zone.keyval, MemoryKeyVal)
    assert values.noted(b"a") == b""
    values.note(b"a", b"1")
    values.note(b"a", b"2")
    assert values.noted(b"a") == b"2" and values.get(b"a", 0.0) is None
    assert list(values.items(0.0)) == [] and values.expire(1e9) == 0 and not values.delete(b"a")


@engines
def test_many_values_expire(engine: str, zones: Make) -> None:
    values: KeyVal = store(engine, zones, Zone.keyval, MemoryKeyVal)
    count = 0
    while count < 1200 and values.set(b"%d" % count, b"", 1.0 + count % 2):
        count += 1
    assert values.expire(1.0) == (count + 1) // 2
    assert len(list(values.items(1.0))) == count // 2


def test_a_full_store_of_values(zones: Make) -> None:
    values = zones("one").keyval()
    count = 0
    while values.set(b"%d" % count, bytes(100), 10.0):
        count += 1
        assert count < 5000
    assert values.get(b"%d" % count, 0.0) is None
    values.note(b"a", b"1")
    assert values.noted(b"a") == b"1"
    assert values.set(b"0", b"new", 10.0) and values.get(b"0", 0.0) == b"new"
    assert not values.set(b"1", bytes(1 << 22)) and values.get(b"1", 0.0) == bytes(100)
    assert values.expire(10.0) == count and values.set(b"again", b"")
    assert not MemoryKeyVal(full=True).set(b"a", b"")


def test_values_that_grow_fill_a_store(zones: Make) -> None:
    values, small, long = zones("one").keyval(), bytes(5), bytes(3000)
    keys = [b"%d" % number for number in range(100)]
    assert all(values.set(key, small) for key in keys)
    grown = [values.set(key, long) for key in keys]
    assert grown[0] and not all(grown)
    assert [values.get(key, 0.0) == long for key in keys] == grown
    assert all(values.set(key, small) and values.set(key, bytes(4)) for key in keys)
    assert values.set(keys[-1], long)
    assert not values.set(keys[0], bytes(SIZE)) and values.get(keys[0], 0.0) == bytes(4)


@pytest.mark.parametrize("seed", range(8))
def test_what_a_store_held_is_restored(zones: Make, seed: int) -> None:
    """Whatever the order in which it was filled."""
    rng = random.Random(seed)
    old, new = zones("one").keyval(), zones("two").keyval()
    refused = 0
    while refused < 50:
        key = rng.randbytes(rng.choice((1, 8, 300)))
        refused += not old.set(key, bytes(rng.choice((0, 10, 900, 3000))))
    held = list(old.items(0.0))
    rng.shuffle(held)
    assert new.restore(held)
    assert dict(new.items(0.0)) == dict(held)
    assert all(new.delete(key) for key, _ in held)


@engines
def test_restored_values_expire(engine: str, zones: Make) -> None:
    values: KeyVal = store(engine, zones, Zone.keyval, MemoryKeyVal)
    assert values.set(b"a", b"old", 5.0)
    assert values.restore([(b"a", b"1"), (b"b", b"2"), (b"b", b"3")], 10.0)
    assert dict(values.items(9.0)) == {b"a": b"1", b"b": b"3"} and values.expire(10.0) == 2


def test_too_much_to_restore(zones: Make) -> None:
    """Nothing of it stays, and what was there can be removed."""
    values = zones("one").keyval()
    assert values.set(b"a", b"1")
    step = 20
    while values.restore([(b"%d" % number, bytes(900)) for number in range(step)]):
        step += 20
        assert step < 5000
    count = len(list(values.items(0.0)))
    assert count == step - 20 + 1 and not values.set(b"b", b"")
    assert not values.restore([(b"b", bytes(1 << 23))]) and values.get(b"b", 0.0) is None
    assert all(values.delete(key) for key, _ in list(values.items(0.0)))
    assert not MemoryKeyVal(full=True).restore([(b"a", b"")])
