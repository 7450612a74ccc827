"""The rows of statistics: how often they are read, and how long they are kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pyngx_jwt.compile import load
from pyngx_jwt.conf.scope import Scope
from pyngx_jwt.core.worker import WorkerLife
from pyngx_jwt.gateway.groups import Upstreams
from pyngx_jwt.log import Log
from pyngx_jwt.metrics import Tallies
from pyngx_jwt.metrics.kinds import (
    CODES,
    DOWN_SINCE,
    DOWNTIME,
    HOST,
    PEER,
    RESOLVER,
    WORKER,
    WORKER_ZERO,
    Kind,
)
from pyngx_jwt.metrics.workers import WorkerState
from pyngx_jwt.modules.api.exposition import Exposition
from pyngx_jwt.modules.api.gone import NO_GROUP, OF_HTTP, GoneServers
from pyngx_jwt.modules.api.group_counts import report_groups
from pyngx_jwt.modules.api.metrics_plus import write_plus
from pyngx_jwt.modules.api.snapshot import Snapshot
from pyngx_jwt.modules.api.tree import upstreams
from pyngx_jwt.options import DIRECTORY, Options
from pyngx_jwt.upstream.upstream import Upstream
from pyngx_jwt.zones.store import Counts, PeerStates

from ..stores import MemoryPeers, MemorySums

T = TypeVar("T")
Rows = Iterable[tuple[bytes, tuple[int, ...]]]
API = "server { location / { api; } }"


class CountedSums(MemorySums):
    """Notes each use."""

    def __init__(self, uses: Counter[str]) -> None:
        super().__init__()
        self.uses = uses
        self.of_others: list[tuple[int, bytes, tuple[int, ...]]] = []

    def report(self, own: Rows) -> bool:
        self.uses["report"] += 1
        return super().report(own)

    def totals(self, prefix: bytes) -> dict[bytes, tuple[int, ...]]:
        self.uses["totals"] += 1
        return super().totals(prefix)

    def reports(self, prefix: bytes) -> list[tuple[int, bytes, tuple[int, ...]]]:
        self.uses["reports"] += 1
        others = [one for one in self.of_others if one[1].startswith(prefix)]
        return [*super().reports(prefix), *others]


class CountedPeers(MemoryPeers):
    """Notes each use."""

    def __init__(self, uses: Counter[str]) -> None:
        super().__init__()
        self.uses = uses

    def transact(
        self, decide: Callable[[PeerStates | None], tuple[T, PeerStates]], version: int = 0
    ) -> T:
        self.uses["changes of groups"] += 1
        return super().transact(decide, version)

    def states(self, version: int = 0) -> PeerStates | None:
        self.uses["looks at groups"] += 1
        return super().states(version)


class Worker:
    """A worker with a configuration, whose zones are in memory."""

    def __init__(self, folder: Path, http: str, number: int = 0) -> None:
        (folder / "nginx.conf").write_text(f"events {{ }} http {{ {http} {API} }}")
        options = Options(f"{folder}/", f"{folder}/nginx.conf", "", DIRECTORY)
        self.tallies, self.groups, self.uses = Tallies(), Upstreams(), Counter[str]()
        self.scope: Scope = load(options, Log(), things=(self.tallies, self.groups)).scope
        self.tallies.sums = self.sums = CountedSums(self.uses)
        for name in self.groups.declared:
            shared = self.group(name).shared
            assert shared is not None
            shared.store = CountedPeers(self.uses)
        self.life = WorkerLife(self.scope, Counts, number)
        report_groups(self.scope, self.life)

    def group(self, name: str) -> Upstream:
        group = self.groups.get(name)
        assert group is not None
        return group

    def work(self) -> None:
        """What a worker does once in a second."""
        for chore in self.tallies.chores:
            chore()
        self.tallies.flush()

    def uses_of(self, act: Callable[[Snapshot], object]) -> Counter[str]:
        self.uses.clear()
        act(Snapshot(self.scope))
        return self.uses.copy()


def named(count: int) -> str:
    servers = "server 127.0.0.1:1; server 127.0.0.1:2;"
    return "".join(f"upstream g{n} {{ zone g{n} 64k; {servers} }}" for n in range(count))


@pytest.mark.parametrize(
    "read", [upstreams, lambda one: write_plus(Exposition(is_open=False), one)]
)
def test_groups_are_read_once(tmp_path: Path, read: Callable[[Snapshot], object]) -> None:
    """The rows as often for many groups as for few; no group is kept from changes meanwhile."""
    few, many = (Worker(tmp_path, named(count)).uses_of(read) for count in (2, 7))
    assert (few.pop("looks at groups"), many.pop("looks at groups")) == (2, 7)
    assert few == many and few["report"] == 1 and few["changes of groups"] == 0


def test_downtimes_are_noted_once_in_a_second(tmp_path: Path) -> None:
    """However often the statistics are read."""
    worker = Worker(tmp_path, named(3))
    worker.uses.clear()
    worker.tallies.flush()
    assert worker.uses["looks at groups"] == 0
    worker.work()
    assert worker.uses["looks at groups"] == 3


# -- how long servers fail ---------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that downtimes are measured by."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now


def failing(folder: Path, since: int) -> Worker:
    """A worker with one server, which has failed."""
    worker = Worker(folder, "upstream u { zone u 64k; server 127.0.0.1:1 fail_timeout=1h; }")
    fail(worker, since)
    return worker


def fail(worker: Worker, since: int) -> None:
    shared = worker.group("u").shared
    assert shared is not None
    shared.store.transact(lambda states: (None, [(0, 1, 0, 1, since, since)]))


def downtime_of(worker: Worker) -> tuple[int, bool]:
    """How long it has failed, in seconds, and whether that goes on."""
    worker.tallies.flush()
    total = sum(numbers[0] for numbers in worker.tallies.totals(DOWNTIME).values())
    return total // 1000, bool(worker.tallies.reports(DOWN_SINCE))


def test_a_server_that_begins_to_fail(tmp_path: Path, clock: list[float]) -> None:
    worker = failing(tmp_path, 0)
    fail(worker, -10_000)
    worker.work()
    clock[0] += 10
    fail(worker, 1004)
    worker.work()
    assert downtime_of(worker) == (6, True)


def test_another_worker_has_counted_what_was_before(tmp_path: Path, clock: list[float]) -> None:
    """The first one of a worker's number may have died."""
    worker = failing(tmp_path, 400)
    worker.work()
    assert downtime_of(worker) == (0, True)
    clock[0] += 2
    worker.work()
    assert downtime_of(worker) == (2, True)


