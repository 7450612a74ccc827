"""Limits that all machines share: leaky buckets and requests in progress, on a Redis server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from .redis_link import RedisLink, Script, Step, ask, forget
from .redis_scripts import ENTER, LEAVE, SET_COUNTS, TAKE_RATES
from .resp import Word, is_ok
from .store import Entry, StoreDown, Take, Taken

OWNER_LIVES = 10_000  # milliseconds after the last sign of life
PULSE = 3.0  # seconds between two signs of life
LARGEST = 1 << 53  # excess: the numbers of scripts are doubles
MOST_REFUSED = 10_000  # keys of which a worker remembers that they are over their limit
take_rates, enter, leave = Script(TAKE_RATES), Script(ENTER), Script(LEAVE)
set_counts = Script(SET_COUNTS)
SCRIPTS = (take_rates, enter, leave, set_counts)


class SharedRates:
    """Leaky buckets on the server.

    Others only add to a bucket.  What the server said of one that is over its limit is therefore
    true until it has leaked, and requests are refused without asking as long."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._refused: dict[bytes, tuple[int, int]] = {}  # excess without the request, and when

    async def take(self, takes: Sequence[Take], now: int) -> Taken:
        """Counts a request in all buckets, or in none; ``now`` is in milliseconds of the monotonic
        clock.  Raises StoreDown."""
        if not self._link.up:
            raise StoreDown
        names = [self._name(x) for x in takes]
        for number, (name, x) in enumerate(zip(names, takes, strict=True)):
            known = self._known(name, x, now)
            if known is not None:
                return Taken(number, [known] * len(takes))
        words: list[Word] = [word for x in takes for word in (x.rate, x.burst)]
        refused, *excesses = await ask(
            self._link, take_rates, names, words, partial(_is_taken, takes)
        )
        if refused:
            name = names[refused - 1]
            if len(self._refused) >= MOST_REFUSED:
                self._refused.clear()
            self._refused[name] = excesses[refused - 1] - 1000, now
        return Taken(refused - 1, excesses)

    def _known(self, name: bytes, take: Take, now: int) -> int | None:
        """The excess if the bucket certainly refuses a request."""
        state = self._refused.get(name)
        if state is None:
            return None
        excess = state[0] - take.rate * max(now - state[1], 0) // 1000 + 1000
        if excess > take.burst + 1:  # the server rounds by itself
            return excess
        del self._refused[name]
        return None

    def _name(self, take: Take) -> bytes:
        prefix = f"{self._link.settings.prefix}{take.zone}:rate:"
        return prefix.encode("latin-1") + take.key.hex().encode()


class SharedConnections:
    """Requests in progress on the server, counted for each worker.

    A worker gives signs of life; the requests of one that does not are no longer counted.  What it
    has itself is known here, and is set again with every connection: the server may have been
    restarted, or may have missed something."""

    def __init__(self, link: RedisLink, owner: str) -> None:
        self._link, self._owner = link, owner
        self._held: dict[bytes, int] = {}
        self._stale: set[bytes] = set()  # of which the server may have something else
        link.resumes.append(self._resume)

    async def enter(self, entries: Sequence[Entry]) -> int:
        """Enters all, and returns -1; or the number of one that is full.  Raises StoreDown.

        What a request that ends meanwhile has entered is left again."""
        if not self._link.up:  # keys of clients would be remembered as stale without an end
            raise StoreDown
        names = [self._name(x) for x in entries]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int | None] = loop.create_future()

        def answered(full: Any) -> None:
            if full == 0:
                for name in names:
                    self._held[name] = self._held.get(name, 0) + 1
            elif full is None:
                self._stale.update(names)
            if not future.done():
                future.set_result(full)
            elif full == 0:  # nobody waits for it any more
                self.leave(names)

        words: list[Word] = [self._owner, self._living, *(x.limit for x in entries)]
        self._link.send(Step(enter.call(names, words), answered, partial(_is_number, len(names))))
        full = await future
        if full is None:
            raise StoreDown
        return full - 1

    def leave_entries(self, entries: Sequence[Entry]) -> None:
        self.leave([self._name(x) for x in entries])

    def leave(self, names: Sequence[bytes]) -> None:
        for name in names:
            self._held[name] = self._held.get(name, 1) - 1
            if not self._held[name]:
                del self._held[name]

        def answered(answer: Any) -> None:
            if answer is None:
                self._stale.update(names)

        self._link.send(Step(leave.call(names, [self._owner]), answered))

    async def live(self) -> None:
        """Gives signs of life until it is cancelled."""
        while True:
            self._give_sign()
            await asyncio.sleep(PULSE)

    @property
    def _living(self) -> str:
        return f"{self._link.settings.prefix}worker:"

    def _name(self, entry: Entry) -> bytes:
        return f"{self._link.settings.prefix}{entry.zone}:conn:".encode("latin-1") + entry.key

    def _give_sign(self) -> None:
        name = self._living + self._owner
        self._link.send(Step(("SET", name, "1", "PX", OWNER_LIVES), forget, is_ok))

    def _resume(self) -> None:
        """No step is under way: what the server has is replaced by what there is."""
        self._give_sign()
        names = [*self._held, *(self._stale - self._held.keys())]
        self._stale.clear()
        for start in range(0, len(names), 100):
            some = names[start : start + 100]
            self._set(some)

    def _set(self, names: list[bytes]) -> None:
        def answered(answer: Any) -> None:
            if answer is None:
                self._stale.update(names)

        counts = [self._held.get(name, 0) for name in names]
        self._link.send(Step(set_counts.call(names, [self._owner, *counts]), answered))


def _is_number(most: int, answer: Any) -> bool:
    return type(answer) is int and 0 <= answer <= most


def _is_taken(takes: Sequence[Take], answer: Any) -> bool:
    """The number of the bucket that refuses, or 0, and the excesses: which are all within their
    bursts if none refuses."""
    if not isinstance(answer, list) or len(answer) != len(takes) + 1:
        return False
    refused, *excesses = answer
    if not all(_is_number(LARGEST, x) for x in excesses):
        return False
    over = [excess > take.burst for excess, take in zip(excesses, takes, strict=True)]
    expected = over.index(True) + 1 if True in over else 0
    return _is_number(expected, refused) and refused >= expected
