"""The names of pyngx itself: tokens, keys, workers and reloads."""

from __future__ import annotations

import time

from ... import __version__
from ...metrics.kinds import (
    DISCARDED,
    KEY_FETCHES,
    KEYS,
    RECEIVED,
    REQUESTS,
    RESTARTS,
    SENT,
    SPAN_OUTCOMES,
    SPANS,
    STORE,
    STORE_CONNECTIONS,
    STORE_COPIED,
    STORE_COPIES,
    STORE_FALLBACKS,
    STORE_LOST,
    STORE_STEPS,
    STORE_UP,
    TOKEN_MEMORY,
    TOKENS,
)
from ...metrics.reloads import reload_state
from ...zones import ZoneStore
from .exposition import Exposition
from .snapshot import Snapshot


def write_pyngx(out: Exposition, snapshot: Snapshot) -> None:
    out.family("pyngx_info", "gauge", "The version that runs")
    out.sample("pyngx_info", 1, ("version", __version__))
    _write_workers(out, snapshot)
    _write_reloads(out, snapshot)
    _write_tokens(out, snapshot)
    _write_keys(out, snapshot)
    _write_spans(out, snapshot)
    _write_zones(out, snapshot)
    if snapshot.scope.shared(ZoneStore).wanted:
        _write_store(out, snapshot)


def _write_workers(out: Exposition, snapshot: Snapshot) -> None:
    families = (
        ("resident_memory_bytes", "gauge", "Memory of the worker"),
        ("start_time_seconds", "gauge", "When the worker was started"),
        ("connections", "gauge", "Client connections of the worker"),
        ("requests_total", "counter", "Requests that the worker has begun"),
    )
    for name, kind, about in families:
        out.family(f"pyngx_worker_{name}", kind, about)
    for one in snapshot.workers():
        labels, state = (("worker", str(one.state.number)), ("pid", str(one.process))), one.state
        out.sample("pyngx_worker_resident_memory_bytes", state.memory, *labels)
        out.sample("pyngx_worker_start_time_seconds", state.started / 1000, *labels)
        out.sample("pyngx_worker_connections", state.active, *labels)
        out.sample("pyngx_worker_requests_total", state.requests, *labels)
    restarts = snapshot.totals(RESTARTS).get((), (0,))[0]
    about = "Workers that were started in the place of ones that had ended unexpectedly"
    out.one("pyngx_worker_restarts_total", "counter", about, restarts)


def _write_reloads(out: Exposition, snapshot: Snapshot) -> None:
    state = reload_state(snapshot.tallies)
    if state is None:
        return
    prefix = "pyngx_config"
    about = "Whether the last attempt to load the configuration was successful"
    out.one(f"{prefix}_last_reload_successful", "gauge", about, state.is_good)
    about = "When a configuration was last loaded successfully"
    out.one(
        f"{prefix}_last_reload_successful_timestamp_seconds", "gauge", about, state.loaded / 1000
    )
    about = "When a configuration was last loaded, or tried to be"
    out.one(f"{prefix}_last_reload_timestamp_seconds", "gauge", about, state.tried / 1000)
    out.one(f"{prefix}_hash", "gauge", "A hash of the configuration in force", state.hash)
    out.family(f"{prefix}_reloads_total", "counter", "Attempts to replace the configuration")
    out.sample(f"{prefix}_reloads_total", state.successes, ("result", "success"))
    out.sample(f"{prefix}_reloads_total", state.failures, ("result", "failure"))


def _write_tokens(out: Exposition, snapshot: Snapshot) -> None:
    name = "pyngx_jwt_verifications_total"
    out.family(name, "counter", "Requests whose token was looked at, by what came of it")
    for (dialect, outcome, reason), (count,) in sorted(snapshot.totals(TOKENS).items()):
        out.sample(name, count, ("dialect", dialect), ("outcome", outcome), ("reason", reason))
    hits, misses = snapshot.totals(TOKEN_MEMORY).get((), (0, 0))
    about = "Tokens that were accepted without verifying their signature again"
    out.one("pyngx_jwt_cache_hits_total", "counter", about, hits)
    about = "Tokens whose signature had to be verified"
    out.one("pyngx_jwt_cache_misses_total", "counter", about, misses)