def test_a_worker_that_quits_leaves_downtimes_to_its_successor(
    tmp_path: Path, clock: list[float]
) -> None:
    worker = failing(tmp_path, 1000)
    for _ in range(2):
        worker.work()
        clock[0] += 1
    worker.life.quit()
    worker.work()
    assert downtime_of(worker) == (1, False)


# -- rows of what has ended --------------------------------------------------------------------


def report_worker(worker: Worker, started: int, requests: int) -> None:
    state = WorkerState(0, started, 1, 0, 0, 0, 0, requests, requests, 0)
    worker.tallies.reporters = [lambda: iter([(WORKER, (), tuple(state))])]


def requests_of(worker: Worker) -> list[int]:
    return [one.state.requests for one in Snapshot(worker.scope).workers()]


def test_a_worker_with_the_process_number_of_another(tmp_path: Path) -> None:
    """It begins with zeros itself; what was kept of the other one is forgotten."""
    worker = Worker(tmp_path, "")
    report_worker(worker, 1, 5)
    Snapshot(worker.scope).reset_workers()
    report_worker(worker, 1, 7)
    assert requests_of(worker) == [2]
    report_worker(worker, 2, 3)
    assert requests_of(worker) == [3]
    Snapshot(worker.scope).reset_workers("0")
    assert requests_of(worker) == [0]
    assert len(worker.tallies.totals(WORKER_ZERO)) == 1


def test_no_room_for_new_rows(tmp_path: Path) -> None:
    """All others are counted, and reported."""
    worker, complaints = Worker(tmp_path, ""), list[str]()
    worker.tallies.complain = complaints.append
    known, new = (worker.tallies.row(RESOLVER, name) for name in ("known", "new"))
    known.add(0)
    report_worker(worker, 1, 5)
    worker.tallies.flush()
    worker.sums.full = True
    report_worker(worker, 1, 6)
    for _ in range(2):
        new.add(0)
        known.add(0)
        worker.tallies.flush()
    assert {names: ns[0] for names, ns in worker.tallies.totals(RESOLVER).items()} == {
        ("known",): 3
    }
    assert requests_of(worker) == [6]
    assert complaints == ["the zone of the statistics is full, some are not counted"]


