"""What is counted: the kinds of rows and the places of their numbers.

Rows of requests, of whatever they are sums, have the same numbers at the same places.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from ..dns.resolvers import NUMBERS as RESOLVER_NUMBERS


class Kind(NamedTuple):
    """A kind of rows: what keys begin with, and how many numbers there are."""

    mark: bytes
    length: int


# Upper bounds of times in seconds; one more bucket has all that take longer.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Numbers of requests; RESPONSES is followed by those of classes 1xx to 5xx.
REQUESTS: Final = 0
DISCARDED: Final = 1  # without a response; of a server of a group: failed
RECEIVED: Final = 2  # bytes
SENT: Final = 3
RESPONSES: Final = 4
MICROSECONDS: Final = 9  # all of them together
TIMES: Final = 10  # by bucket
OF_REQUESTS: Final = TIMES + len(BUCKETS) + 1

# More of servers of a group.
UNAVAILABLE: Final = OF_REQUESTS
HEADER_TIMES: Final = OF_REQUESTS + 1  # how many
HEADER_MICROSECONDS: Final = OF_REQUESTS + 2
CHECKS: Final = OF_REQUESTS + 3
CHECK_FAILURES: Final = OF_REQUESTS + 4
UNHEALTHY: Final = OF_REQUESTS + 5  # how often it became so

CHECKED: Final = Kind(b"C", 1)  # mark of a kind, group, address; reported: the last check passed
GROUP: Final = Kind(b"E", 2)  # group, reported: connections that idle, requests in its queue
REMOVED: Final = Kind(b"R", 1)  # mark, group, address, reported: still used, though it was removed
DOWNTIME: Final = Kind(b"T", 1)  # group, address: milliseconds, see modules/api/downtime.py
STREAM_DOWNTIME: Final = Kind(b"Y", 1)
DOWN_SINCE: Final = Kind(b"Z", 1)  # mark of those, group, address, reported: milliseconds
QUEUE: Final = Kind(b"Q", 1)  # group: requests that found the queue full

SERVER: Final = Kind(b"s", OF_REQUESTS)  # of status_zone
LOCATION: Final = Kind(b"l", OF_REQUESTS)
HOST: Final = Kind(b"h", OF_REQUESTS)  # of a server block, by its first name
PEER: Final = Kind(b"p", OF_REQUESTS + 6)  # group, address
CODES: Final = Kind(b"c", 1)  # mark of a kind of requests, names, status

# Of "stream", at the same places: a connection counts as a request, and the end of its session as a
# response.  Servers of groups have sessions that are over, and how long connecting took, as well.
STREAM_SERVER: Final = Kind(b"S", MICROSECONDS)  # of status_zone
SESSIONS: Final = OF_REQUESTS + 6
CONNECT_TIMES: Final = OF_REQUESTS + 7  # how many
CONNECT_MICROSECONDS: Final = OF_REQUESTS + 8
STREAM_PEER: Final = Kind(b"P", OF_REQUESTS + 9)  # group, address

# Of a cache: responses and bytes by the value of $upstream_cache_status.
CACHE_STATUSES: Final = (
    *("HIT", "STALE", "UPDATING", "REVALIDATED", "MISS", "EXPIRED", "BYPASS", "SCARCE"),
)
# Responses and bytes that were written to it, after those.
CACHE_WRITTEN: Final = {
    status: 2 * (len(CACHE_STATUSES) + n) for n, status in enumerate(("MISS", "EXPIRED", "BYPASS"))
}
CACHE: Final = Kind(b"k", 2 * (len(CACHE_STATUSES) + len(CACHE_WRITTEN)))

LIMIT_RESULTS: Final = ("PASSED", "DELAYED", "REJECTED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN")
LIMIT_REQ: Final = Kind(b"q", len(LIMIT_RESULTS))
LIMIT_CONN: Final = Kind(b"o", len(LIMIT_RESULTS))
STREAM_LIMIT_CONN: Final = Kind(b"O", len(LIMIT_RESULTS))

CLIENTS: Final = Kind(b"m", 2)  # connections and requests of all clients
WORKER: Final = Kind(b"w", 10)  # reported by each: see workers.py
# Process, start: connections and requests that are not shown of a worker.
WORKER_ZERO: Final = Kind(b"W", 2)
PROCESSING: Final = Kind(b"n", 1)  # reported: requests of a status_zone that are not finished
STREAM_PROCESSING: Final = Kind(b"N", 1)  # the same of sessions
RESTARTS: Final = Kind(b"x", 1)
RELOADS: Final = Kind(b"r", 6)  # put: see reloads.py

TOKENS: Final = Kind(b"j", 1)  # dialect, outcome, reason
TOKEN_MEMORY: Final = Kind(b"t", 2)  # hits, misses
KEY_FETCHES: Final = Kind(b"f", 3)  # source: fetches, failures, microseconds
KEYS: Final = Kind(b"y", 3)  # source, reported: keys, read at, in use until (milliseconds)

TLS_OUTCOMES: Final = (
    *("handshakes", "handshakes_failed", "session_reuses", "no_common_protocol"),
    *("no_common_cipher", "handshake_timeout", "peer_rejected_cert"),
)
VERIFY_FAILURES: Final = (
    *("no_cert", "expired_cert", "revoked_cert", "hostname_mismatch", "other"),
)
OF_TLS: Final = len(TLS_OUTCOMES) + len(VERIFY_FAILURES)
TLS: Final = Kind(b"z", OF_TLS)  # of all clients
TLS_SERVER: Final = Kind(b"g", OF_TLS)  # of status_zone
TLS_STREAM_SERVER: Final = Kind(b"G", OF_TLS)
TLS_PEER: Final = Kind(b"i", OF_TLS)  # with servers of groups: group, address
TLS_STREAM_PEER: Final = Kind(b"I", OF_TLS)
TLS_DONE: Final = 0
TLS_FAILED: Final = 1
TLS_REUSED: Final = 2
TLS_NO_PROTOCOL: Final = 3
TLS_NO_CIPHER: Final = 4
TLS_TIMEOUT: Final = 5
TLS_REJECTED: Final = 6
TLS_VERIFY: Final = {name: len(TLS_OUTCOMES) + n for n, name in enumerate(VERIFY_FAILURES)}

SPAN_OUTCOMES: Final = ("exported", "failed", "dropped")
SPANS: Final = Kind(b"e", len(SPAN_OUTCOMES))

RESOLVER: Final = Kind(b"d", len(RESOLVER_NUMBERS))

# The store that zones share: exchanges in the places of requests, of which DISCARDED have failed.
STORE_STEPS: Final = OF_REQUESTS
STORE_CONNECTIONS: Final = OF_REQUESTS + 1
STORE_COPIED: Final = OF_REQUESTS + 2  # changes of maps that have come
STORE: Final = Kind(b"a", OF_REQUESTS + 3)
STORE_FALLBACKS: Final = Kind(b"b", 2)  # zone: decided here, refused
STORE_UP: Final = Kind(b"u", 1)  # worker, reported
STORE_PENDING: Final = Kind(b"U", 1)  # zone, reported: changes that the store does not have yet
STORE_COPIES: Final = Kind(b"v", 1)  # zone, reported: whether the copy is whole
STORE_LOST: Final = Kind(b"V", 1)  # zone: changes that were not taken or not sent


def bucket_of(seconds: float) -> int:
    """The place of a time among those by bucket."""
    return TIMES + bisect_left(BUCKETS, seconds)
