"""HTTP/2 towards clients, with TLS (ALPN) and without (prior knowledge). A port speaks HTTP/1 and
HTTP/2 at the same time."""

from __future__ import annotations

from typing import Any

from ..conf.context import Contexts
from ..conf.directive import Conf, Declaration, Directive, accepted, flag, number, slot
from ..conf.values import parse_number, parse_size
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, HTTP, SERVER
from ..http.level import Level
from ..http.module import Module
from ..http.ports import Http2, ListenAddress
from ..http.request import HeaderFilter, Request
from .core.values import parse_pool_size

HERE = HTTP | SERVER
MAX_WINDOW = 2**31 - 1
LARGEST_FRAME = 2**24 - 1
USUAL_CHUNK = 8192
STATE_BUFFER = 16  # bytes that nginx's receive buffer must exceed


def _parse_size(name: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def _parse_preread(name: str, text: str) -> int:
    size = _parse_size(name, text)
    if size > MAX_WINDOW:
        raise ConfError(f"the maximum body preread buffer size is {MAX_WINDOW}")
    return size


def _parse_chunk(name: str, text: str) -> int:
    size = _parse_size(name, text)
    if not size:
        raise ConfError("the http2 chunk size cannot be zero")
    return min(size, LARGEST_FRAME)


def _parse_receive_buffer(name: str, text: str) -> int:
    size = _parse_size(name, text)
    if size <= STATE_BUFFER:
        raise ConfError(f'"{name}" directive value is too small')
    return size


def _parse_index(name: str, text: str) -> int:
    try:
        value = parse_number(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid number') from None
    if not value or value & (value - 1):
        raise ConfError(f'"{name}" directive must be a power of two')
    return value


def _obsolete(contexts: Contexts, instead: str = "") -> Any:
    """A directive of the past."""
    what = f'use the "{instead}" directive instead' if instead else "ignored"
    doc = f"Accepted and without effect: {what}."

    def declare(name: str, attribute: str) -> Directive:
        def warn(conf: Conf, *texts: str) -> None:
            conf.scope.warn(f'the "{name}" directive is obsolete, {what}')

        return Directive(name, contexts, warn, 1, 1, f"{name} ...;", "—", doc, noop=True)

    return Declaration(None, declare)


class V2Conf(Conf):
    http2 = flag(False, HERE, "Enables HTTP/2 in addition to HTTP/1.")
    http2_body_preread_size = slot(
        65536,
        _parse_preread,
        HERE,
        "Sets how many bytes of a request body a client may send before the body is read.",
        syntax="size",
        shown="64k",
    )
    http2_chunk_size = slot(
        USUAL_CHUNK,
        _parse_chunk,
        EVERYWHERE,
        "Limits the length of the frames that a response body is divided into. Small frames let "
        "responses of a connection take turns more often.",
        syntax="size",
        shown="8k",
    )
    http2_idle_timeout = _obsolete(HERE, "keepalive_timeout")
    http2_max_concurrent_pushes = _obsolete(HERE)
    http2_max_concurrent_streams = number(
        128, HERE, "Limits the number of requests that a connection serves at the same time."
    )
    http2_max_field_size = _obsolete(HERE, "large_client_header_buffers")
    http2_max_header_size = _obsolete(HERE, "large_client_header_buffers")
    http2_max_requests = _obsolete(HERE, "keepalive_requests")
    http2_pool_size = accepted(
        HERE, "memory is managed by the interpreter", like=slot(4096, parse_pool_size, HTTP, "")
    )
    http2_push = _obsolete(EVERYWHERE)
    http2_push_preload = _obsolete(EVERYWHERE)
    http2_recv_buffer_size = accepted(
        HTTP,
        "the event loop has its own buffer",
        like=slot(262144, _parse_receive_buffer, HTTP, "", syntax="size", shown="256k"),
    )
    http2_recv_timeout = _obsolete(HERE, "client_header_timeout")
    http2_streams_index_size = accepted(
        HERE, "the tables grow as needed", like=slot(32, _parse_index, HTTP, "", syntax="number")
    )


v2 = Module("v2", V2Conf)


@v2.listens
def enable(address: ListenAddress) -> None:
    """Finds the servers of an address that speak HTTP/2."""
    for level, server in address.levels:
        conf = level[V2Conf]
        if conf.http2 or address.listen.http2:
            address.http2[server] = Http2(
                conf.http2_max_concurrent_streams, conf.http2_body_preread_size
            )


@v2.header_filter
def set_chunk_size(conf: V2Conf, level: Level) -> HeaderFilter | None:
    size = conf.http2_chunk_size
    if size == USUAL_CHUNK:
        return None

    def filter_header(r: Request) -> None:
        r.chunk_size = size

    return filter_header


@v2.variable("http2")
def http2(r: Request) -> str | None:
    """ "h2" for HTTP/2 with TLS, "h2c" without, empty for other protocols."""
    if r.http_version != 2000:
        return None
    return "h2" if r.connection.ssl else "h2c"