def test_no_room_for_what_is_reset(tmp_path: Path) -> None:
    worker, complaints = Worker(tmp_path, ""), list[str]()
    worker.tallies.complain = complaints.append
    report_worker(worker, 1, 5)
    assert requests_of(worker) == [5]
    worker.sums.full = True
    for _ in range(2):
        Snapshot(worker.scope).reset_workers()
    assert requests_of(worker) == [5]
    assert complaints == ["the zone of the statistics is full, some are not counted"]


def count_servers(worker: Worker, kinds: Iterable[Kind], *servers: str) -> None:
    for kind in kinds:
        for server in servers:
            worker.tallies.row(kind, "u", server).add(0)
    worker.tallies.code(PEER, ("u", servers[0]), 200).add(0)
    worker.tallies.row(PEER, NO_GROUP, "127.0.0.1:9").add(0)
    worker.tallies.row(HOST, "u").add(0)
    worker.tallies.flush()


def keys_of(worker: Worker, kinds: Iterable[Kind]) -> set[bytes]:
    return {key for kind in kinds for key in worker.tallies.keys(kind)}


@pytest.mark.parametrize("number", [0, 1])
def test_rows_of_servers_that_are_gone(tmp_path: Path, clock: list[float], number: int) -> None:
    """Each worker lets go of its own, and one worker forgets what all have counted: not before the
    server was gone for a minute."""
    group = "upstream u { zone u 64k; server 127.0.0.1:1; server 127.0.0.1:2; }"
    worker = Worker(tmp_path, group, number)
    kinds = (*OF_HTTP, CODES, HOST)
    count_servers(worker, OF_HTTP, "127.0.0.1:1", "127.0.0.1:11")
    count_servers(worker, OF_HTTP, "127.0.0.1:2", "127.0.0.1:1")
    both = keys_of(worker, kinds)
    kept = {key for key in both if b"127.0.0.1:2" not in key and b"127.0.0.1:11" not in key}
    assert len(kept) == 3 + 1 + 2 and len(both) == len(kept) + 2 * (3 + 1) - 1
    let_go = list[bool]()
    gone = GoneServers(
        worker.tallies, worker.life, worker.groups, Upstreams(), lambda: let_go.append(True)
    )
    gone.sweep()
    assert let_go == []
    shared = worker.group("u").shared
    assert shared is not None
    shared.change(shared.current().without(-2))
    for forgotten in (set[bytes](), both - kept if number == 0 else set[bytes]()):
        clock[0] += 60
        gone.sweep()
        assert both - keys_of(worker, kinds) == forgotten
        assert set(worker.tallies.held()) & both == kept
    assert let_go == [True, True]


def test_a_server_that_comes_back(tmp_path: Path, clock: list[float]) -> None:
    worker = Worker(tmp_path, "upstream u { zone u 64k; server 127.0.0.1:1; }")
    count_servers(worker, OF_HTTP, "127.0.0.1:1")
    both = keys_of(worker, OF_HTTP)
    empty = Upstreams()
    groups = dict(worker.groups.declared)
    gone = GoneServers(worker.tallies, worker.life, worker.groups, empty, lambda: None)
    for declared in ({}, groups, {}, groups):
        worker.groups.declared = declared
        gone.look()
        assert keys_of(worker, OF_HTTP) == both


def test_rows_that_were_let_go_still_count(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "")
    row = worker.tallies.row(RESOLVER, "a")
    row.add(0)
    worker.tallies.let_go([row.key])
    row.add(0)
    other = worker.tallies.row(RESOLVER, "a")
    other.add(0)
    assert other is not row
    worker.tallies.flush()
    assert worker.tallies.totals(RESOLVER)[("a",)][0] == 3


@pytest.mark.parametrize(
    ("workers", "wanted"),
    [
        ([(0, 0), (1, 0)], 20),
        ([(0, 0), (1, 0), (1, 1)], 20),
        ([(0, 0), (1, 1)], 10),
        ([(0, 0), (1, 0), (0, 0)], 20),  # which has not reported that it quits
    ],
)
def test_old_workers_do_not_queue(
    tmp_path: Path, workers: list[tuple[int, int]], wanted: int
) -> None:
    worker = Worker(tmp_path, "upstream u { zone u 64k; server 127.0.0.1:1; queue 10; }")
    worker.sums.of_others = [
        (pid, WORKER.mark, (number, pid, 1, 0, 0, 0, 0, 0, 0, is_quitting))
        for pid, (number, is_quitting) in enumerate(workers)
    ]
    assert Snapshot(worker.scope).group(worker.group("u")).most == wanted
