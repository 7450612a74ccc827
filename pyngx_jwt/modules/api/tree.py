"""The resources of the API that are read, as NGINX Plus has them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from ... import NGINX_VERSION, __version__
from ...dns.resolvers import NUMBERS as RESOLVER_NUMBERS
from ...metrics.kinds import (
    CACHE,
    CACHE_STATUSES,
    CACHE_WRITTEN,
    CHECK_FAILURES,
    CHECKS,
    CLIENTS,
    DISCARDED,
    DOWNTIME,
    LIMIT_CONN,
    LIMIT_REQ,
    LIMIT_RESULTS,
    LOCATION,
    PEER,
    QUEUE,
    RECEIVED,
    REQUESTS,
    RESOLVER,
    RESPONSES,
    RESTARTS,
    SENT,
    SERVER,
    TLS,
    TLS_OUTCOMES,
    TLS_PEER,
    TLS_SERVER,
    TLS_VERIFY,
    UNAVAILABLE,
    UNHEALTHY,
    VERIFY_FAILURES,
    Kind,
)
from ...metrics.reloads import reload_state
from ...upstream.peer import declared_count
from ...upstream.upstream import Upstream
from ...zones.store import Numbers
from .answers import Value, not_found
from .downtime import FAILING
from .metrics_plus import average_times
from .snapshot import CacheFacts, PeerFacts, Requests, Snapshot
from .text import shown

# What can be wrong with certificates of clients, and of servers.
OF_CLIENTS = tuple(name for name in VERIFY_FAILURES if name != "hostname_mismatch")
OF_SERVERS = tuple(name for name in VERIFY_FAILURES if name != "no_cert")
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
PAGE = 4096
Show = Callable[[Snapshot], Value]
Reset = Callable[[Snapshot, tuple[str, ...]], None]


class Resource(NamedTuple):
    """What is at a path.  The members of collections have paths below it; `reset` begins with
    zeros again, for a member, or for what is no collection; for all members if it `resets_all`."""

    show: Show
    missing: tuple[str, str] | None = None  # code and text of the error, for collections
    reset: Reset | None = None
    resets_all: bool = False

    def can_reset(self, names: list[str]) -> bool:
        """Whether that can be done with a member, or with all there is."""
        return bool(names or not self.missing or self.resets_all)


def iso(milliseconds: float) -> str:
    """A time in ISO 8601, as the API has it."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


# -- the server -------------------------------------------------------------------------------


def nginx(snapshot: Snapshot) -> Value:
    state = reload_state(snapshot.tallies)
    loaded = state.loaded if state else time.time() * 1000
    return {
        "version": NGINX_VERSION,
        "build": f"pyngx-{__version__}",
        "address": shown(snapshot.address),
        "generation": 1 + (state.successes if state else 0),
        "load_timestamp": iso(loaded),
        "timestamp": iso(time.time() * 1000),
        "pid": os.getpid(),
        "ppid": os.getppid(),
    }


def processes(snapshot: Snapshot) -> Value:
    return {"respawned": snapshot.totals(RESTARTS).get((), (0,))[0]}


def connections(snapshot: Snapshot) -> Value:
    clients = snapshot.clients()
    return {
        "accepted": clients.accepted,
        "dropped": 0,
        "active": clients.active - clients.waiting,
        "idle": clients.waiting,
    }


def tls(snapshot: Snapshot) -> Value:
    numbers = snapshot.totals(TLS).get((), (0,) * TLS.length)
    return handshakes(numbers, VERIFY_FAILURES)


def handshakes(numbers: Numbers, failures: tuple[str, ...]) -> dict[str, Value]:
    """Those with clients or servers, with how often their certificates were refused."""
    found: dict[str, Value] = dict(zip(TLS_OUTCOMES, numbers, strict=False))
    found["verify_failures"] = {name: numbers[TLS_VERIFY[name]] for name in failures}
    return found


