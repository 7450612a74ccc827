"""What a span says of a request that is over.

The attributes are those of nginx-otel, which are OpenTelemetry's of version 1.16.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...http.request import Request
from .context import Trace
from .exporter import Attribute, Span
from .tracing import Description

# Attributes of this kind are lists, as there can be several fields of a name.
LISTS = ("http.request.header.", "http.response.header.")
NONE = Description(None, ())


def span_of(r: Request, trace: Trace, description: Description) -> Span:
    status = r.err_status or r.status
    name = description.name(r) if description.name else r.location.name
    return Span(
        name,
        trace.id,
        trace.span_id,
        trace.parent_id,
        trace.state,
        int(r.start * 1e9),
        time.time_ns(),
        (*_attributes(r, status), *_own_attributes(r, description)),
        status >= 500,
    )


def _attributes(r: Request, status: int) -> Iterator[Attribute]:
    connection = r.connection
    is_secure = bool(connection.ssl)
    yield "http.method", r.method
    yield "http.target", r.unparsed_uri
    if r.location.name:
        yield "http.route", r.location.name
    yield "http.scheme", "https" if is_secure else "http"
    if flavor := _flavor(r):
        yield "http.flavor", flavor
    agent = r.first_line("user-agent")
    if agent is not None:
        yield "http.user_agent", agent
    yield "http.request_content_length", max(0, r.content_length_in)
    yield "http.response_content_length", max(0, r.bytes_sent - r.header_size)
    if status:
        yield "http.status_code", status
    yield "net.host.name", r.server.name or r.host
    port = int(connection.server_port or 0)
    if port not in (0, 443 if is_secure else 80):
        yield "net.host.port", port
    yield "net.sock.peer.addr", connection.remote_addr
    yield "net.sock.peer.port", int(connection.remote_port or 0)


def _flavor(r: Request) -> str:
    """The version of the protocol, "" for HTTP/0.9, whose requests do not name it."""
    name, _, version = r.request_line.rpartition(" ")[2].partition("/")
    return version if name == "HTTP" else ""


def _own_attributes(r: Request, description: Description) -> Iterator[Attribute]:
    for name, value in description.attributes:
        text = value(r)
        yield name, [text] if name.startswith(LISTS) else text
