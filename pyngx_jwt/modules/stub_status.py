"""Reports the numbers of connections and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..conf.directive import Conf, directive, own
from ..conf.scope import Scope
from ..core.worker import WorkerLife
from ..http.contexts import LOCATION, SERVER
from ..http.level import Level
from ..http.module import Module
from ..http.request import Handler, Request, Status
from ..http.variables import Variables
from ..zones import Zones
from ..zones.store import Counters, Counts

# No directive can refer to a zone of this name.
ZONE, ZONE_SIZE = "stub_status:", 65536
VARIABLES = frozenset(f"connections_{name}" for name in ("active", "reading", "writing", "waiting"))
INTERVAL = 1.0  # seconds: the greatest age of other workers' counts


class Statistics:
    """The counts of all workers: each reports its own regularly, if they are used."""

    def __init__(self) -> None:
        self.wanted = False
        self.counters: Counters | None = None
        self.count: Callable[[], Counts] = Counts  # of this process; the server's to set

    def total(self) -> Counts:
        """This process's counts as they are now, the others' as last reported."""
        own = self.count()
        return own if self.counters is None else self.counters.total(own)

    async def report(self) -> None:
        """Reports this process's counts until cancelled; returns if they are not wanted."""
        reported, counters = None, self.counters
        while counters is not None:
            own = self.count()
            if own != reported:
                reported = own
                counters.report(own)
            await asyncio.sleep(INTERVAL)


class StubStatusConf(Conf):
    _on = own(False)

    @directive(SERVER | LOCATION, syntax="stub_status")
    def stub_status(self, ignored: str | None = None) -> None:
        """Returns the numbers of connections and requests of all workers for requests in this
        location.  The numbers can be one second old.  Restrict access to it."""
        self._on = self.scope.shared(Statistics).wanted = True


stub_status = Module("stub_status", StubStatusConf)
stub_status.answers_in_limit_except = False


@stub_status.after_read
def prepare(scope: Scope) -> None:
    """Declares the zone if the counts are used."""
    statistics = scope.shared(Statistics)
    if statistics.wanted or VARIABLES & scope.shared(Variables).used:
        zone = scope.shared(Zones).add(ZONE, ZONE_SIZE, "stub_status")
        statistics.counters = zone.counters()


@stub_status.worker_starts
def report(scope: Scope, life: WorkerLife) -> None:
    statistics = scope.shared(Statistics)
    statistics.count = life.count
    life.until_end(statistics.report())


@stub_status.content
def send_counts(conf: StubStatusConf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    statistics = level.scope.shared(Statistics)

    def handle(r: Request) -> Status:
        if r.method not in ("GET", "HEAD"):
            return 405
        counts = statistics.total()
        text = (
            f"Active connections: {counts.active} \n"
            "server accepts handled requests\n"
            f" {counts.accepted} {counts.accepted} {counts.requests} \n"
            f"Reading: {counts.reading} Writing: {counts.writing} Waiting: {counts.waiting} \n"
        )
        return r.respond(200, text.encode(), "text/plain")

    return handle


def _counts(r: Request) -> Counts:
    conf: StubStatusConf = r.location.conf(StubStatusConf)
    return conf.scope.shared(Statistics).total()


@stub_status.variable("connections_active")
def connections_active(r: Request) -> str:
    """Client connections."""
    return str(_counts(r).active)


@stub_status.variable("connections_reading")
def connections_reading(r: Request) -> str:
    """Connections whose request head is being read."""
    return str(_counts(r).reading)


@stub_status.variable("connections_writing")
def connections_writing(r: Request) -> str:
    """Connections with a request that is being processed."""
    return str(_counts(r).writing)


@stub_status.variable("connections_waiting")
def connections_waiting(r: Request) -> str:
    """Idle connections."""
    return str(_counts(r).waiting)
