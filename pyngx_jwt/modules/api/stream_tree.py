"""The resources of the API below "stream", as NGINX Plus has them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from ...metrics.kinds import (
    CONNECT_MICROSECONDS,
    CONNECT_TIMES,
    DISCARDED,
    HEADER_MICROSECONDS,
    HEADER_TIMES,
    MICROSECONDS,
    RECEIVED,
    REQUESTS,
    RESPONSES,
    SENT,
    SESSIONS,
    STORE,
    STORE_COPIED,
    STORE_PENDING,
    STORE_STEPS,
    STORE_UP,
    STREAM_DOWNTIME,
    STREAM_LIMIT_CONN,
    STREAM_PEER,
    STREAM_SERVER,
    TLS_STREAM_PEER,
    TLS_STREAM_SERVER,
    UNAVAILABLE,
)
from ...upstream.upstream import Upstream
from ...zones import Zone, ZoneStore
from ...zones.store import Numbers
from ..keyval import KeyvalZones
from .answers import Value
from .snapshot import PeerFacts, Snapshot
from .text import shown
from .tree import (
    OF_CLIENTS,
    OF_SERVERS,
    Resource,
    handshakes,
    health_checks,
    identifier,
    limited,
    optional,
    resets,
)

SESSION_CLASSES = {"2xx": 1, "4xx": 3, "5xx": 4}  # after those of 1xx
TIMES = {
    "connect_time": (CONNECT_MICROSECONDS, CONNECT_TIMES),
    "first_byte_time": (HEADER_MICROSECONDS, HEADER_TIMES),
    "response_time": (MICROSECONDS, SESSIONS),
}


def sessions(numbers: Numbers) -> dict[str, int]:
    """Sessions that are over, by the class of their status."""
    return {name: numbers[RESPONSES + place] for name, place in SESSION_CLASSES.items()}


def average(numbers: Numbers, name: str) -> int:
    """One of TIMES, in milliseconds."""
    total, count = TIMES[name]
    return numbers[total] // max(1, numbers[count]) // 1000


def server_zones(snapshot: Snapshot) -> Value:
    zones: dict[str, Value] = {}
    for name, one in snapshot.stream_zones().items():
        by_class = sessions(one.numbers)
        zones[shown(name)] = {
            "processing": one.processing,
            "connections": one.numbers[REQUESTS] + one.processing,
            "sessions": {**by_class, "total": sum(by_class.values())},
            "discarded": one.numbers[DISCARDED],
            "received": one.numbers[RECEIVED],
            "sent": one.numbers[SENT],
            "ssl": handshakes(snapshot.handshakes(TLS_STREAM_SERVER, name), OF_CLIENTS),
        }
    return zones


def limit_conns(snapshot: Snapshot) -> Value:
    results = ("PASSED", "REJECTED", "REJECTED_DRY_RUN")
    return limited(snapshot, STREAM_LIMIT_CONN, "stream_limit_conn", results)


def upstreams(snapshot: Snapshot) -> Value:
    """As with NGINX Plus, those with a zone."""
    return {
        shown(group.name): {
            "peers": [peer(facts, group) for facts in snapshot.stream_peers(group)],
            "zombies": snapshot.removed(STREAM_PEER, group),
            "zone": shown(zone),
        }
        for group, zone in snapshot.stream_groups()
        if zone
    }


def peer(facts: PeerFacts, group: Upstream) -> Value:
    one, numbers = facts.peer, facts.counted.numbers
    return {
        "id": identifier(group, one.serial),
        "server": shown(one.name),
        "name": shown(one.server.name),
        "backup": one.server.backup,
        "weight": one.weight // one.server.unit,
        "state": facts.state,
        "active": one.conns,
        "ssl": handshakes(facts.handshakes, OF_SERVERS),
        "connections": numbers[REQUESTS],
        **{name: average(numbers, name) for name in TIMES},
        "sent": numbers[SENT],
        "received": numbers[RECEIVED],
        "fails": numbers[DISCARDED],
        "unavail": numbers[UNAVAILABLE],
        "health_checks": health_checks(facts),
        "downtime": facts.downtime,
        **optional(facts),
    }


def zone_sync(snapshot: Snapshot) -> Value:
    """What is shared with other machines, by the store: it is the only node that there is."""
    zones = {shown(name): records for name, records in shared_zones(snapshot).items()}
    return {"zones": zones, "status": store_status(snapshot)}


def shared_zones(snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """The records of the zones that are shared."""
    pending: Counter[str] = Counter()
    for _, (name,), (changes,) in snapshot.reports(STORE_PENDING):
        pending[name] += changes
    wanted = snapshot.scope.shared(ZoneStore).wanted
    return {
        zone.name: {
            "records_pending": pending[zone.name],
            "records_total": _records(snapshot, zone),
        }
        for zone in snapshot.zones()
        if zone.name in wanted
    }


def store_status(snapshot: Snapshot) -> dict[str, int]:
    """What has gone to the store and come from it."""
    numbers = snapshot.totals(STORE).get((), (0,) * STORE.length)
    return {
        "bytes_in": numbers[RECEIVED],
        "msgs_in": numbers[STORE_COPIED],
        "msgs_out": numbers[STORE_STEPS],
        "bytes_out": numbers[SENT],
        "nodes_online": int(any(is_up for _, _, (is_up,) in snapshot.reports(STORE_UP))),
    }


def _records(snapshot: Snapshot, zone: Zone) -> int:
    """How many there are; what expires in a database takes two records of its zone."""
    database = snapshot.scope.shared(KeyvalZones).by_name.get(zone.name)
    if database is None:
        return zone.records_held
    return sum(1 for _ in database.use().items(time.time()))


STREAM: Mapping[str, Resource] = {
    "server_zones": Resource(
        server_zones,
        ("ServerZoneNotFound", "server zone not found"),
        resets(STREAM_SERVER, TLS_STREAM_SERVER),
    ),
    "limit_conns": Resource(
        limit_conns, ("LimitConnNotFound", "limit_conn not found"), resets(STREAM_LIMIT_CONN)
    ),
    "upstreams": Resource(
        upstreams,
        ("UpstreamNotFound", "upstream not found"),
        resets(STREAM_PEER, TLS_STREAM_PEER, STREAM_DOWNTIME),
    ),
    "zone_sync": Resource(zone_sync),
}
