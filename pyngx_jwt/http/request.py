"""One request and its response, and the server and location that it goes through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol

from ..conf.block import ConfBlock
from ..log import Log, Severity
from .client import BodyError, Connection, RequestBody, Tunnel
from .head import RequestHead
from .names import ascii_lower
from .response import Response
from .session import C
from .status import DONE, NAMED, OK, REDIRECT, REDIRECTS

__all__ = ["DONE", "NAMED", "OK", "REDIRECT", "Handler", "HeaderFilter", "Request", "Status"]

Status = int
Handler = Callable[["Request"], "Awaitable[Status | None] | Status | None"]
HeaderFilter = Callable[["Request"], None]
# Finds the values of unsettled variables; False: without a word, and without a status if it
# cannot be found out.
Settle = Callable[["Request", bool], "Awaitable[Status | None] | Status | None"]
URI_CHANGES: Final = 11  # one more than the internal redirects that a request may make
# Bytes of a file that are read and sent at once, at the least: many for a socket, whose buffer
# takes most of it; where windows decide how much is taken, as many as nginx has by default.
PIECE: Final = 131072
STREAM_PIECE: Final = 32768
MAX_PIECE: Final = 1 << 20  # whatever is configured: each slow client holds one
SMALL: Final = (
    4096  # bytes that can be given to a filter that makes a thousand times as much of them
)

_now: Final = time.time


class Sink(Protocol):
    """Where a response goes: the client, or the memory of a subrequest's parent."""

    @property
    def tunnel(self) -> Tunnel | None:
        """The client's own connection, None where there is none to make a tunnel of."""

    def send_continue(self) -> None:
        """Invites the client to send its request body."""

    def header(self, r: Request) -> None:
        """Takes status and headers; may keep them until the first bytes of the body."""

    def write(self, data: bytes) -> None:
        """Takes bytes of the body."""

    async def drain(self) -> None:
        """Waits until more can be written; raises ConnectionResetError if it never can."""

    def end(self) -> None:
        """The body is complete."""

    def whole(self, r: Request, data: bytes) -> None:
        """Takes status, headers and all of the body at once: header(), write() and end()."""

    def abort(self) -> None:
        """The body will not be complete."""

    def flush(self) -> None:
        """Sends what is held back."""

    def hint(self, fields: list[tuple[str, str]]) -> None:
        """Sends a response of status 103, before the header."""

    @property
    def paused(self) -> bool:
        """Whether drain() would wait."""


class InParts:
    """The `whole` of sinks that gain nothing from having all at once."""

    def whole(self: Sink, r: Request, data: bytes) -> None:
        self.header(r)
        if data and not r.header_only:
            self.write(data)
        self.end()


class Locations(Protocol):
    """The locations of a level, by URI."""

    def find(self, r: Request, uri: str) -> Status | None:
        """Sets the request's location, as ngx_http_core_find_location.

        0 or DONE when the search is over (DONE: the location wants a slash), None when a
        prefix, or nothing, was found."""


class KeepAlive:
    """How long a client's connection stays open after a request of a location."""

    __slots__ = ("any_method", "disabled", "field", "idle", "idle_at_least", "requests", "seconds")

    def __init__(self, requests: int, seconds: float, idle: float, idle_at_least: float) -> None:
        self.requests = requests  # of the connection, 0 closes it after each
        self.seconds = seconds  # since it was opened
        self.idle, self.idle_at_least = idle, idle_at_least  # seconds
        self.disabled: Callable[[Request], bool] | None = None  # for the client's browser
        self.any_method = False  # which counts for POST only, if not
        self.field = "Connection: keep-alive\r\n"  # the lines that say so


