"""Keeps the addresses of servers up to date whose names are resolved at run time.

One worker does, and changes the roster that all share (ngx_http_upstream_zone_module).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..dns import NOT_FOUND, ResolveError, Resolves, Services, error_text
from ..log import Log, Severity
from ..zones.store import ZoneFull
from .address import inet_address
from .peer import Lookup, PeerServer
from .roster import Answer, Roster
from .shared import Shared

LEAST_PAUSE = 1.0  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Watch:
    """The servers of one group; the `timeout` is that of a resolution, in seconds."""

    group: str
    shared: Shared
    resolver: Resolves
    timeout: float
    log: Log
    takes_backup: bool  # whether the method has backup servers, as which SRV records can be used

    def keepers(self) -> Iterator[Coroutine[Any, Any, None]]:
        """One for each name."""
        for number, server in enumerate(self.shared.servers):
            if server.lookup is not None:
                yield self._keep(number, server, server.lookup)

    async def _keep(self, number: int, server: PeerServer, lookup: Lookup) -> None:
        """Resolves a name whenever its addresses are not valid any more."""
        pause = float(self.shared.current().valid.get(number, 0) - int(time.time()))
        await asyncio.sleep(max(pause, 0))
        while True:
            try:
                pause = await self._renew(number, server, lookup)
            except Exception:  # a bug must not keep the addresses of today for ever
                self.log.write(Severity.ERR, traceback.format_exc().rstrip("\n"), lines=True)
                pause = self._retry
            await asyncio.sleep(pause)

    @property
    def _retry(self) -> float:
        """Seconds after a failure."""
        return max(self.timeout, LEAST_PAUSE)

    async def _renew(self, number: int, server: PeerServer, lookup: Lookup) -> float:
        """Resolves once; seconds until the next time."""
        try:
            if lookup.service:
                answers, valid = await self._ask_for_service(server, lookup)
            else:
                answers, valid = await self._ask(server, lookup)
        except ResolveError as error:
            if error.code != NOT_FOUND:
                return self._retry
            answers, valid = [], error.valid
        self._change(number, answers, valid)
        now = int(time.time())
        return max(valid - now, 0) + LEAST_PAUSE

    async def _ask(self, server: PeerServer, lookup: Lookup) -> tuple[list[Answer], int]:
        try:
            found = await self.resolver.resolve(lookup.host, self.timeout)
        except ResolveError as error:
            self._report(_named(lookup), error.code)
            raise
        addresses = (inet_address(address, lookup.port) for address in found.found)
        return [
            Answer(address, server.name, server.weight, server.backup) for address in addresses
        ], found.valid

    async def _ask_for_service(
        self, server: PeerServer, lookup: Lookup
    ) -> tuple[list[Answer], int]:
        try:
            services = await self.resolver.resolve_service(
                lookup.host, lookup.service, self.timeout
            )
        except ResolveError as error:
            self._report(_named(lookup), error.code)
            raise
        for host, failure in services.failures:
            self._report(host, failure.code, f" while resolving {_named(lookup)}")
        if services.error:
            self._report(_named(lookup), services.error)
            raise ResolveError(services.error, services.valid)
        return self._ranked(server, services), services.valid

    def _ranked(self, server: PeerServer, services: Services) -> list[Answer]:
        """Those of the first priority, and the others as backup servers."""
        first = min(one.service.priority for one in services.found)
        answers: list[Answer] = []
        for address, service in services.found:
            is_first = service.priority == first
            if is_first or (self.takes_backup and not server.backup):
                weight = server.weight if server.weight != 1 else service.weight
                backup = server.backup or not is_first
                where = inet_address(address, service.port)
                answers.append(Answer(where, service.name, weight, backup))
        return answers

    def _change(self, number: int, answers: list[Answer], valid: int) -> None:
        """Has all workers use the addresses, as many of them as there is room for."""
        roster = self.shared.current()
        most = len(answers)
        while not self._try(roster, roster.renewed(number, answers, valid)) and answers:
            answers = answers[: len(answers) // 2]
        if len(answers) < most:
            text = f'cannot add new server to upstream "{self.group}", memory exhausted'
            self.log.write(Severity.ERR, text)

    def _try(self, old: Roster, new: Roster) -> bool:
        """Replaces the roster; whether there was room."""
        if new.found == old.found:
            self.shared.confirm(new)
            return True
        try:
            self.shared.change(new)
        except ZoneFull:
            return False
        return True

    def _report(self, what: str, code: int, context: str = "") -> None:
        text = f"{what} could not be resolved ({error_text(code)}){context}"
        self.log.write(Severity.ERR, text)


def _named(lookup: Lookup) -> str:
    host = lookup.host.removesuffix(".").lower()
    return f"service {lookup.service} of {host}" if lookup.service else host


# Host, port, name, weight, and whether it is a backup; a list once it was handed over as JSON.
PastAddress = Sequence[Any]


class Remembered(NamedTuple):
    """What a configuration knows of the name of a server, for the one that comes after it."""

    host: str
    service: str
    backup: bool
    valid: int
    addresses: Sequence[PastAddress]


def remember(group: Shared) -> list[Remembered]:
    """What is known of the names of a group."""
    known = group.current()
    remembered: list[Remembered] = []
    for number, server in enumerate(group.servers):
        if server.lookup is not None and number in known.valid:
            host, _, service = server.lookup
            found = [one for one in known.found if one.server == number]
            addresses: list[PastAddress] = [
                (one.address.host, one.address.port, *one[3:]) for one in found
            ]
            valid = known.valid[number]
            remembered.append(Remembered(host, service, server.backup, valid, addresses))
    return remembered


def carry_over(remembered: Iterable[Remembered], group: Shared) -> None:
    """Lets a group of a new configuration begin with the addresses that are known of its
    servers (ngx_http_upstream_zone_preresolve)."""
    known = {one[:3]: one for one in reversed(list(remembered))}
    roster = Roster()
    for number, server in enumerate(group.servers):
        if (lookup := server.lookup) is None:
            continue
        one = known.get((lookup.host, lookup.service, server.backup))
        if one is not None:
            answers = [_as_now(address, server, lookup) for address in one.addresses]
            roster = roster.renewed(number, answers, one.valid)
    group.inherit(roster)


def _as_now(address: PastAddress, server: PeerServer, lookup: Lookup) -> Answer:
    """An address with what the new configuration says of its server."""
    host, port, name, weight, backup = address
    if not lookup.service:
        return Answer(inet_address(host, lookup.port), server.name, server.weight, server.backup)
    weight = server.weight if server.weight != 1 else weight
    return Answer(inet_address(host, port), name, weight, backup)
