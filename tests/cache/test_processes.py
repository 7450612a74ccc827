"""Workers that share a cache, and workers that die."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from pyngx_jwt.cache import CacheClock, Lookup, load_one, manage_once
from tests.forks import fork
from tests.wire import DEADLINE

from .kit import HEAD, Hands, Kit


def succeeded(pid: int) -> bool:
    return os.waitpid(pid, 0)[1] == 0


def test_what_one_keeps_another_finds(kit: Kit) -> None:
    cache = kit.cache()
    assert kit.ask(cache, "here")[0] is Lookup.MISS

    def there() -> None:
        assert kit.ask(cache, "here") == (Lookup.HIT, b"body")
        assert kit.ask(cache, "there", answer=b"there")[0] is Lookup.MISS

    assert succeeded(fork(there))
    assert kit.ask(cache, "there") == (Lookup.HIT, b"there")
    assert cache.index.head()[:2] == (2, 2)


class RunningClocks(Hands):
    def clock(self) -> CacheClock:
        return CacheClock()


def test_waiting_for_another_process(kit: Kit) -> None:
    kit.hands = RunningClocks(now=time.time())
    cache, policy = kit.cache(), kit.policy._replace(lock=True)
    ready, go = os.pipe(), os.pipe()

    def fetch() -> None:
        hold = kit.hold(cache, policy=policy)
        assert hold.open() is Lookup.MISS
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        kit.keep(hold)
        hold.close()

    pid = fork(fetch)
    os.read(ready[0], 1)
    hold = kit.hold(cache, policy=policy)
    assert hold.open() is Lookup.WAIT

    async def wait() -> None:
        task = asyncio.create_task(hold.wait())
        await asyncio.sleep(0)
        os.write(go[1], b"x")
        assert succeeded(pid)
        await asyncio.wait_for(task, DEADLINE)

    asyncio.run(wait())
    assert hold.open() is Lookup.HIT
    hold.free()
    hold.close()


def test_a_killed_fetcher_holds_nobody_up(kit: Kit) -> None:
    cache, policy = kit.cache(), kit.policy._replace(lock=True)
    kit.ask(cache, "old")
    kit.hands.now += 100

    def die() -> None:
        fetching, renewing = kit.hold(cache, policy=policy), kit.hold(cache, "old")
        assert (fetching.open(), renewing.open()) == (Lookup.MISS, Lookup.STALE)
        writer = fetching.begin(HEAD, kit.fresh())
        assert writer is not None and writer.write(bytes(100_000))
        os.kill(os.getpid(), signal.SIGKILL)

    assert os.waitpid(fork(die), 0)[1] == signal.SIGKILL
    assert kit.ask(cache, policy=policy)[0] is Lookup.MISS
    assert kit.ask(cache, "old")[0] is Lookup.STALE
    assert kit.ask(cache)[0] is kit.ask(cache, "old")[0] is Lookup.HIT


def test_workers_killed_at_random_leave_a_good_index(kit: Kit) -> None:
    """Workers ask and are killed, a manager deletes; in the end the sums are right."""
    cache = kit.cache("levels=1", "use_temp_path=off", "max_size=100k")

    def ask_for_ever() -> None:
        number = 0
        while True:
            number += 7
            kit.ask(cache, str(number % 40), answer=bytes(number % 5 * 4096))

    for _ in range(12):
        pids = [fork(ask_for_ever) for _ in range(2)]
        before, deadline = cache.index.head(), time.monotonic() + DEADLINE
        while cache.index.head() == before and time.monotonic() < deadline:
            manage_once(cache)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    table = kit.zones[-1].zones[cache.name]._table
    nodes = [value for _, value in table.iterate(b"k")]
    queue = [key for key, _ in table.iterate(b"q")]
    assert cache.index.head().entries == len(nodes) == len(queue) <= 40
    for number in range(40):
        assert kit.ask(cache, str(number))[0] in (Lookup.HIT, Lookup.MISS)
    head = cache.index.head()
    cold = kit.cache("levels=1", "use_temp_path=off")
    asyncio.run(load_one(cold))
    assert cold.index.head()[:2] == head[:2] and head.entries == 40
    assert not [line for line in kit.log if "[crit]" in line or "[alert]" in line]


def test_a_thousand_commits_of_one_key(kit: Kit) -> None:
    """Readers see one of the responses whole, whoever replaces it meanwhile."""
    cache = kit.cache()
    bodies = [bytes([n]) * (5000 * n) for n in range(1, 4)]
    kit.ask(cache, answer=bodies[0])

    def commit() -> None:
        for number in range(300):
            hold = kit.hold(cache)
            kit.keep(hold, bodies[number % 3])
            hold.close()

    pids = [fork(commit) for _ in range(2)]
    seen = {kit.ask(cache)[1] for _ in range(500)}
    assert all(succeeded(pid) for pid in pids)
    assert seen <= set(bodies) and kit.log == []
