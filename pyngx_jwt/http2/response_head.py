"""The head of a response as a header block (the header filters of nginx's v2 and v3 modules)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..http.date import http_date
from ..http.redirect import absolute_location
from ..http.request import Request
from ..http1.response_head import MAX_PLAIN, DateClock, is_plain
from .blocks import Field, write_block


def build_block(
    r: Request, clock: DateClock, write: Callable[[Iterable[Field]], bytes] = write_block
) -> bytes:
    """The header block of a response; `write` is that of the protocol."""
    clock.tick()
    if r.headers_out or not is_plain(r):
        return write(_fields(r, clock))
    key = (r.status, r.content_length, r.content_type, r.location.signature, r.http_version)
    block = clock.blocks.get(key)
    if block is None:
        block = write(_fields(r, clock))
        if len(clock.blocks) < MAX_PLAIN:
            clock.blocks[key] = block
    return block


def _fields(r: Request, clock: DateClock) -> Iterator[Field]:
    """In nginx's order."""
    yield ":status", f"{r.status:03d}"
    if not r.own_server:
        yield "server", r.location.signature
    if not r.own_date:
        yield "date", clock.date
    if r.content_type:
        yield "content-type", f"{r.content_type}{f'; charset={r.charset}' if r.charset else ''}"
    if r.content_length >= 0:
        yield "content-length", str(r.content_length)
    if r.last_modified >= 0 and not r.own_last_modified:
        yield "last-modified", http_date(r.last_modified)
    if r.location_out is not None:
        yield "location", absolute_location(r)
    if r.gzip_vary:
        yield "vary", "Accept-Encoding"
    if r.etag is not None:
        yield "etag", r.etag
    yield from r.headers_out
