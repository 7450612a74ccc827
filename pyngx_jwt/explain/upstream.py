"""The request as it would be sent to an upstream, which is not contacted."""

from __future__ import annotations

from ..conf.parse import Statement
from ..gateway.cached import CachedGateway
from ..gateway.conf import GatewayConf
from ..gateway.exchange import Exchange, Gateway
from ..gateway.target import Destination
from ..http.level import Level
from ..http.request import Request, Status
from .lines import Result, shown
from .request import take_given_body
from .trip import Passed, Trip


async def pass_on(gateway: Gateway, level: Level, r: Request) -> Passed | Status:
    """Prepares the request up to the bytes of its head, without a connection."""
    if gateway.admits is not None and (refused := gateway.admits(r)):
        return refused
    destination = gateway.find(r)
    if not isinstance(destination, Destination):
        destination = await destination if not isinstance(destination, int) else destination
        if isinstance(destination, int):
            return destination
    take_given_body(r)
    target = gateway.conf.target
    assert target is not None
    zone = key = ""
    keeps = False
    if isinstance(gateway, CachedGateway) and r.method in gateway.methods:
        entry = gateway.entry_of(r, destination)
        if isinstance(entry, int):
            return entry
        if entry is not None:
            zone, key = entry[0].settings.zone, entry[1].text.decode("latin-1")
            keeps = gateway.begin_fetch(r, True)
            r.cache_status = "MISS"
    exchange = Exchange(gateway, r, destination)
    if not await exchange.prepare(validates=keeps):
        return 500
    lines = gateway.wire.lines(exchange.head)
    to = target.text.bind(level.variables)(r)
    return Passed(to, exchange.head, lines, gateway.conf, target.statement, zone, key)


def report_upstream(passed: Passed, level: Level, trip: Trip) -> None:
    """Adds the upstream, and the request that is sent."""
    prefix = passed.conf.prefix
    if passed.cache:
        caches = level.set_by(f"{prefix}_cache")
        text = f'{shown(passed.cache)}: looked for by the key "{shown(passed.key)}"'
        trip.add(Result.NOTE, "cache", text, *caches)
        for statement in level.set_by(f"{prefix}_cache_valid"):
            trip.add(Result.NOTE, "", f"kept {shown(' '.join(statement.args))}", statement)
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