class Location:
    """What a request needs to know of the location that serves it.

    `core` is the merged configuration of the core module.
    """

    __slots__ = (
        "auto_redirect",
        "content",
        "content_is_own",
        "content_type_of",
        "core",
        "error_pages",
        "exact",
        "forwards",
        "handlers",
        "header_filters",
        "internal",
        "keepalive",
        "level",
        "limit_except",
        "limit_rate",
        "limit_rate_after",
        "log",
        "log_handlers",
        "log_tags",
        "name",
        "no_regex",
        "path_of",
        "range_filters",
        "rewrite",
        "root_of",
        "settle",
        "signature",
        "subrequest_handlers",
        "tallies",
        "tells_late",
        "tree",
        "validating_filters",
    )

    name: str
    core: Any
    level: ConfBlock  # that it is made of
    content: Handler | None  # the only one of the content phase, None if there can be several
    content_is_own: bool  # not that of the location around it
    forwards: str  # the module that asks an upstream for it, "" for none
    rewrite: tuple[Handler, ...]
    handlers: tuple[Handler, ...]
    subrequest_handlers: tuple[Handler, ...]
    header_filters: tuple[HeaderFilter, ...]
    validating_filters: tuple[HeaderFilter, ...]  # before those
    range_filters: tuple[HeaderFilter, ...]  # after those
    log_handlers: tuple[Callable[[Request], None], ...]  # with the following
    tallies: tuple[Callable[[Request], None], ...]  # run for subrequests that are not logged, too
    content_type_of: Callable[[str], str]
    path_of: Callable[[Request], str]
    root_of: Callable[[Request], str]
    error_pages: dict[int, Any]
    keepalive: KeepAlive
    limit_rate: Callable[[Request], int] | None
    limit_rate_after: Callable[[Request], int] | None
    signature: str
    log: Log
    log_tags: Callable[[Request], str] | None  # what it says of requests beyond all others
    limit_except: tuple[frozenset[str], Location] | None
    settle: Settle | None  # what is to be run before unsettled variables are used early
    tells_late: bool  # whether header filters or log handlers use such variables
    tree: Locations | None
    internal: bool
    no_regex: bool
    exact: bool
    auto_redirect: bool

    def conf(self, kind: type[C]) -> C:
        """The conf of a module here."""
        return self.level[kind]


class Server:
    """A virtual server; `location` is its own level, outside any location."""

    __slots__ = ("core", "location", "name", "named", "rewrite", "tree")

    name: str
    core: Any
    location: Location
    rewrite: tuple[Handler, ...]
    tree: Locations | None
    named: dict[str, Location]


class AnswerTooBig(Exception):
    """The receiver of a response wants no more of it: it ends here."""


