"""A Request of a head that has been read, for those who have no connection of our own."""

from __future__ import annotations

from ..http.location import Server, ServerNames
from ..http.request import Connection, Request, Sink
from .head_types import Head, HeadOptions


def head_options(server: Server) -> HeadOptions:
    """The limits and switches under which a server's request heads are read."""
    core = server.core
    return HeadOptions(
        client_header_buffer_size=core.client_header_buffer_size,
        large_client_header_buffers=core.large_client_header_buffers,
        max_headers=core.max_headers,
        ignore_invalid_headers=core.ignore_invalid_headers,
        underscores_in_headers=core.underscores_in_headers,
        merge_slashes=core.merge_slashes,
    )


def request_of(head: Head, connection: Connection, sink: Sink, names: ServerNames) -> Request:
    """The request, at the server that its Host names, or at the default one; without a body."""
    r = Request()
    r.connection, r.sink = connection, sink
    for name in _SAME_IN_HEAD:
        setattr(r, name, getattr(head, name))
    r.original_method, r.headers_in = head.method, head.headers
    r.host_header, r.header_length = head.index.get("host", ""), head.length
    r.content_length_in, r.chunked_in = head.content_length, head.chunked
    r.server, r.location = names.default, names.default.location
    if found := names.find(head.host, r):
        r.server, r.location = found, found.location
    return r


_SAME_IN_HEAD = (
    *("request_line", "method", "http_version", "unparsed_uri", "uri", "args", "host", "index"),
    *("port", "expect_continue", "keep_alive", "valid_unparsed_uri", "quoted_uri", "plus_in_uri"),
)
