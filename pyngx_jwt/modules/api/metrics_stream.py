"""The names of nginx-prometheus-exporter for NGINX Plus, of what is in "stream"."""

from __future__ import annotations

from ...metrics.kinds import (
    DISCARDED,
    LIMIT_RESULTS,
    RECEIVED,
    REQUESTS,
    SENT,
    STREAM_LIMIT_CONN,
    STREAM_PEER,
    TLS_STREAM_SERVER,
)
from .exposition import Exposition
from .metrics_plus import ABOUT_REMOVED, write_handshakes, write_servers
from .snapshot import PeerFacts, Snapshot
from .stream_tree import TIMES, average, sessions, shared_zones, store_status

ZONE, SERVER = "nginxplus_stream_server_zone", "nginxplus_stream_upstream_server"
LIMIT = "nginxplus_stream_limit_connection"
ABOUT_SYNC = {
    "bytes_in": "Bytes that the store has sent",
    "bytes_out": "Bytes that were sent to the store",
    "msgs_in": "Changes that the store has sent",
    "msgs_out": "Steps that the store has answered",
    "nodes_online": "Whether a worker is connected with the store",
}
ABOUT_RECORDS = {
    "records_pending": "Changes that the store does not have yet",
    "records_total": "Records of the zone",
}
ABOUT_TIMES = {
    "connect_time": "Average time to connect to the server",
    "first_byte_time": "Average time to receive the first byte of data",
    "response_time": "Average time to receive the last byte of data",
}


def write_stream(out: Exposition, snapshot: Snapshot) -> None:
    _write_zones(out, snapshot)
    _write_groups(out, snapshot)
    _write_limits(out, snapshot)
    _write_sync(out, snapshot)


def _write_zones(out: Exposition, snapshot: Snapshot) -> None:
    zones = snapshot.stream_zones()
    about = "Client connections that are currently being processed"
    out.family(f"{ZONE}_processing", "gauge", about)
    for name, one in zones.items():
        out.sample(f"{ZONE}_processing", one.processing, ("server_zone", name))
    for suffix, about, place in (
        ("connections", "Total connections", REQUESTS),
        ("discarded", "Connections completed without creating a session", DISCARDED),
        ("received", "Bytes received from clients", RECEIVED),
        ("sent", "Bytes sent to clients", SENT),
    ):
        out.family(f"{ZONE}_{suffix}", "counter", about)
        for name, one in zones.items():
            count = one.numbers[place] + (one.processing if place == REQUESTS else 0)
            out.sample(f"{ZONE}_{suffix}", count, ("server_zone", name))
    write_handshakes(out, ZONE, snapshot, TLS_STREAM_SERVER, zones)
    out.family(f"{ZONE}_sessions", "counter", "Total sessions completed")
    for name, one in zones.items():
        for code, count in sessions(one.numbers).items():
            out.sample(f"{ZONE}_sessions", count, ("server_zone", name), ("code", code))


def _write_groups(out: Exposition, snapshot: Snapshot) -> None:
    """As with NGINX Plus, groups without a zone are not reported."""
    peers: list[PeerFacts] = []
    out.family("nginxplus_stream_upstream_zombies", "gauge", ABOUT_REMOVED)
    for group, zone in snapshot.stream_groups():
        if zone:
            peers += snapshot.stream_peers(group)
            removed = snapshot.removed(STREAM_PEER, group)
            out.sample("nginxplus_stream_upstream_zombies", removed, ("upstream", group.name))
    used = "connections", "Total client connections forwarded to this server"
    labelled = write_servers(out, SERVER, peers, used)
    for name in TIMES:
        out.family(f"{SERVER}_{name}", "gauge", ABOUT_TIMES[name])
        for labels, one in labelled:
            out.sample(f"{SERVER}_{name}", average(one.counted.numbers, name), *labels)


def _write_limits(out: Exposition, snapshot: Snapshot) -> None:
    zones = snapshot.limits(STREAM_LIMIT_CONN, "stream_limit_conn")
    for result in ("PASSED", "REJECTED", "REJECTED_DRY_RUN"):
        family = f"{LIMIT}_{result.lower()}"
        out.family(family, "counter", f"Results of limits that are {result}")
        for zone, numbers in zones.items():
            out.sample(family, numbers[LIMIT_RESULTS.index(result)], ("zone", zone))


def _write_sync(out: Exposition, snapshot: Snapshot) -> None:
    """Zones that several machines share."""
    zones = shared_zones(snapshot)
    for name, about in ABOUT_RECORDS.items():
        family = f"nginxplus_stream_zone_sync_zone_{name}"
        out.family(family, "gauge", about)
        for zone, records in zones.items():
            out.sample(family, records[name], ("zone", zone))
    status = store_status(snapshot)
    for name, about in ABOUT_SYNC.items():
        family = f"nginxplus_stream_zone_sync_status_{name}"
        out.family(family, "gauge" if name == "nodes_online" else "counter", about)
        if zones:
            out.sample(family, status[name])