class HeaderRefused(Exception):
    """A header filter refuses the response: the status that takes its place."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request(Response):
    """A request being processed.

    Class attributes are what most requests never change.  Text is latin-1 throughout.
    """

    head: RequestHead
    http_version: int  # 9 for HTTP/0.9, 1000, 1001, 2000
    parent: Request | None = None
    root: Request | None = None  # the request that a subrequest is made for
    server: Server
    location: Location
    sink: Sink
    stage: int  # of the engine, while a handler waits
    rest: Iterator[Handler]  # then: those that come after it

    pipelined = False
    keep_alive = False
    valid_unparsed_uri = False
    add_uri_to_alias = False  # an alias in a regex location is a directory: try_files chose
    quoted_uri = False  # the URI came with a "%"
    plus_in_uri = False
    valid_location = True  # the URI still begins as its location does
    bytes_sent = 0
    header_size = 0  # bytes of the response head
    background: tuple[Awaitable[Any], ...] = ()  # subrequests that outlast the answer
    ignore_abort = False  # goes on when the client is gone
    content_length_in = -1
    chunked_in = False
    expect_continue = False  # the client waits to be told to send the body
    body_in: RequestBody | None
    body: Any = None  # what read_body() kept
    discards_body = False  # it is too large or wrong, and is not read
    internal = False
    uri_changed = False
    uri_changes = URI_CHANGES
    error_page_used = False
    in_background = False  # updates a cache, and no client waits for it
    asks_for_keys = False  # a subrequest for what tokens are verified with
    refresh = False  # caches pass it on and keep the answer, as with proxy_cache_bypass
    limit_rate: int | None = None  # what "set", X-Accel-Limit-Rate or the location said
    rate = 0  # bytes per second the body is sent at, 0 is no limit
    remote_user: str | None = None
    upgraded = False
    lasting: Any = None  # contexts that internal redirects leave alone

    def __init__(
        self, head: RequestHead, connection: Connection, sink: Sink, server: Server
    ) -> None:
        """A request for what the head names, at a server; what only the client's own request
        has, its body above all, is `incoming.request_of`'s to add."""
        self.head, self.connection, self.sink = head, connection, sink
        self.server, self.location = server, server.location
        self.method, self.http_version = head.method, head.http_version
        self.unparsed_uri, self.uri, self.args = head.unparsed_uri, head.uri, head.args
        self.host, self.headers_in, self.index = head.host, head.headers, head.index
        self.headers_out = []
        self.variables: dict[str, str] = {}
        self.contexts: dict[Any, Any] = {}
        self.body_in = self.captures = None
        self.start = _now()

    @property
    def piece(self) -> int:
        """Bytes of a file that are read and sent at once."""
        least = STREAM_PIECE if self.http_version >= 2000 else PIECE
        core = self.location.core
        if core.sendfile and not self.connection.ssl:  # the buffers of nginx are not used then
            return least
        size: int = core.output_buffers[1]
        return max(least, min(size, MAX_PIECE))

    @property
    def request_line(self) -> str:
        """The client's request line."""
        return self.head.request_line

    @property
    def original_method(self) -> str:
        """The method that the client sent; error pages are asked for with GET."""
        return self.head.method

    @property
    def port(self) -> int:
        """The port that the client named with the host, 0 if none."""
        return self.head.port

    @property
    def host_header(self) -> str:
        """The Host header as it was sent."""
        return self.head.index.get("host", "")

    @property
    def header_length(self) -> int:
        """Bytes of the request head."""
        return self.head.length

    @property
    def main(self) -> Request:
        """The client's request; of that itself.  (A reference would make a circle.)"""
        return self.root or self

    # -- reading ---------------------------------------------------------------------------

    def header(self, name: str) -> str | None:
        """A request header by its lower-case name; repeated ones joined by ", "."""
        return self.index.get(name)

    def first_line(self, name: str) -> str | None:
        """The value of its first line, which is all that nginx's modules look at."""
        value = self.index.get(name)
        if value is None or len(self.index) == len(self.headers_in):
            return value
        return next((text for key, text in self.headers_in if ascii_lower(key) == name), value)

    def log(self, level: Severity, text: str) -> None:
        """Logs to the location's error_log, with the request's particulars unless it is of the
        level "debug"."""
        log = self.location.log
        if log.level >= level:
            if level != Severity.DEBUG:
                text += self.particulars()
            log.write(level, text, self.connection.number)

    def particulars(self) -> str:
        """ ", client: ..., server: ..., request: ..., host: ..." as nginx appends them."""
        parts = [f", client: {self.connection.remote_addr}, server: {self.server.name}"]
        main = self.main
        if main.request_line:
            parts.append(f', request: "{main.request_line}"')
        if self is not main:
            parts.append(f', subrequest: "{self.uri}"')
        if self.upstream_states:
            parts.append(self.upstream_states[-1].particulars())
        if main.host_header:
            parts.append(f', host: "{main.host_header}"')
        if referer := main.first_line("referer"):
            parts.append(f', referrer: "{referer}"')
        if self.location.log_tags is not None:
            parts.append(self.location.log_tags(self))
        return "".join(parts)

    @property
    def error_log(self) -> Log:
        return self.location.log

    @property
    def forwarded_for(self) -> list[str]:
        if "x-forwarded-for" not in self.index:
            return []
        return [value for name, value in self.headers_in if name.lower() == "x-forwarded-for"]

    def conf(self, kind: type[C]) -> C:
        return self.location.conf(kind)

    # -- moving on -------------------------------------------------------------------------

    def redirect(self, uri: str, args: str = "") -> Status:
        """Starts over with another URI, as ngx_http_internal_redirect."""
        self.uri_changes -= 1
        if self.uri_changes == 0:
            self.log(
                Severity.ERR,
                f'rewrite or internal redirection cycle while internally redirecting to "{uri}"',
            )
            return 500
        self.uri, self.args = uri, args
        self.gzip_vary = False
        self.internal = self.valid_location = True
        self.valid_unparsed_uri = self.add_uri_to_alias = False
        self.contexts = {}
        self.location = self.server.location
        return REDIRECT

    def go_named(self, name: str) -> Status:
        """Goes on in a named location, as ngx_http_named_location."""
        self.uri_changes -= 1
        if self.uri_changes == 0:
            self.log(
                Severity.ERR,
                f'rewrite or internal redirection cycle while redirect to named location "{name}"',
            )
            return 500
        if not self.uri:
            self.log(Severity.ERR, f'empty URI in redirect to named location "{name}"')
            return 500
        location = self.server.named.get(name)
        if location is None:
            self.log(Severity.ERR, f'could not find named location "{name}"')
            return 500
        self.internal, self.add_uri_to_alias = True, False
        self.uri_changed = False  # a rewrite before must not lead away from the named location
        self.contexts = {}
        self.location = location
        return NAMED

    # -- answering -------------------------------------------------------------------------

    def begin_page(self, status: Status) -> None:
        """Takes the status for which an error page, or the built-in one, is to be sent."""
        self.err_status = status

    def continue_client(self) -> None:
        """Invites a client that expects it to send its body, once; nginx does even
        if it throws away the body (ngx_http_test_expect)."""
        if self.expect_continue:
            self.expect_continue = False
            self.sink.send_continue()

    def send_header(self) -> None:
        """Runs the header filters and hands the header to the sink."""
        self._filter_header()
        self.sink.header(self)

    def _refuse_failed_body(self, status: Status) -> None:
        """Once; the built-in page of another error is sent all the same
        (ngx_http_discard_request_body)."""
        if not self.discards_body and "special" not in self.contexts:
            raise BodyError(status)

    def _filter_header(self) -> None:
        if self.expect_continue:
            self.continue_client()
        if self.body_in is not None and self.body_in.failed:
            self._refuse_failed_body(self.body_in.failed)
        if self.err_status:
            self.status, self.status_line = self.err_status, None
        if self.method == "HEAD":
            self.header_only = True
        location = self.location
        if not self.disable_not_modified:
            for header_filter in location.validating_filters:
                header_filter(self)
        for header_filter in location.header_filters:
            header_filter(self)
        if self.allow_ranges:
            for header_filter in location.range_filters:
                header_filter(self)
        if self.limit_rate is not None:
            self.rate = self.limit_rate
        elif self.location.limit_rate is not None:
            self.rate = self.location.limit_rate(self)
        self.header_sent = True

    def write(self, data: bytes) -> None:
        """Sends bytes of the body through the body filters."""
        for body_filter in self.body_filters:
            data = body_filter.feed(data)
        if data:
            self.sink.write(data)

    async def send(self, data: bytes) -> None:
        """Sends bytes of the body and waits while the client is slower than we are."""
        if self.inflates and len(data) > SMALL:
            for at in range(0, len(data), SMALL):
                await self.send(data[at : at + SMALL])
            return
        if self.rate:
            await self._send_slowly(data)
            return
        self.write(data)
        data = b""  # a sink that cannot send it has it
        if self.sink.paused:
            await self.sink.drain()

    async def _send_slowly(self, data: bytes) -> None:
        """Keeps to `rate`, as ngx_http_write_filter does with limit_rate."""
        rate, after_of = self.rate, self.location.limit_rate_after
        after = after_of(self) if after_of is not None else 0
        while data:
            seconds = int(time.time()) - int(self.start) + 1
            sent = self.bytes_sent
            allowed = rate * seconds - (sent - after)
            if allowed <= 0:
                await asyncio.sleep(-allowed / rate + 0.001)
                continue
            piece, data = data[:allowed], data[allowed:]
            self.write(piece)
            if self.sink.paused:
                await self.sink.drain()
            if data:
                await asyncio.sleep((max(self.bytes_sent, after) - max(sent, after)) / rate)

    def send_whole(self, data: bytes) -> Awaitable[Status] | Status:
        """The header and all of the body."""
        self._filter_header()
        if self.body_filters or self.rate:
            self.sink.header(self)
            return self._send_rest(data)
        self.response_done = True
        self.sink.whole(self, b"" if self.header_only else data)
        return DONE

    async def _send_rest(self, data: bytes) -> Status:
        if data and not self.header_only:
            await self.send(data)
        return self.finish()

    def finish(self) -> Status:
        """Ends the response."""
        if self.body_filters:
            self._end_filters()
        self.response_done = True
        self.sink.end()
        return DONE

    def _end_filters(self) -> None:
        for position, body_filter in enumerate(self.body_filters):
            data = body_filter.end()
            for later in self.body_filters[position + 1 :]:
                data = later.feed(data)
            if data:
                self.sink.write(data)

    def respond(self, status: Status, body: bytes, content_type: str | None = None) -> Status:
        """A whole response at once, as ngx_http_send_response; a redirect's body is its URI."""
        if self.expect_continue:
            self.continue_client()
        self.status = status
        if status in REDIRECTS:
            self.location_out = body.decode("latin-1")
            return status
        self.content_length = len(body)
        self.content_type = (
            content_type or self.content_type or self.location.content_type_of(self.uri)
        )
        self._filter_header()
        if self.body_filters:
            self.sink.header(self)
            if not self.header_only and body:
                self.write(body)
            return self.finish()
        self.response_done = True
        self.sink.whole(self, b"" if self.header_only else body)
        return DONE
