"""Names to addresses, remembered as long as they are valid (ngx_resolver.c)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ..log import Log, Severity
from .answers import Addresses, Located, Service, Services
from .client import Client
from .errors import NOT_FOUND, REFUSED, TIMED_OUT, ResolveError
from .message import AAAA, SRV, A, BadName, Question, Response
from .servers import NameServers

MOST_ALIASES = 50  # of one name
IDLE = 30  # seconds that an entry is kept after its last use
NEGATIVE = 10  # seconds that a failure is held valid, unless "valid" is set
MOST_KNOWN = 100_000  # addresses and names that are remembered
# Places of what is counted.
NAMES, SERVICES, CODES, TIMEOUTS, UNKNOWN = 0, 1, 3, 9, 10
MOST_TARGETS = 32  # hosts of a service that are looked up at the same time


class Entry(NamedTuple):
    """What a name stands for: addresses, services or another name."""

    valid: int
    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    alias: str = ""

    @property
    def size(self) -> int:
        return 1 + len(self.v4) + len(self.v6) + len(self.services)

    def rotated(self) -> tuple[str, ...]:
        """The addresses from a random place on, so that the load is spread."""
        both = _turned(self.v4) + _turned(self.v6)
        return _turned(both)


class Known:
    """Entries in the order of their last use; those not used for a while go."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Question, tuple[Entry, int]] = OrderedDict()
        self.size = 0

    def get(self, key: Question) -> Entry | None:
        found = self._entries.get(key)
        now = int(time.time())
        if found is None or found[0].valid < now:
            return None
        self._entries[key] = found[0], now + IDLE
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Question, entry: Entry) -> None:
        self.drop(key)
        now = int(time.time())
        self._entries[key] = entry, now + IDLE
        self.size += entry.size
        for oldest in list(self._oldest(now)):
            self.drop(oldest)
        while self.size > MOST_KNOWN and len(self._entries) > 1:
            self.drop(next(iter(self._entries)))

    def drop(self, key: Question) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.size -= found[0].size

    def _oldest(self, now: int) -> list[Question]:
        """Two at most: every new entry pays for the removal of old ones."""
        ends: list[Question] = []
        for key, (_, expires) in self._entries.items():
            if expires >= now or len(ends) == 2:
                break
            ends.append(key)
        return ends


