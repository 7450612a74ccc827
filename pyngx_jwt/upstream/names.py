"""Keeps the addresses of servers up to date whose names are resolved at run time.

One worker does, and changes the roster that all share (ngx_http_upstream_zone_module).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..dns import NOT_FOUND, ResolveError, Resolves, Services, error_text
from ..log import Log, Severity
from ..zones.store import PeersChanged, ZoneFull
from .address import inet_address
from .peer import Named, PeerServer, named_servers
from .roster import Answer, Lookup, Roster
from .shared import Shared

LEAST_PAUSE = 1.0  # seconds between two questions


class Watch:
    """The servers of one group; the `timeout` is that of a resolution, in seconds."""

    __slots__ = ("group", "log", "resolver", "shared", "takes_backup", "timeout")

    def __init__(
        self,
        group: str,
        shared: Shared,
        resolver: Resolves,
        timeout: float,
        log: Log,
        takes_backup: bool,
    ) -> None:
        self.group = group
        self.shared = shared
        self.resolver = resolver
        self.timeout = timeout
        self.log = log
        # whether the method has backup servers, as which SRV records can be used
        self.takes_backup = takes_backup

    def keepers(self) -> Iterator[Coroutine[Any, Any, None]]:
        """One for each name, and one for those that are added."""
        for named in named_servers(self.shared.servers, Roster()):
            yield self._keep(named.serial)
        if self.shared.takes_names:
            yield self._keep_added()

    async def _keep_added(self) -> None:
        """Any worker may have added a name."""
        tasks: dict[int, asyncio.Task[None]] = {}
        version = 0
        try:
            while True:
                try:
                    version = self._begin_added(tasks, version)
                except Exception:  # tried again
                    self._report_bug()
                await asyncio.sleep(LEAST_PAUSE)
        finally:
            for task in tasks.values():
                task.cancel()

    def _begin_added(self, tasks: dict[int, asyncio.Task[None]], version: int) -> int:
        """Begins with the names that were added since that version, and forgets those that were
        removed; the version of now."""
        now = self.shared.store.version()
        if now != version:
            for named in self.shared.named():
                if named.serial > 0 and named.serial not in tasks:
                    tasks[named.serial] = asyncio.create_task(self._keep(named.serial))
        for serial in [serial for serial, task in tasks.items() if task.done()]:
            del tasks[serial]
        return now

    async def _keep(self, serial: int) -> None:
        """Resolves a name whenever its addresses are not valid any more, until it is removed."""
        pause = float(self.shared.current().valid.get(serial, 0) - int(time.time()))
        await asyncio.sleep(max(pause, 0))
        while True:
            try:
                named = self._named(serial)
                if named is None:
                    return
                pause = await self._renew(*named)
            except Exception:  # a bug must not keep the addresses of today for ever
                self._report_bug()
                pause = self._retry
            await asyncio.sleep(pause)

    def _report_bug(self) -> None:
        self.log.write(Severity.ERR, traceback.format_exc().rstrip("\n"), lines=True)

    @property
    def _retry(self) -> float:
        """Seconds after a failure."""
        return max(self.timeout, LEAST_PAUSE)

    def _named(self, serial: int) -> Named | None:
        """A server as it is now."""
        return self._named_in(self.shared.current(), serial)

    def _named_in(self, roster: Roster, serial: int) -> Named | None:
        named = named_servers(self.shared.servers, roster)
        return next((one for one in named if one.serial == serial), None)

    async def _renew(self, serial: int, server: PeerServer, lookup: Lookup) -> float:
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
        self._change(serial, answers, valid)
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

    def _change(self, serial: int, answers: list[Answer], valid: int) -> None:
        """Has all workers use the addresses, as many of them as there is room for."""
        most = len(answers)
        while True:
            roster = self.shared.current()
            if self._named_in(roster, serial) is None:  # it was removed meanwhile
                break
            try:
                self._replace(roster, roster.renewed(serial, answers, valid))
            except PeersChanged:
                continue
            except ZoneFull:
                if answers:
                    answers = answers[: len(answers) // 2]
                    continue
            break
        if len(answers) < most:
            text = f'cannot add new server to upstream "{self.group}", memory exhausted'
            self.log.write(Severity.ERR, text)

    def _replace(self, old: Roster, new: Roster) -> None:
        """Raises ZoneFull and PeersChanged."""
        if new.found == old.found:
            self.shared.confirm(new)
        else:
            self.shared.change(new)

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
    for serial, server, (host, _, service) in group.named():
        if serial in known.valid:
            found = [one for one in known.found if one.parent == serial]
            addresses: list[PastAddress] = [
                (one.address.host, one.address.port, *one[3:]) for one in found
            ]
            valid = known.valid[serial]
            remembered.append(Remembered(host, service, server.backup, valid, addresses))
    return remembered


def carry_over(remembered: Iterable[Remembered], group: Shared) -> None:
    """Lets a group of a new configuration begin with the addresses that are known of its
    servers (ngx_http_upstream_zone_preresolve)."""
    known = {one[:3]: one for one in reversed(list(remembered))}
    roster = Roster()
    for serial, server, lookup in named_servers(group.servers, roster):
        one = known.get((lookup.host, lookup.service, server.backup))
        if one is not None:
            answers = [_as_now(address, server, lookup) for address in one.addresses]
            roster = roster.renewed(serial, answers, one.valid)
    group.inherit(roster)


def _as_now(address: PastAddress, server: PeerServer, lookup: Lookup) -> Answer:
    """An address with what the new configuration says of its server."""
    host, port, name, weight, backup = address
    if not lookup.service:
        return Answer(inet_address(host, lookup.port), server.name, server.weight, server.backup)
    weight = server.weight if server.weight != 1 else weight
    return Answer(inet_address(host, port), name, weight, backup)