def slabs(snapshot: Snapshot) -> Value:
    """Pages of zones; there are no slots, as zones are trees here."""
    found: dict[str, Value] = {}
    for zone in snapshot.zones():
        used = zone.used // PAGE
        pages: Value = {"used": used, "free": max(0, zone.size // PAGE - used)}
        found[shown(zone.name)] = {"pages": pages, "slots": {}}
    return found


def workers(snapshot: Snapshot) -> Value:
    return [
        {
            "id": one.state.number,
            "pid": one.process,
            "connections": {
                "accepted": one.state.accepted,
                "dropped": 0,
                "active": one.state.active - one.state.waiting,
                "idle": one.state.waiting,
            },
            "http": {"requests": {"total": one.state.requests, "current": one.state.writing}},
        }
        for one in snapshot.workers()
    ]


def resolvers(snapshot: Snapshot) -> Value:
    found: dict[str, Value] = {}
    for name, numbers in snapshot.resolvers().items():
        pairs = dict(zip(RESOLVER_NUMBERS, numbers, strict=True))
        found[shown(name)] = {
            "requests": {key: pairs[key] for key in RESOLVER_NUMBERS[:3]},
            "responses": {key: pairs[key] for key in RESOLVER_NUMBERS[3:]},
        }
    return found


# -- http -------------------------------------------------------------------------------------


def requests(snapshot: Snapshot) -> Value:
    clients = snapshot.clients()
    return {"total": clients.requests, "current": clients.writing}


def responses(one: Requests) -> Value:
    classes = {name: one.numbers[RESPONSES + place] for place, name in enumerate(CLASSES)}
    codes = {str(code): count for code, count in sorted(one.codes.items())}
    return {**classes, "codes": codes, "total": sum(classes.values())}


def server_zones(snapshot: Snapshot) -> Value:
    return {
        shown(name): {
            "processing": one.processing,
            "requests": one.numbers[REQUESTS] + one.processing,
            "responses": responses(one),
            "discarded": one.numbers[DISCARDED],
            "received": one.numbers[RECEIVED],
            "sent": one.numbers[SENT],
            "ssl": handshakes(snapshot.handshakes(TLS_SERVER, name), OF_CLIENTS),
        }
        for name, one in snapshot.server_zones(SERVER).items()
    }


def location_zones(snapshot: Snapshot) -> Value:
    return {
        shown(name): {
            "requests": one.numbers[REQUESTS],
            "responses": responses(one),
            "discarded": one.numbers[DISCARDED],
            "received": one.numbers[RECEIVED],
            "sent": one.numbers[SENT],
        }
        for name, one in snapshot.location_zones(LOCATION).items()
    }


def caches(snapshot: Snapshot) -> Value:
    found: dict[str, Value] = {}
    for one in snapshot.caches(CACHE):
        entry: dict[str, Value] = {"size": one.size, "cold": one.cold}
        if one.max_size:
            entry["max_size"] = one.max_size
        for place, status in enumerate(CACHE_STATUSES):
            count, octets = one.numbers[2 * place : 2 * place + 2]
            entry[status.lower()] = {"responses": count, "bytes": octets, **written(one, status)}
        found[shown(one.name)] = entry
    return found


def written(one: CacheFacts, status: str) -> dict[str, int]:
    """What the cache has got of responses with a status."""
    if status not in CACHE_WRITTEN:
        return {}
    place = CACHE_WRITTEN[status]
    return {"responses_written": one.numbers[place], "bytes_written": one.numbers[place + 1]}


def limit_reqs(snapshot: Snapshot) -> Value:
    return limited(snapshot, LIMIT_REQ, "limit_req", LIMIT_RESULTS)


def limit_conns(snapshot: Snapshot) -> Value:
    return limited(snapshot, LIMIT_CONN, "limit_conn", ("PASSED", "REJECTED", "REJECTED_DRY_RUN"))


def limited(snapshot: Snapshot, kind: Kind, tag: str, results: tuple[str, ...]) -> Value:
    return {
        shown(name): {result.lower(): numbers[LIMIT_RESULTS.index(result)] for result in results}
        for name, numbers in snapshot.limits(kind, tag).items()
    }


# -- groups -----------------------------------------------------------------------------------


def upstreams(snapshot: Snapshot) -> Value:
    """As with NGINX Plus, those with a zone."""
    return {
        shown(group.name): upstream(snapshot, group, zone)
        for group, zone in snapshot.groups()
        if zone
    }


def upstream(snapshot: Snapshot, group: Upstream, zone: str) -> Value:
    peers = [peer(facts, group) for facts in snapshot.peers(group)]
    facts = snapshot.group(group)
    found: dict[str, Value] = {
        "peers": peers,
        "keepalive": facts.idle,
        "zombies": snapshot.removed(PEER, group),
        "zone": shown(zone),
    }
    if group.queue is not None:
        found["queue"] = {
            "size": facts.waiting,
            "max_size": facts.most,
            "overflows": facts.overflows,
        }
    return found


def peer(facts: PeerFacts, group: Upstream) -> Value:
    one, counted = facts.peer, facts.counted
    numbers, (header, response) = counted.numbers, average_times(counted)
    return {
        "id": identifier(group, one.serial),
        "server": shown(one.name),
        "name": shown(one.server.name),
        "backup": one.server.backup,
        "weight": one.weight // one.server.unit,
        "state": facts.state,
        "active": one.conns,
        "ssl": handshakes(facts.handshakes, OF_SERVERS),
        "requests": numbers[REQUESTS],
        "responses": responses(counted),
        "sent": numbers[SENT],
        "received": numbers[RECEIVED],
        "fails": numbers[DISCARDED],
        "unavail": numbers[UNAVAILABLE],
        "health_checks": health_checks(facts),
        "header_time": header,
        "response_time": response,
        "downtime": facts.downtime,
        **optional(facts),
    }


def health_checks(facts: PeerFacts) -> dict[str, int]:
    """Of a server of a group."""
    numbers = facts.counted.numbers
    found = {
        "checks": numbers[CHECKS],
        "fails": numbers[CHECK_FAILURES],
        "unhealthy": numbers[UNHEALTHY],
    }
    if facts.last_passed is not None:
        found["last_passed"] = facts.last_passed
    return found


def optional(facts: PeerFacts) -> dict[str, Value]:
    """What not all servers of groups have."""
    peer = facts.peer
    found: dict[str, Value] = {"max_conns": peer.max_conns} if peer.max_conns else {}
    if peer.server.lookup is not None and peer.server.lookup.service:
        found["service"] = shown(peer.server.lookup.service)
    if facts.down_since is not None and facts.state in FAILING:
        found["downstart"] = iso(facts.down_since)
    return found


def identifier(group: Upstream, serial: int) -> int:
    """The ID of a server in the API, from 0 on, first those of the configuration."""
    if serial < 0:
        return -serial - 1
    return (declared_count(group.shared.servers) if group.shared is not None else 0) + serial - 1


# -- the tree ---------------------------------------------------------------------------------


def resets(*kinds: Kind) -> Reset:
    def reset(snapshot: Snapshot, names: tuple[str, ...]) -> None:
        for kind in kinds:
            snapshot.tallies.reset(kind, *names)

    return reset


def reset_workers(snapshot: Snapshot, names: tuple[str, ...]) -> None:
    snapshot.reset_workers(*names)


def nothing(snapshot: Snapshot, names: tuple[str, ...]) -> None:
    """The counters of slots would be reset; there are no slots."""


TOP: Mapping[str, Resource] = {
    "nginx": Resource(nginx),
    "processes": Resource(processes, reset=resets(RESTARTS)),
    "connections": Resource(connections, reset=resets(CLIENTS)),
    "slabs": Resource(slabs, ("SlabNotFound", "slab not found"), nothing),
    "ssl": Resource(tls, reset=resets(TLS)),
    "resolvers": Resource(
        resolvers, ("ResolverZoneNotFound", "resolver zone not found"), resets(RESOLVER)
    ),
    "workers": Resource(
        workers, ("WorkerNotFound", "worker not found"), reset_workers, resets_all=True
    ),
}
HTTP: Mapping[str, Resource] = {
    "requests": Resource(requests, reset=resets(CLIENTS)),
    "server_zones": Resource(
        server_zones, ("ServerZoneNotFound", "server zone not found"), resets(SERVER, TLS_SERVER)
    ),
    "location_zones": Resource(
        location_zones, ("LocationZoneNotFound", "location zone not found"), resets(LOCATION)
    ),
    "caches": Resource(caches, ("CacheNotFound", "cache not found"), resets(CACHE)),
    "limit_reqs": Resource(
        limit_reqs, ("LimitReqNotFound", "limit_req not found"), resets(LIMIT_REQ)
    ),
    "limit_conns": Resource(
        limit_conns, ("LimitConnNotFound", "limit_conn not found"), resets(LIMIT_CONN)
    ),
    "upstreams": Resource(
        upstreams,
        ("UpstreamNotFound", "upstream not found"),
        resets(PEER, TLS_PEER, QUEUE, DOWNTIME),
    ),
}


def member(resource: Resource, snapshot: Snapshot, name: str) -> Value:
    """A thing of a collection; raises ApiError."""
    assert resource.missing is not None
    things = resource.show(snapshot)
    if isinstance(things, Mapping) and name in things:
        return things[name]
    if isinstance(things, list):
        for thing in things:
            if isinstance(thing, Mapping) and str(thing["id"]) == name:
                return thing
    raise not_found(*resource.missing)
