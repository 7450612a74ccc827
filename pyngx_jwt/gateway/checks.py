"""Which servers of groups are healthy: checks again and again, and what their results change.

One worker checks the servers.  What it finds is part of the state of the servers that all
workers share.  How a server is asked is the matter of a probe: of `health.py` for HTTP, and of
the module of "stream".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from ..core.worker import WorkerLife
from ..errors import ConfError
from ..log import Severity
from ..metrics import Tallies
from ..metrics.kinds import CHECK_FAILURES, CHECKED, CHECKS, Kind
from ..metrics.kinds import UNHEALTHY as TURNED_UNHEALTHY
from ..metrics.tallies import Names, Reported
from ..upstream.address import Url, inet_address
from ..upstream.least_time import milliseconds
from ..upstream.peer import CHECKING, UNHEALTHY, Peer
from ..upstream.shared import Shared
from ..upstream.slow_start import begin_recovery
from .groups import Upstreams
from .health_conf import HealthCheck


class CheckedGroups:
    """The groups whose servers are checked, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, CheckedGroup] = {}

    def of(self, url: Url | None, upstreams: Upstreams) -> CheckedGroup:
        """The group that requests or sessions are passed to; raises ConfError."""
        if url is None:
            raise ConfError('"health_check" requires a group of servers that is known by its name')
        upstream = upstreams.get(url.host)
        if upstream is None or upstream.shared is None:
            raise ConfError(f'"health_check" requires a "zone" in upstream "{url.host}"')
        return self.by_name.setdefault(upstream.name, CheckedGroup(upstream.name, upstream.shared))

    def begin(self, old: Upstreams | None = None) -> None:
        """Gives servers the state that they have until their first check; `old` are the groups of
        the configuration before."""
        for name, group in self.by_name.items():
            before = old.get(name) if old is not None else None
            if old is None:
                group.begin()
            elif before is not None and before.shared is not None:
                group.begin(before.shared)

    def start(self, life: WorkerLife) -> None:
        """One worker checks."""
        for group in self.by_name.values() if life.number == 0 else ():
            group.start(life)


