"""What a request is answered: status, headers, and how the body goes out."""

from __future__ import annotations

from typing import Any, Protocol

from .session import Session


class BodyFilter(Protocol):
    """Changes the body on its way out."""

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class Response(Session):
    """The response's part of a Request, for filters, sinks and logs.

    Class attributes are what most responses never change; `status` is what the engine came to,
    `err_status` what the client is told instead.  A part and not an object of its own: it would
    be one more to make and one more step to each field, for every request.
    """

    status = 0
    err_status = 0
    status_line: str | None = None
    content_type: str | None = None
    charset = ""
    override_charset = ""  # what an upstream wants the response converted to
    content_encoding: str | None = None  # the field is among headers_out already
    gzip_vary = False  # the response depends on Accept-Encoding, and says so
    unbuffered = False  # each piece of the body is to reach the client at once
    inflates = False  # a body filter makes much out of little
    content_length = -1
    last_modified = -1  # seconds since the epoch
    own_last_modified = False  # the field is among headers_out already
    cached = False  # the response comes from a cache
    cached_response: Any = None  # then: the upstream's Response
    disable_not_modified = False  # whether it is the client's is not ours to say
    etag: str | None = None
    location_out: str | None = None
    allow_ranges = False
    single_range = False
    is_sliced = False  # the body is that of several subrequests, each with a part of the same
    content_offset = 0  # where in the body that is described what is sent begins
    byte_range: tuple[int, int] | None = None  # of a response in slices: what the client gets
    header_only = False
    header_sent = False
    response_done = False
    chunked_out = False
    chunk_size = 8192  # bytes of a DATA frame in HTTP/2
    own_server = False  # the response brings its own Server and Date fields
    own_date = False
    file_segments: Any = None  # the parts of a file that are sent
    expect_trailers = False
    passes_trailers = False  # an upstream may send them, whatever it says of the length
    trailers: tuple[tuple[str, str], ...] = ()
    body_filters: tuple[BodyFilter, ...] = ()
    postponed: Any = None  # the Postponed sink, if subrequests are parts of the body
    cache_status: str | None = None

    def __init__(self) -> None:
        self.headers_out: list[tuple[str, str]] = []

    def add_header(self, name: str, value: str) -> None:
        self.headers_out.append((name, value))

    def filter_all(self, body_filter: BodyFilter) -> None:
        """Adds a body filter for all that is sent, the output of subrequests included."""
        if self.postponed is None:
            self.body_filters += (body_filter,)
        else:
            self.postponed.filters += (body_filter,)

    def sent_header(self, name: str) -> str | None:
        """Values of a response header by its lower-case name, joined by ", "."""
        values = [v for n, v in self.headers_out if n.lower() == name]
        return ", ".join(values) if values else None

    def clear_header(self, name: str) -> None:
        """Removes a response header by its lower-case name."""
        self.headers_out = [(n, v) for n, v in self.headers_out if n.lower() != name]

    def forget_cache(self) -> None:
        """Starts over with another upstream."""
        self.cache_status, self.cached, self.cached_response = None, False, None

    def clear_validators(self) -> None:
        """Forgets what describes a body that is not sent after all."""
        if self.own_last_modified:
            self.clear_header("last-modified")
        self.last_modified, self.etag, self.allow_ranges = -1, None, False
        self.clear_header("accept-ranges")
        self.content_length = -1
