"""Names of servers that are resolved at run time, without a network."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import pytest

from pyngx_jwt.dns import Addresses, Located, ResolveError, Service, Services
from pyngx_jwt.log import Log
from pyngx_jwt.upstream import PeerServer, RoundRobin, Shared
from pyngx_jwt.upstream.address import inet_address
from pyngx_jwt.upstream.names import Remembered, Watch, carry_over, remember
from pyngx_jwt.upstream.roster import Answer, Edit, Lookup, Roster
from pyngx_jwt.zones.store import PeersChanged
from tests.stores import MemoryPeers

FOREVER = 1 << 40
FIXED = PeerServer("127.0.0.1:80", (inet_address("127.0.0.1", 80),))


def named(host: str, *, service: str = "", weight: int = 1, backup: bool = False) -> PeerServer:
    return PeerServer(host, (), weight, backup=backup, lookup=Lookup(host, 80, service))


def group(*servers: PeerServer, store: MemoryPeers | None = None) -> Shared:
    return Shared(RoundRobin, servers, store or MemoryPeers())


def answers(*hosts: str, port: int = 80) -> list[Answer]:
    return [Answer(inet_address(host, port), "a", 1, False) for host in hosts]


def told(shared: Shared) -> str:
    """The peers, those with a weight of their own with it; backup servers in brackets."""
    words = []
    for peer in shared.peers.all:
        word = f"{peer.name}*{peer.weight}" if peer.weight != 1 else peer.name
        words.append(f"({word})" if peer.server.backup else word)
    return " ".join(words)


def test_what_stays_keeps_its_place() -> None:
    roster = Roster().renewed(1, answers("10.0.0.1", "10.0.0.2", "10.0.0.3"), 5)
    roster = roster.renewed(2, answers("10.0.0.9"), 6)
    roster = roster.renewed(1, answers("10.0.0.4", "10.0.0.3", "10.0.0.1", "10.0.0.1"), 7)
    found = [(one.serial, one.parent, one.address.host) for one in roster.found]
    assert found == [
        (1, 1, "10.0.0.1"),
        (3, 1, "10.0.0.3"),
        (4, 2, "10.0.0.9"),
        (5, 1, "10.0.0.4"),
        (6, 1, "10.0.0.1"),
    ]
    assert dict(roster.valid) == {1: 7, 2: 6}


class Resolver:
    """Gives the answers one after the other; the end of them ends the watch."""

    def __init__(self, *steps: Sequence[str] | Services | Exception) -> None:
        self.steps = list(steps)

    async def resolve(self, name: str, timeout: float) -> Addresses:
        step = self._next()
        assert not isinstance(step, Services)
        return Addresses(tuple(step), int(time.time()))

    async def resolve_service(self, host: str, service: str, timeout: float) -> Services:
        step = self._next()
        assert isinstance(step, Services)
        return step

    def _next(self) -> Sequence[str] | Services:
        if not self.steps:
            raise asyncio.CancelledError
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def watch(
    shared: Shared, *steps: Sequence[str] | Services | Exception, takes_backup: bool = True
) -> None:
    """Lets the only name of a group be resolved so many times, without the pauses."""
    watching = Watch("u", shared, Resolver(*steps), 0.0, Log(), takes_backup)

    async def run() -> None:
        (work,) = watching.keepers()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(run())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyngx_jwt.upstream.names.LEAST_PAUSE", 0.0)


def test_other_workers_follow() -> None:
    store = MemoryPeers()
    one, other = (group(FIXED, named("a"), store=store) for _ in range(2))
    watch(one, ["10.0.0.1", "10.0.0.2"], ResolveError(2), ["10.0.0.2", "10.0.0.1"])
    assert store.version() == 1  # the last answer is the same
    other.choose()
    assert told(one) == told(other) == "127.0.0.1:80 10.0.0.1:80 10.0.0.2:80"
    watch(one, ResolveError(3))
    assert told(one) == "127.0.0.1:80"


def test_a_bug_does_not_end_it() -> None:
    shared = group(named("a"))
    watch(shared, ValueError("bug"), ["10.0.0.1"])
    assert told(shared) == "10.0.0.1:80"


@pytest.mark.interpreted("replaces methods")
def test_names_that_are_added() -> None:
    """A bug does not end the look for them; those that are removed are forgotten."""
    shared = group(FIXED)
    shared.takes_names = True
    begun: list[int] = []

    async def keep(self: Watch, serial: int) -> None:
        begun.append(serial)

    async def run(watching: Watch, bugs: pytest.MonkeyPatch) -> None:
        (work,) = watching.keepers()
        task = asyncio.create_task(work)
        bugs.setattr(Shared, "named", lambda self: 1 // 0)
        shared.change(Roster().added(Edit(0, None, "a", lookup=Lookup("a", 80))))
        for _ in range(9):
            await asyncio.sleep(0)
        assert not begun and not task.done()
        bugs.undo()
        bugs.setattr(Watch, "_keep", keep)
        for _ in range(9):
            await asyncio.sleep(0)
        task.cancel()

    with pytest.MonkeyPatch.context() as bugs:
        asyncio.run(run(Watch("u", shared, Resolver(), 0.0, Log(), takes_backup=True), bugs))
    assert begun == [1]


def test_tasks_of_names_that_are_removed_are_forgotten() -> None:
    shared = group(FIXED)
    shared.takes_names = True
    watching = Watch("u", shared, Resolver(["10.0.0.1"]), 0.0, Log(), takes_backup=True)

    async def run() -> None:
        tasks: dict[int, asyncio.Task[None]] = {}
        shared.change(Roster().added(Edit(0, None, "a", lookup=Lookup("a", 80))))
        version = watching._begin_added(tasks, 0)
        (task,) = tasks.values()
        shared.change(shared.current().without(1))
        await task
        watching._begin_added(tasks, version)
        assert not tasks

    asyncio.run(run())


def test_an_answer_that_another_worker_has_overtaken() -> None:
    """What is noted of an older roster must not undo the newer one."""
    store = MemoryPeers()
    one, other = (group(FIXED, named("a"), store=store) for _ in range(2))
    one.change(Roster().renewed(-2, answers("10.0.0.1"), 5))
    seen = one.current()
    other.change(other.current().added(Edit(0, inet_address("10.0.0.9", 80), "b")))
    with pytest.raises(PeersChanged):
        one.confirm(seen.renewed(-2, answers("10.0.0.1"), 9))
    assert len(other.current().edits) == len(one.current().edits) == 1


def located(priority: int, weight: int, address: str) -> Located:
    return Located(address, Service(priority, weight, 8080, "host"))


@pytest.mark.parametrize(
    ("server", "takes_backup", "expected"),
    [
        (named("a", service="http"), True, "10.0.0.1:8080*3 10.0.0.2:8080 (10.0.0.3:8080*2)"),
        (named("a", service="http"), False, "10.0.0.1:8080*3 10.0.0.2:8080"),
        (
            named("a", service="http", weight=5),
            True,
            "10.0.0.1:8080*5 10.0.0.2:8080*5 (10.0.0.3:8080*5)",
        ),
        (named("a", service="http", backup=True), True, "(10.0.0.1:8080*3) (10.0.0.2:8080)"),
    ],
)
def test_services(server: PeerServer, takes_backup: bool, expected: str) -> None:
    shared = group(server)
    found = (located(1, 3, "10.0.0.1"), located(1, 1, "10.0.0.2"), located(7, 2, "10.0.0.3"))
    watch(shared, Services(found, 0), takes_backup=takes_backup)
    assert told(shared) == expected
    watch(shared, Services((), 0, error=2), takes_backup=takes_backup)
    assert told(shared) == expected
    watch(shared, Services((), 0, error=3), takes_backup=takes_backup)
    assert told(shared) == ""


def test_no_room() -> None:
    store = MemoryPeers(full=True)
    shared = group(FIXED, named("a"), store=store)
    watch(shared, ["10.0.0.1"] * 9)
    assert told(shared) == "127.0.0.1:80"


def test_a_new_configuration_begins_with_what_is_known() -> None:
    services = named("s", service="http")
    old = group(FIXED, named("a"), services, named("gone"), named("unknown"))
    roster = Roster().renewed(-2, answers("10.0.0.1", port=1), FOREVER)
    roster = roster.renewed(-3, answers("10.0.0.2", port=8080), 7)
    old.change(roster.renewed(-4, answers("10.0.0.3"), 7))
    known = json.loads(json.dumps(remember(old)))
    new = group(
        named("unknown"),
        named("s", service="http", weight=4),
        named("a", weight=2),
        named("gone", backup=True),
        FIXED,
    )
    carry_over([Remembered(*one) for one in known], new)
    assert told(new) == "127.0.0.1:80 10.0.0.2:8080*4 10.0.0.1:80*2"
    assert dict(new.current().valid) == {-2: 7, -3: FOREVER}
