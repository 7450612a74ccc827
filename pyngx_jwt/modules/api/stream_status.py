"""Counts the sessions of "stream" for statistics, by virtual server.

The servers of groups are counted where sessions are passed to them (modules/stream/counting.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from ...conf.directive import Conf, directive, own
from ...conf.scope import Scope
from ...core.worker import WorkerLife
from ...errors import ConfError
from ...http.ports import AddressOf
from ...metrics.handshakes import of_clients
from ...metrics.kinds import (
    DISCARDED,
    RECEIVED,
    REQUESTS,
    RESPONSES,
    SENT,
    STREAM_PROCESSING,
    STREAM_SERVER,
    TLS_STREAM_SERVER,
)
from ...metrics.tallies import Names, Reported, Tallies
from ...stream.contexts import STREAM_SERVER as SERVER_BLOCK
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import StreamHandler, StreamPhase, StreamServer, StreamSession


class StreamZones:
    """The names under which sessions are counted, in their order, and how many of each are not
    over in this worker."""

    def __init__(self) -> None:
        self.current: Counter[str] = Counter()
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self._names[name] = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


class StreamStatusConf(Conf):
    zone = own("")

    @directive(SERVER_BLOCK)
    def status_zone(self, zone: str) -> None:
        """Counts the sessions of the server in a zone, which "pyngx_metrics" and "api" report.
        Servers can share a zone.  Without a location in "http" that reports statistics, nothing is
        counted."""
        if not zone:
            raise ConfError('invalid zone name ""')
        self.once("zone", "status_zone")
        self.zone = zone
        self.scope.shared(StreamZones).add(zone)


stream_status = StreamModule("stream_status", StreamStatusConf)


@stream_status.handler(StreamPhase.POST_ACCEPT)
def begin_to_count(conf: StreamStatusConf, level: StreamLevel) -> StreamHandler | None:
    tallies, zone = level.scope.shared(Tallies), conf.zone
    if not zone:
        return None
    row, current = tallies.row(STREAM_SERVER, zone), level.scope.shared(StreamZones).current

    def handle(s: StreamSession) -> None:
        if not tallies.wanted:  # which is not known before "http" has been read
            return
        current[zone] += 1

        def leave() -> None:
            current[zone] -= 1
            if not s.logged:  # another port has taken the connection over
                row.add(REQUESTS)
                row.add(DISCARDED)

        s.cleanups += (leave,)

    return handle


@stream_status.log
def count_sessions(
    conf: StreamStatusConf, level: StreamLevel
) -> Callable[[StreamSession], None] | None:
    tallies = level.scope.shared(Tallies)
    if not conf.zone:
        return None
    row = tallies.row(STREAM_SERVER, conf.zone)

    def count(s: StreamSession) -> None:
        if not tallies.wanted:
            return
        numbers = row.numbers
        numbers[REQUESTS] += 1
        numbers[RECEIVED] += s.channel.received
        numbers[SENT] += s.channel.sent
        numbers[RESPONSES + s.status // 100 - 1] += 1
        row.changed()

    return count


@stream_status.listens
def count_handshakes(address: AddressOf[StreamServer]) -> None:
    for level, server in address.levels:
        zone, tallies = level[StreamStatusConf].zone, level.scope.shared(Tallies)
        address.handshakes[server] = of_clients(tallies, TLS_STREAM_SERVER, zone)


@stream_status.worker_starts
def begin(scope: Scope, life: WorkerLife) -> None:
    tallies, zones = scope.shared(Tallies), scope.shared(StreamZones)
    if tallies.wanted and zones.names:
        tallies.reporters.append(lambda: _processing(zones))


def _processing(zones: StreamZones) -> Iterator[Reported]:
    """The sessions of servers with a status_zone that are not over."""
    for name, number in zones.current.items():
        names: Names = (name,)
        yield STREAM_PROCESSING, names, (number,)
