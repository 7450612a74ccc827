"""The names of nginx-module-vts, for virtual servers, groups and caches."""

from __future__ import annotations

import socket
import time

from ... import NGINX_VERSION
from ...metrics.kinds import (
    CACHE,
    CACHE_STATUSES,
    HOST,
    MICROSECONDS,
    RECEIVED,
    REQUESTS,
    RESPONSES,
    SENT,
)
from .exposition import Exposition, Labels
from .metrics_plus import CLASSES
from .snapshot import Requests, Snapshot


def write_vts(out: Exposition, snapshot: Snapshot) -> None:
    _write_main(out, snapshot)
    hosts = snapshot.hosts(HOST)
    total = _sum(list(hosts.values()))
    _write_requests(
        out,
        "nginx_vts_server",
        [((("host", name),), one) for name, one in (*hosts.items(), ("*", total))],
    )
    backends: list[tuple[Labels, Requests]] = [
        ((("upstream", group.name), ("backend", one.peer.name)), one.counted)
        for group, _ in snapshot.groups()
        for one in snapshot.peers(group)
    ]
    backends += [
        ((("upstream", "::nogroups"), ("backend", name)), one)
        for name, one in snapshot.lone_peers().items()
    ]
    # "in" is what has been asked, as of servers: it is sent to those of groups.
    _write_requests(out, "nginx_vts_upstream", backends, asked=SENT, answered=RECEIVED)
    _write_caches(out, snapshot)


def _write_main(out: Exposition, snapshot: Snapshot) -> None:
    out.family("nginx_vts_info", "gauge", "Nginx info")
    out.sample(
        "nginx_vts_info",
        1,
        ("hostname", socket.gethostname()),
        ("module_version", "pyngx"),
        ("version", NGINX_VERSION),
    )
    started = [facts.state.started for facts in snapshot.workers()]
    begun = min(started) / 1000 if started else time.time()
    out.one("nginx_vts_start_time_seconds", "gauge", "Nginx start time", begun)
    clients = snapshot.clients()
    out.family("nginx_vts_main_connections", "gauge", "Nginx connections")
    for name, value in (
        ("accepted", clients.accepted),
        ("active", clients.active),
        ("handled", clients.accepted),
        ("reading", clients.reading),
        ("requests", clients.requests),
        ("waiting", clients.waiting),
        ("writing", clients.writing),
    ):
        out.sample("nginx_vts_main_connections", value, ("status", name))


def _sum(all_of_them: list[Requests]) -> Requests:
    columns = zip(*(one.numbers for one in all_of_them), strict=True)
    return Requests(tuple(sum(column) for column in columns) or (0,) * HOST.length, {})


def _write_requests(
    out: Exposition,
    prefix: str,
    things: list[tuple[Labels, Requests]],
    *,
    asked: int = RECEIVED,
    answered: int = SENT,
) -> None:
    out.family(f"{prefix}_bytes_total", "counter", "The request/response bytes")
    out.family(f"{prefix}_requests_total", "counter", "The requests counter")
    out.family(f"{prefix}_request_seconds_total", "counter", "The request processing time")
    if not out.is_open:  # where it would have the name of the family before it
        out.family(f"{prefix}_request_seconds", "gauge", "The average of request processing times")
    out.family(
        f"{prefix}_request_duration_seconds", "histogram", "The histogram of processing times"
    )
    for labels, one in things:
        numbers = one.numbers
        out.sample(f"{prefix}_bytes_total", numbers[asked], *labels, ("direction", "in"))
        out.sample(f"{prefix}_bytes_total", numbers[answered], *labels, ("direction", "out"))
        for place, name in enumerate(CLASSES):
            count = numbers[RESPONSES + place]
            out.sample(f"{prefix}_requests_total", count, *labels, ("code", name))
        out.sample(f"{prefix}_requests_total", numbers[REQUESTS], *labels, ("code", "total"))
        seconds = numbers[MICROSECONDS] / 1e6
        out.sample(f"{prefix}_request_seconds_total", seconds, *labels)
        if not out.is_open:
            average = round(seconds / max(1, numbers[REQUESTS]), 6)
            out.sample(f"{prefix}_request_seconds", average, *labels)
        out.times(f"{prefix}_request_duration_seconds", numbers, *labels)


def _write_caches(out: Exposition, snapshot: Snapshot) -> None:
    out.family("nginx_vts_cache_usage_bytes", "gauge", "The cache zones info")
    out.family("nginx_vts_cache_bytes_total", "counter", "The cache zones request bytes")
    out.family("nginx_vts_cache_requests_total", "counter", "The cache requests counter")
    for one in snapshot.caches(CACHE):
        zone = ("cache_zone", one.name)
        out.sample("nginx_vts_cache_usage_bytes", one.max_size, zone, ("cache_size", "max"))
        out.sample("nginx_vts_cache_usage_bytes", one.size, zone, ("cache_size", "used"))
        sent = sum(one.numbers[1 : 2 * len(CACHE_STATUSES) : 2])
        out.sample("nginx_vts_cache_bytes_total", sent, zone, ("direction", "out"))
        for place, name in enumerate(CACHE_STATUSES):
            count = one.numbers[2 * place]
            out.sample("nginx_vts_cache_requests_total", count, zone, ("status", name.lower()))
