"""The names of nginx-prometheus-exporter for NGINX Plus, which reads its API."""

from __future__ import annotations

from collections.abc import Iterable

from ...dns.resolvers import NUMBERS as RESOLVER_NUMBERS
from ...metrics.kinds import (
    CACHE,
    CACHE_STATUSES,
    CACHE_WRITTEN,
    CHECK_FAILURES,
    CHECKS,
    DISCARDED,
    HEADER_MICROSECONDS,
    HEADER_TIMES,
    LIMIT_CONN,
    LIMIT_REQ,
    LIMIT_RESULTS,
    LOCATION,
    MICROSECONDS,
    PEER,
    RECEIVED,
    REQUESTS,
    RESPONSES,
    SENT,
    SERVER,
    TLS,
    TLS_SERVER,
    UNAVAILABLE,
    UNHEALTHY,
    Kind,
)
from .exposition import Exposition, Labels
from .snapshot import PeerFacts, Requests, Snapshot

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
ABOUT_HANDSHAKES = {  # as far as the exporter has them
    "handshakes": "Successful SSL handshakes",
    "handshakes_failed": "Failed SSL handshakes",
    "session_reuses": "Session reuses",
}
ABOUT_REMOVED = "Servers that were removed from the group and are still used"
STATES = {"up": 1, "draining": 2, "down": 3, "unavail": 4, "checking": 5, "unhealthy": 6}


def write_plus(out: Exposition, snapshot: Snapshot) -> None:
    _write_clients(out, snapshot)
    servers = snapshot.server_zones(SERVER)
    _write_zones(out, "server_zone", servers, with_processing=True)
    write_handshakes(out, "nginxplus_server_zone", snapshot, TLS_SERVER, servers)
    _write_zones(out, "location_zone", snapshot.location_zones(LOCATION), with_processing=False)
    _write_groups(out, snapshot)
    _write_caches(out, snapshot)
    _write_limits(out, snapshot)
    _write_resolvers(out, snapshot)
    _write_workers(out, snapshot)


def _write_clients(out: Exposition, snapshot: Snapshot) -> None:
    clients = snapshot.clients()
    out.one(
        "nginxplus_connections_accepted", "counter", "Accepted client connections", clients.accepted
    )
    active = clients.active - clients.waiting
    out.one("nginxplus_connections_active", "gauge", "Active client connections", active)
    out.one("nginxplus_connections_dropped", "counter", "Dropped client connections", 0)
    out.one("nginxplus_connections_idle", "gauge", "Idle client connections", clients.waiting)
    out.one("nginxplus_http_requests_total", "counter", "Total http requests", clients.requests)
    out.one("nginxplus_http_requests_current", "gauge", "Current http requests", clients.writing)
    numbers = snapshot.totals(TLS).get((), (0,) * TLS.length)
    for place, (name, about) in enumerate(ABOUT_HANDSHAKES.items()):
        out.one(f"nginxplus_ssl_{name}", "counter", about, numbers[place])


def _write_zones(
    out: Exposition, label: str, zones: dict[str, Requests], *, with_processing: bool
) -> None:
    if with_processing:
        out.family(
            f"nginxplus_{label}_processing",
            "gauge",
            "Client requests that are currently being processed",
        )
        for name, requests in zones.items():
            out.sample(f"nginxplus_{label}_processing", requests.processing, (label, name))
    for suffix, about, place in (
        ("requests", "Total client requests", REQUESTS),
        ("discarded", "Requests completed without sending a response", DISCARDED),
        ("received", "Bytes received from clients", RECEIVED),
        ("sent", "Bytes sent to clients", SENT),
    ):
        out.family(f"nginxplus_{label}_{suffix}", "counter", about)
        for name, requests in zones.items():
            count = requests.numbers[place]
            if place == REQUESTS:
                count += requests.processing
            out.sample(f"nginxplus_{label}_{suffix}", count, (label, name))
    _write_responses(
        out, f"nginxplus_{label}", [(((label, name),), one) for name, one in zones.items()]
    )


def write_handshakes(
    out: Exposition, prefix: str, snapshot: Snapshot, kind: Kind, zones: Iterable[str]
) -> None:
    """Of virtual servers."""
    numbers = {zone: snapshot.handshakes(kind, zone) for zone in zones}
    for place, (name, about) in enumerate(ABOUT_HANDSHAKES.items()):
        out.family(f"{prefix}_ssl_{name}", "counter", about)
        for zone, counts in numbers.items():
            out.sample(f"{prefix}_ssl_{name}", counts[place], ("server_zone", zone))