def _write_keys(out: Exposition, snapshot: Snapshot) -> None:
    fetches, seconds = "pyngx_jwks_fetches_total", "pyngx_jwks_fetch_seconds_total"
    out.family(fetches, "counter", "Fetches of keys by auth_jwt_key_request")
    out.family(seconds, "counter", "The time that they took")
    for (source,), (count, failed, micro) in sorted(snapshot.totals(KEY_FETCHES).items()):
        label = ("source", source)
        out.sample(fetches, count - failed, label, ("result", "success"))
        out.sample(fetches, failed, label, ("result", "failure"))
        out.sample(seconds, micro / 1e6, label)
    keys: dict[str, tuple[int, int]] = {}
    for _, (source,), (count, since, _) in snapshot.reports(KEYS):
        keys[source] = max(keys.get(source, (0, 0)), (since, count))
    age = "pyngx_jwks_age_seconds"
    out.family("pyngx_jwks_keys", "gauge", "Usable keys of a source")
    out.family(
        age, "gauge", "The time since keys were last fetched, or their file was found usable"
    )
    for source, (since, count) in sorted(keys.items()):
        out.sample("pyngx_jwks_keys", count, ("source", source))
        out.sample(age, max(0.0, round(time.time() - since / 1000, 3)), ("source", source))


def _write_spans(out: Exposition, snapshot: Snapshot) -> None:
    name = "pyngx_otel_spans_total"
    out.family(name, "counter", "Spans of traced requests, by what came of them")
    for numbers in snapshot.totals(SPANS).values():
        for outcome, count in zip(SPAN_OUTCOMES, numbers, strict=True):
            out.sample(name, count, ("outcome", outcome))


def _write_zones(out: Exposition, snapshot: Snapshot) -> None:
    out.family("pyngx_zone_size_bytes", "gauge", "The size of a shared memory zone")
    out.family("pyngx_zone_used_bytes", "gauge", "How much of it is used")
    for zone in snapshot.zones():
        labels = (("zone", zone.name), ("use", zone.tag))
        out.sample("pyngx_zone_size_bytes", zone.size, *labels)
        out.sample("pyngx_zone_used_bytes", zone.used, *labels)


def _write_store(out: Exposition, snapshot: Snapshot) -> None:
    name = "pyngx_zone_store"
    out.family(f"{name}_up", "gauge", "Whether the worker is connected with the store")
    for process, (worker,), (is_up,) in snapshot.reports(STORE_UP):
        out.sample(f"{name}_up", is_up, ("worker", worker), ("pid", str(process)))
    numbers = snapshot.totals(STORE).get((), (0,) * STORE.length)
    out.family(f"{name}_exchange_seconds", "histogram", "Times of exchanges with the store")
    out.times(f"{name}_exchange_seconds", numbers)
    for counter, place, about in (
        ("exchanges", REQUESTS, "Batches of steps that the store has answered"),
        ("steps", STORE_STEPS, "Steps that the store has answered"),
        ("changes", STORE_COPIED, "Changes of copies that were received"),
        ("sent_bytes", SENT, "Bytes sent to the store"),
        ("received_bytes", RECEIVED, "Bytes received from the store"),
        ("connections", STORE_CONNECTIONS, "Connections with the store"),
        ("failures", DISCARDED, "Attempts to connect that failed, and connections given up"),
    ):
        out.one(f"{name}_{counter}_total", "counter", about, numbers[place])
    whole = f"{name}_copy_complete"
    out.family(whole, "gauge", "Whether this machine has all values of the zone")
    copies: dict[str, int] = {}
    for _, (zone,), (is_whole,) in snapshot.reports(STORE_COPIES):
        copies[zone] = min(copies.get(zone, 1), is_whole)
    for zone, is_whole in sorted(copies.items()):
        out.sample(whole, is_whole, ("zone", zone))
    lost, about = f"{name}_lost_changes_total", "Changes that found no room here, or were not sent"
    out.family(lost, "counter", about)
    for (zone,), (count,) in sorted(snapshot.totals(STORE_LOST).items()):
        out.sample(lost, count, ("zone", zone))
    fallbacks, about = f"{name}_fallbacks_total", "Decisions without the store, by their zones"
    out.family(fallbacks, "counter", about)
    for (zone,), counts in sorted(snapshot.totals(STORE_FALLBACKS).items()):
        for result, count in zip(("local", "deny"), counts, strict=True):
            out.sample(fallbacks, count, ("zone", zone), ("fallback", result))
