"""The request as it would be sent to an upstream, which is not contacted."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..conf.parse import Statement
from ..gateway.cached import CachedGateway
from ..gateway.conf import GatewayConf
from ..gateway.exchange import Exchange, Gateway
from ..gateway.target import Destination
from ..http.level import Level
from ..http.request import Request, Status
from .caches import CacheLook, look_up
from .lines import Result, shown
from .request import take_given_body
from .trip import Passed, Trip


class KeptResponse(NamedTuple):
    """A cache has answered."""

    status: Status
    statement: Statement | None


async def pass_on(
    gateway: Gateway, level: Level, r: Request, trip: Trip, now: float
) -> Passed | KeptResponse | Status:
    """Prepares the request up to the bytes of its head, without a connection, or sends the
    response that a cache has for it; what the cache says is added to the trip."""
    if refused := gateway.admits(r):
        return refused
    destination = gateway.find(r)
    if not isinstance(destination, Destination):
        destination = await destination if not isinstance(destination, int) else destination
        if isinstance(destination, int):
            return destination
    take_given_body(r)
    target = gateway.conf.target
    assert target is not None
    look: CacheLook | None = None
    keeps = False
    if isinstance(gateway, CachedGateway) and r.method in gateway.methods:
        entry = gateway.entry_of(r, destination)
        if isinstance(entry, int):
            return entry
        if entry is not None:
            look = look_up(gateway, level, r, *entry, now)
            look.report(gateway.conf.prefix, level, trip)
            if look.hold is not None and (sent := gateway.kept.send(r, look.hold)) is not None:
                status = sent if isinstance(sent, int) else await sent
                return KeptResponse(status, target.statement)
            keeps = gateway.begin_fetch(r, True)
    exchange = Exchange(gateway, r, destination)
    ready = exchange.prepare(validates=keeps)
    if not (ready if isinstance(ready, bool) else await ready):
        return 500
    lines = gateway.wire.lines(exchange.head)
    to = target.text.bind(level.variables)(r)
    passed = Passed(to, exchange.head, lines, gateway.conf, target.statement)
    if look is not None:
        passed = replace(passed, cache=look.zone, key=look.key, cache_status=look.status)
    return passed


def report_upstream(passed: Passed, level: Level, trip: Trip) -> None:
    """Adds the upstream, and the request that is sent."""
    first, *lines = passed.lines
    text = f"the request is passed to {shown(passed.to)}"
    trip.last = trip.add(Result.NOTE, "content", text, passed.statement)
    if first:
        trip.add(Result.NOTE, "upstream", shown(first), passed.statement)
    for line in filter(None, lines):
        trip.add(Result.NOTE, "", shown(line), _setter(passed.conf, level, line))


def _setter(conf: GatewayConf, level: Level, line: str) -> Statement | None:
    """The directive that sets this header, such as proxy_set_header."""
    name = line.partition(":")[0].lower()
    setters = level.set_by(f"{conf.prefix}_{conf.set_by}") if conf.set_by else ()
    return next((s for s in setters if s.args[0].lower() == name), None)