def _write_responses(
    out: Exposition, prefix: str, things: list[tuple[tuple[tuple[str, str], ...], Requests]]
) -> None:
    out.family(f"{prefix}_responses", "counter", "Total responses, by class of status codes")
    out.family(f"{prefix}_responses_codes", "counter", "Total responses, by status codes")
    for labels, requests in things:
        for place, name in enumerate(CLASSES):
            count = requests.numbers[RESPONSES + place]
            out.sample(f"{prefix}_responses", count, *labels, ("code", name))
        for code, count in sorted(requests.codes.items()):
            out.sample(f"{prefix}_responses_codes", count, *labels, ("code", str(code)))


def write_servers(
    out: Exposition, prefix: str, peers: list[PeerFacts], used: tuple[str, str]
) -> list[tuple[Labels, PeerFacts]]:
    """What servers of groups have in "http" and in "stream"; `used` is what they count, and what
    that is.  Returns the servers with their labels."""
    labelled: list[tuple[Labels, PeerFacts]] = [
        ((("upstream", one.group), ("server", one.peer.name)), one) for one in peers
    ]
    out.family(f"{prefix}_state", "gauge", "Current state")
    out.family(f"{prefix}_active", "gauge", "Active connections")
    out.family(f"{prefix}_limit", "gauge", "Limit for connections which corresponds to max_conns")
    for labels, one in labelled:
        out.sample(f"{prefix}_state", STATES[one.state], *labels)
        out.sample(f"{prefix}_active", one.peer.conns, *labels)
        out.sample(f"{prefix}_limit", one.peer.max_conns, *labels)
    for suffix, about, place in (
        (*used, REQUESTS),
        ("sent", "Bytes sent to this server", SENT),
        ("received", "Bytes received from this server", RECEIVED),
        ("fails", "Number of unsuccessful attempts to communicate with the server", DISCARDED),
        ("unavail", "How many times the server became unavailable", UNAVAILABLE),
        ("health_checks_checks", "Total health check requests", CHECKS),
        ("health_checks_fails", "Failed health checks", CHECK_FAILURES),
        ("health_checks_unhealthy", "How many times the server became unhealthy", UNHEALTHY),
    ):
        out.family(f"{prefix}_{suffix}", "counter", about)
        for labels, one in labelled:
            out.sample(f"{prefix}_{suffix}", one.counted.numbers[place], *labels)
    for place, (name, about) in enumerate(ABOUT_HANDSHAKES.items()):
        out.family(f"{prefix}_ssl_{name}", "counter", about)
        for labels, one in labelled:
            out.sample(f"{prefix}_ssl_{name}", one.handshakes[place], *labels)
    return labelled


def _write_groups(out: Exposition, snapshot: Snapshot) -> None:
    """As with NGINX Plus, groups without a zone are not reported."""
    peers: list[PeerFacts] = []
    out.family("nginxplus_upstream_keepalive", "gauge", "Idle keepalive connections")
    out.family("nginxplus_upstream_zombies", "gauge", ABOUT_REMOVED)
    for group, zone in snapshot.groups():
        if zone:
            peers += snapshot.peers(group)
            idle = snapshot.group(group).idle
            out.sample("nginxplus_upstream_keepalive", idle, ("upstream", group.name))
            removed = snapshot.removed(PEER, group)
            out.sample("nginxplus_upstream_zombies", removed, ("upstream", group.name))
    prefix = "nginxplus_upstream_server"
    labelled = write_servers(out, prefix, peers, ("requests", "Total client requests"))
    out.family(f"{prefix}_header_time", "gauge", "Average time to get the response header")
    out.family(f"{prefix}_response_time", "gauge", "Average time to get the full response")
    for labels, one in labelled:
        header, response = average_times(one.counted)
        out.sample(f"{prefix}_header_time", header, *labels)
        out.sample(f"{prefix}_response_time", response, *labels)
    _write_responses(out, prefix, [(labels, one.counted) for labels, one in labelled])