class Lookup:
    """A question that is being asked, and how many wait for the answer."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Entry | int]) -> None:
        self.task, self.waiting = task, 0


class Resolver:
    """One worker's resolver of one "resolver" directive.

    Requests for a name that is being asked wait for the same answer.  A failure is not
    remembered."""

    def __init__(self, servers: NameServers, log: Log, counts: list[int] | None = None) -> None:
        self.servers, self.log = servers, log
        self._counts = counts or [0] * (UNKNOWN + 1)  # see resolvers.NUMBERS
        self._client = Client(servers.servers, log, self._count)
        self._known = Known()
        self._asking: dict[Question, Lookup] = {}

    async def resolve(self, name: str, timeout: float) -> Addresses:
        deadline = _deadline(timeout)
        entry, fresh = await self._follow(Question(_normal(name), A), deadline)
        found = entry.v4 + entry.v6 if fresh else entry.rotated()
        return Addresses(found, entry.valid)

    async def resolve_service(self, host: str, service: str, timeout: float) -> Services:
        label = service if "." in service else f"_{service}._tcp"
        question = Question(f"{label}.{_normal(host)}".lower(), SRV)
        entry, _ = await self._follow(question, _deadline(timeout))
        gate = asyncio.Semaphore(MOST_TARGETS)
        hosts = [self._host(one, timeout, gate) for one in entry.services]
        answers = await asyncio.gather(*hosts)
        failures = [
            (service.name, answer)
            for service, answer in zip(entry.services, answers, strict=True)
            if isinstance(answer, ResolveError)
        ]
        found = [
            Located(address, service)
            for service, answer in zip(entry.services, answers, strict=True)
            if isinstance(answer, Addresses)
            for address in answer.found
        ]
        if not found:
            codes = [error.code for _, error in failures]
            code = NOT_FOUND if NOT_FOUND in codes else codes[0]
            return Services((), self._negative(), tuple(failures), code)
        valid = min(
            [entry.valid, *(answer.valid for answer in answers if isinstance(answer, Addresses))]
        )
        return Services(tuple(found), valid, tuple(failures))

    async def _host(
        self, service: Service, timeout: float, gate: asyncio.Semaphore
    ) -> Addresses | ResolveError:
        async with gate:
            try:
                return await self.resolve(service.name, timeout)
            except ResolveError as error:
                return error

    async def _follow(self, question: Question, deadline: float | None) -> tuple[Entry, bool]:
        """The entry at the end of the aliases, and whether it has just been asked for."""
        for _ in range(MOST_ALIASES + 1):
            entry = self._known.get(question)
            fresh = entry is None
            if entry is None:
                entry = await self._look_up(question, deadline)
            if not entry.alias:
                return entry, fresh
            question = question._replace(name=entry.alias)
        raise ResolveError(NOT_FOUND, self._negative())

    async def _look_up(self, question: Question, deadline: float | None) -> Entry:
        """Asks, or waits with those who do."""
        loop = asyncio.get_running_loop()
        lookup = self._asking.get(question)
        if lookup is None:
            self._counts[SERVICES if question.type == SRV else NAMES] += 1
            lookup = self._asking[question] = Lookup(loop.create_task(self._ask(question)))
        lookup.waiting += 1
        try:
            left = None if deadline is None else max(deadline - loop.time(), 0)
            await asyncio.wait((lookup.task,), timeout=left)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and self._asking.get(question) is lookup:
                del self._asking[question]
                lookup.task.cancel()
        if not lookup.task.done():
            self._counts[TIMEOUTS] += 1
            raise ResolveError(TIMED_OUT)
        found = lookup.task.result()
        if isinstance(found, int):
            raise ResolveError(found, self._negative())
        return found

    async def _ask(self, question: Question) -> Entry | int:
        """What the servers say, or the code of their refusal."""
        try:
            responses = await self._client.ask(*self._questions(question))
        except BadName:
            return NOT_FOUND
        code = next((response.code for response in responses if response.code), 0)
        self._count(code)
        found = self._entry(responses)
        if not code and found is None and responses[-1].records:
            kind = "SRV" if question.type == SRV else "A or CNAME"
            self.log.write(Severity.ERR, f"no {kind} types in DNS response")
            await asyncio.get_running_loop().create_future()  # until all have given up
        if code or found is None:
            return code or NOT_FOUND
        self._known.put(question, found)
        return found

    def _count(self, code: int) -> None:
        """An answer has come with this code."""
        self._counts[CODES + code if code <= REFUSED else UNKNOWN] += 1

    def _questions(self, question: Question) -> Sequence[Question]:
        if question.type == SRV:
            return (question,)
        kinds = ((A, self.servers.ipv4), (AAAA, self.servers.ipv6))
        return [Question(question.name, kind) for kind, wanted in kinds if wanted]

    def _entry(self, responses: Sequence[Response]) -> Entry | None:
        """What the answers say together; None if that is nothing.  An alias must be in the last
        of them, as in nginx."""
        addresses = [address for response in responses for address in response.addresses]
        services = [service for response in responses for service in response.services]
        lasts = self.servers.valid or min(response.ttl for response in responses)
        valid = int(time.time()) + lasts
        if services:
            services = [one._replace(weight=one.weight or 1) for one in services]
            return Entry(valid, services=tuple(sorted(services, key=lambda one: one.priority)))
        if addresses:
            v4 = tuple(address for address in addresses if ":" not in address)
            v6 = tuple(address for address in addresses if ":" in address)
            return Entry(valid, v4, v6)
        alias = responses[-1].alias
        return Entry(valid, alias=alias) if alias else None

    def _negative(self) -> int:
        return int(time.time()) + (self.servers.valid or NEGATIVE)


def _deadline(timeout: float) -> float | None:
    return asyncio.get_running_loop().time() + timeout if timeout else None


def _normal(name: str) -> str:
    """Without the dot at the end, which says that the name is complete."""
    return name.removesuffix(".").lower()


def _turned(items: tuple[str, ...]) -> tuple[str, ...]:
    start = random.randrange(len(items)) if len(items) > 1 else 0
    return items[start:] + items[:start]
