"""The variables of requests and sessions that were passed on."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...gateway.state import UpstreamState
from ...http.request import Request
from ...http.session import Session
from ...http.variables import Getter, field_of
from .conf import upstream


def each(r: Session, show: Callable[[UpstreamState], str]) -> str | None:
    """What `show` gives for each server; " : " separates what came before an internal
    redirect from what came after it."""
    states: list[UpstreamState] | None = r.upstream_states
    if not states:
        return None
    groups: list[list[str]] = [[]]
    for state in states:
        if state.peer:
            groups[-1].append(show(state))
        else:
            groups.append([])
    return " : ".join(map(", ".join, groups))


def seconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0 else "-"


@upstream.variable("upstream_addr")
def upstream_addr(r: Session) -> str | None:
    """Address of the server; if several were tried, all of them, separated by commas."""
    return each(r, lambda state: state.peer)


@upstream.variable("upstream_status")
def upstream_status(r: Request) -> str | None:
    """Status of the server's response."""
    return each(r, lambda state: str(state.status) if state.status else "-")


@upstream.variable("upstream_connect_time")
def upstream_connect_time(r: Session) -> str | None:
    """Seconds, with milliseconds, until the connection was established."""
    return each(r, lambda state: seconds(state.connect_time))


@upstream.variable("upstream_header_time")
def upstream_header_time(r: Request) -> str | None:
    """Seconds, with milliseconds, until the response's head was received."""
    return each(r, lambda state: seconds(state.header_time))


@upstream.variable("upstream_response_time")
def upstream_response_time(r: Request) -> str | None:
    """Seconds, with milliseconds, until the response was received."""
    return each(r, lambda state: seconds(state.response_time))


@upstream.variable("upstream_queue_time")
def upstream_queue_time(r: Request) -> str | None:
    """Seconds, with milliseconds, that the request waited in the queue of the group."""
    return each(r, lambda state: seconds(state.queue_time))


@upstream.variable("upstream_response_length")
def upstream_response_length(r: Request) -> str | None:
    """Length of the response's body in bytes."""
    return each(r, lambda state: str(state.response_length))


@upstream.variable("upstream_bytes_received")
def upstream_bytes_received(r: Session) -> str | None:
    """Bytes received from the server."""
    return each(r, lambda state: str(state.bytes_received))


@upstream.variable("upstream_bytes_sent")
def upstream_bytes_sent(r: Session) -> str | None:
    """Bytes sent to the server."""
    return each(r, lambda state: str(state.bytes_sent))


@upstream.variable("upstream_cache_status")
def upstream_cache_status(r: Request) -> str | None:
    """MISS, BYPASS, EXPIRED, STALE, UPDATING, REVALIDATED, SCARCE or HIT."""
    return r.cache_status


def _last(r: Request) -> UpstreamState | None:
    """The state with the response that is sent, which can come from a cache."""
    if r.cached_response is not None:
        state = UpstreamState("")
        state.response = r.cached_response
        return state
    states: list[UpstreamState] | None = r.upstream_states
    return states[-1] if states else None


@upstream.variable("upstream_last_addr")
def upstream_last_addr(r: Session) -> str | None:
    """IP address of the last server that was selected, or path of its unix socket."""
    states: list[UpstreamState] | None = r.upstream_states
    if not states or not states[-1].server:
        return None
    peer = states[-1].peer
    return peer if peer.startswith("unix:") else peer.rpartition(":")[0].strip("[]")


@upstream.variable("upstream_last_server_name")
def upstream_last_server_name(r: Session) -> str | None:
    """Name of the last server that was selected, as in the configuration."""
    states: list[UpstreamState] | None = r.upstream_states
    return states[-1].server or None if states else None


@upstream.prefix("upstream_http_")
def upstream_http(name: str) -> Getter:
    """Any header of the last server's response."""

    def get(r: Request) -> str | None:
        state = _last(r)
        if state is None or state.response is None:
            return None
        if "_" in name:
            return field_of(state.response.headers, name)
        return state.field(name)

    return get


@upstream.prefix("upstream_trailer_")
def upstream_trailer(name: str) -> Getter:
    """Any trailer of the last server's response; requires proxy_pass_trailers."""

    def get(r: Request) -> str | None:
        state = _last(r)
        if state is None or state.response is None:
            return None
        return field_of(state.response.trailers, name)

    return get


@upstream.prefix("upstream_cookie_")
def upstream_cookie(name: str) -> Getter:
    """A cookie that the last server sets."""
    set_cookie = re.compile(rf"{re.escape(name)} *= *([^;]*)", re.IGNORECASE | re.ASCII)

    def get(r: Request) -> str | None:
        state = _last(r)
        for cookie in state.fields("set-cookie") if state else ():
            match = set_cookie.match(cookie)
            if match:
                return match[1]
        return None

    return get


@upstream.variable("upstream_cache_last_modified")
def upstream_cache_last_modified(r: Request) -> str | None:
    """Last-Modified of a cached response that is being revalidated."""
    value: str | None = r.contexts.get("cache_last_modified")
    return value


@upstream.variable("upstream_cache_etag")
def upstream_cache_etag(r: Request) -> str | None:
    """ETag of a cached response that is being revalidated."""
    value: str | None = r.contexts.get("cache_etag")
    return value