def average_times(counted: Requests) -> tuple[int, int]:
    """Milliseconds until the head of a response, and until its end."""
    numbers = counted.numbers
    header = numbers[HEADER_MICROSECONDS] // max(1, numbers[HEADER_TIMES])
    response = numbers[MICROSECONDS] // max(1, numbers[REQUESTS])
    return header // 1000, response // 1000


def _write_caches(out: Exposition, snapshot: Snapshot) -> None:
    caches = snapshot.caches(CACHE)
    for name, about in (
        ("size", "Current size of the cache"),
        ("max_size", "Limit on the maximum size of the cache"),
        ("cold", "Whether the cache loader is still loading data from disk"),
    ):
        out.family(f"nginxplus_cache_{name}", "gauge", about)
    for one in caches:
        out.sample("nginxplus_cache_size", one.size, ("zone", one.name))
        out.sample("nginxplus_cache_max_size", one.max_size, ("zone", one.name))
        out.sample("nginxplus_cache_cold", int(one.cold), ("zone", one.name))
    for place, status in enumerate(CACHE_STATUSES):
        name = f"nginxplus_cache_{status.lower()}"
        out.family(f"{name}_responses", "counter", f"Responses with the cache status {status}")
        out.family(f"{name}_bytes", "counter", f"Bytes of responses with the status {status}")
        for one in caches:
            out.sample(f"{name}_responses", one.numbers[2 * place], ("zone", one.name))
            out.sample(f"{name}_bytes", one.numbers[2 * place + 1], ("zone", one.name))
    for status, place in CACHE_WRITTEN.items():
        name = f"nginxplus_cache_{status.lower()}"
        about = f"with the status {status} that were written to the cache"
        out.family(f"{name}_responses_written", "counter", f"Responses {about}")
        out.family(f"{name}_bytes_written", "counter", f"Bytes of responses {about}")
        for one in caches:
            out.sample(f"{name}_responses_written", one.numbers[place], ("zone", one.name))
            out.sample(f"{name}_bytes_written", one.numbers[place + 1], ("zone", one.name))


def _write_limits(out: Exposition, snapshot: Snapshot) -> None:
    for name, kind, tag, results in (
        ("request", LIMIT_REQ, "limit_req", LIMIT_RESULTS),
        ("connection", LIMIT_CONN, "limit_conn", ("PASSED", "REJECTED", "REJECTED_DRY_RUN")),
    ):
        zones = snapshot.limits(kind, tag)
        for result in results:
            family = f"nginxplus_limit_{name}_{result.lower()}"
            out.family(family, "counter", f"Results of limits that are {result}")
            for zone, numbers in zones.items():
                out.sample(family, numbers[LIMIT_RESULTS.index(result)], ("zone", zone))


def _write_resolvers(out: Exposition, snapshot: Snapshot) -> None:
    zones = snapshot.resolvers()
    for place, name in enumerate(RESOLVER_NUMBERS):
        family = f"nginxplus_resolver_{name}"
        out.family(family, "counter", f"Questions or answers of the kind {name}")
        for zone, numbers in zones.items():
            out.sample(family, numbers[place], ("resolver", zone))


def _write_workers(out: Exposition, snapshot: Snapshot) -> None:
    out.family("nginxplus_worker_connection_accepted", "counter", "Accepted client connections")
    out.family("nginxplus_worker_connection_dropped", "counter", "Dropped client connections")
    out.family("nginxplus_worker_connection_active", "gauge", "Active client connections")
    out.family("nginxplus_worker_connection_idle", "gauge", "Idle client connections")
    out.family("nginxplus_worker_http_requests_total", "counter", "Requests of the worker")
    out.family("nginxplus_worker_http_requests_current", "gauge", "Current requests")
    for one in snapshot.workers():
        labels, state = (("id", str(one.state.number)), ("pid", str(one.process))), one.state
        active = state.active - state.waiting
        out.sample("nginxplus_worker_connection_accepted", state.accepted, *labels)
        out.sample("nginxplus_worker_connection_dropped", 0, *labels)
        out.sample("nginxplus_worker_connection_active", active, *labels)
        out.sample("nginxplus_worker_connection_idle", state.waiting, *labels)
        out.sample("nginxplus_worker_http_requests_total", state.requests, *labels)
        out.sample("nginxplus_worker_http_requests_current", state.writing, *labels)