class CheckedGroup:
    """A group of servers with its checks."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name, self.shared = name, shared
        self.checkers: list[Checker] = []
        self.results: dict[str, bool] = {}  # whether the last check passed, by address

    def begin(self, old: Shared | None = None) -> None:
        """Before the workers start: servers wait for their first check if that is mandatory,
        unless they were healthy before a reload and are to remain so."""
        mandatory = [one.check for one in self.checkers if one.check.mandatory]
        if old is None:
            self.shared.begin(CHECKING if mandatory else 0)
        elif all(check.persistent for check in mandatory):
            healthy = {peer.name for peer in old.look() if not peer.down & (CHECKING | UNHEALTHY)}
            for peer in self.shared.peers.all:
                if peer.name in healthy:
                    peer.down &= ~CHECKING

    def start(self, life: WorkerLife) -> None:
        for checker in self.checkers:
            life.until_quit(checker.watch())
        self.checkers[0].tallies.reporters.append(self._report)

    def forget(self, known: set[str]) -> None:
        """Servers that are gone have no results."""
        for name in self.results.keys() - known:
            del self.results[name]

    def _report(self) -> Iterator[Reported]:
        """The results of now, as long as this worker checks."""
        mark = self.checkers[0].probe.kind.mark.decode()
        for name, passed in self.results.items():
            names: Names = (mark, self.name, name)
            yield CHECKED, names, (int(passed),)

    def judged(self, peer: Peer) -> bool:
        """The verdict of a check has changed; whether the state of the server changes with it.

        One failing check makes it unhealthy, all of them have to pass to make it healthy."""

        def change() -> bool:
            before, verdicts = peer.down, [one.verdict_of(peer) for one in self.checkers]
            if False in verdicts:
                peer.down = before & ~CHECKING | UNHEALTHY
            elif all(verdicts):
                peer.down = before & ~(CHECKING | UNHEALTHY)
                if before & UNHEALTHY:
                    begin_recovery(peer, milliseconds())
            return peer.down != before

        return self.shared.run(change)


class Probe(Protocol):
    """How a server is asked."""

    kind: Kind  # of the rows in which the servers are counted

    async def ask(self, peer: Peer) -> tuple[bool, str]:
        """Whether the server passes, and what the last thing was that was looked at."""

    def log(self, level: Severity, text: str, peer: Peer) -> None:
        """Logs with the particulars of the check."""

    def failed(self, error: Exception, peer: Peer) -> None:
        """Logs a bug."""


class Checker:
    """One check of all servers of a group."""

    def __init__(
        self, check: HealthCheck, group: CheckedGroup, probe: Probe, tallies: Tallies
    ) -> None:
        self.check, self.group, self.probe = check, group, probe
        self.tallies = tallies
        self.closes: Callable[[], None] | None = None  # run when there are no more checks
        self._verdicts: dict[int, bool] = {}  # by the serial of the peer
        self._streaks: dict[int, int] = {}  # results that were alike, negative if they failed

    async def watch(self) -> None:
        """Checks all servers again and again, until it is cancelled."""
        running: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                peers = self.group.shared.look()
                self._forget({peer.serial for peer in peers}, running)
                self.group.forget({peer.name for peer in peers})
                for peer in peers:
                    if not peer.server.down and peer.serial not in running:
                        running[peer.serial] = asyncio.create_task(self._check(peer))
                await asyncio.sleep(self.check.interval)
        finally:
            self.group.results.clear()
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)
            if self.closes is not None:
                self.closes()

    def _forget(self, known: set[int], running: dict[int, asyncio.Task[None]]) -> None:
        """Lets go of what has ended, and of servers that are gone."""
        for serial, task in list(running.items()):
            if task.done():
                del running[serial]
            elif serial not in known:
                task.cancel()
        for serial in [serial for serial in self._verdicts if serial not in known]:
            del self._verdicts[serial], self._streaks[serial]

    def verdict_of(self, peer: Peer) -> bool | None:
        """Whether the server passes, None before its first check if that is mandatory."""
        if peer.serial in self._verdicts:
            return self._verdicts[peer.serial]
        if self.check.mandatory and peer.down & CHECKING:
            return None
        return not peer.down & UNHEALTHY

    async def _check(self, peer: Peer) -> None:
        if self.check.jitter:
            await asyncio.sleep(random.uniform(0, self.check.jitter))
        try:
            passed, doing = await self.probe.ask(peer)
        except Exception as error:
            self.probe.failed(error, peer)
            return
        has_changed = self._judge(peer, passed) and self.group.judged(peer)
        if self.tallies.wanted:
            self._count(peer, passed, has_changed=has_changed)
        if has_changed:
            state, level = ("healthy", Severity.NOTICE) if passed else ("unhealthy", Severity.WARN)
            self.probe.log(level, f"peer is {state} while {doing}", peer)

    def _count(self, peer: Peer, passed: bool, *, has_changed: bool) -> None:
        self.group.results[peer.name] = passed
        row = self.tallies.row(self.probe.kind, self.group.name, peer.name)
        row.add(CHECKS)
        if not passed:
            row.add(CHECK_FAILURES)
            row.add(TURNED_UNHEALTHY, int(has_changed))

    def _judge(self, peer: Peer, passed: bool) -> bool:
        """Counts a result; whether the verdict is another one now."""
        serial, before = peer.serial, self.verdict_of(peer)
        streak = self._streaks.get(serial, 0)
        streak = max(streak, 0) + 1 if passed else min(streak, 0) - 1
        needed = 1 if before is None else self.check.passes if passed else self.check.fails
        self._streaks[serial] = streak
        self._verdicts[serial] = passed if abs(streak) >= needed else bool(before)
        return self._verdicts[serial] is not before


def about_check(check: HealthCheck, group: str, peer: Peer) -> str:
    """The particulars of a check, for the log."""
    port = f", port {check.port}" if check.port else ""
    return f', health check "{check.match}" of peer {peer.name} in upstream "{group}"{port}'


def target_of(check: HealthCheck, peer: Peer) -> Peer:
    """The server with the port that is checked."""
    address = peer.address
    if check.port and address.port:
        return replace(peer, address=inet_address(address.host, check.port))
    return peer


class NoClient:
    """The Connection of what no client has sent."""

    __slots__ = (
        "binary_remote_addr",
        "closed",
        "number",
        "proxy_protocol",
        "remote_addr",
        "remote_port",
        "requests",
        "sent",
        "server_addr",
        "server_port",
        "sni",
        "ssl",
        "start",
    )

    def __init__(self) -> None:
        self.number = 0
        self.requests = 1
        self.remote_addr = ""
        self.remote_port = ""
        self.binary_remote_addr = b""
        self.server_addr = ""
        self.server_port = ""
        self.proxy_protocol: Any = None
        self.ssl: Any = None
        self.sni = ""
        self.start = 0.0
        self.sent = 0
        self.closed = False

    def tcp_info(self) -> bytes:
        return b""
