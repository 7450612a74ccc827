"""The head of a response as a header block (ngx_http_v2_header_filter)."""

from __future__ import annotations

from collections.abc import Iterator

from ..http.date import http_date
from ..http.redirect import absolute_location
from ..http.request import Request
from ..http1.response_head import MAX_PLAIN, DateClock, is_plain
from .blocks import Field, write_block, write_field


def build_block(r: Request, clock: DateClock) -> bytes:
    """The header block of a response."""
    clock.tick()
    if r.headers_out or not is_plain(r):
        return write_block(_fields(r, clock))
    key = (r.status, r.content_length, r.content_type, r.location.signature)
    block = clock.blocks.get(key)
    if block is None:
        block = write_block(_fields(r, clock))
        if len(clock.blocks) < MAX_PLAIN:
            clock.blocks[key] = block
    return block


def hint_block(fields: list[Field]) -> bytes:
    """The header block of early hints."""
    return write_field(":status", "103") + write_block(fields)


def trailer_block(r: Request) -> bytes:
    """The header block of trailers, b"" if there are none."""
    return write_block(r.trailers)


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
