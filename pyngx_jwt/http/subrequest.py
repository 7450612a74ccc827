"""Subrequests: a location asked on behalf of a request, its answer kept in memory."""

from __future__ import annotations

import asyncio

from ..log import Level
from .body import KeptBody
from .engine import log_request, run
from .request import AnswerTooBig, Request

MAX_DEPTH = 50


class Kept:
    """The sink of a subrequest: keeps the answer, up to `limit` bytes of body.  A longer one is
    ended, as ngx_http_postpone_filter_in_memory does.

    With a limit of 0 the body is dropped and only the header counts.
    """

    paused = False

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.body = b""
        self.complete = self.too_big = False
        self._parts: list[bytes] = []
        self._size = 0

    def send_continue(self) -> None:
        """Nobody waits for it."""

    def header(self, r: Request) -> None:
        """The header stays in the subrequest."""
        if r.content_length > self.limit > 0 and not r.header_only:
            self._refuse()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self.limit:
            self._parts.append(data)
        elif self.limit:
            self._refuse()

    def _refuse(self) -> None:
        self.too_big, self._parts = True, []
        raise AnswerTooBig

    def flush(self) -> None:
        """Nothing is held back."""

    def hint(self, fields: list[tuple[str, str]]) -> None:
        """Of no use to who waits for the whole response."""

    async def drain(self) -> None:
        """Memory never waits."""

    def end(self) -> None:
        self.body, self.complete = b"".join(self._parts), True

    def abort(self) -> None:
        self.body, self.complete = b"".join(self._parts), False


async def subrequest(
    r: Request,
    uri: str,
    args: str = "",
    *,
    limit: int = 0,
    method: str = "GET",
    body: KeptBody | None = None,
    header_only: bool = False,
    passed: frozenset[str] | None = None,
    refresh: bool = False,
    asks_for_keys: bool = False,
) -> Request:
    """Runs `uri` as ngx_http_subrequest; the answer is in the returned request: status,
    headers_out, and `sink`, a Kept, with at most `limit` bytes of body, none if `header_only`.

    Without a body of its own it has the one that its main request has read, if any.  Of the
    client's fields only those `passed` (lower-case names; None: all) go to an upstream; as
    variables all can be had.  `refresh` asks caches on the way for a new answer;
    `asks_for_keys` says that tokens wait for this one, so that it must not wait for them."""
    sub = Request()
    sub.parent, sub.root = r, r.main
    sub.server, sub.connection = r.server, r.connection
    sub.location = r.server.location
    sub.method, sub.header_only = method, header_only
    sub.request_line, sub.http_version = r.request_line, r.http_version
    sub.headers_in, sub.index = r.headers_in, r.index
    if passed is not None:
        sub.headers_in = [field for field in r.headers_in if field[0].lower() in passed]
    sub.refresh, sub.asks_for_keys = refresh, asks_for_keys
    sub.host, sub.port, sub.host_header = r.host, r.port, r.host_header
    sub.unparsed_uri = r.unparsed_uri
    sub.uri, sub.args = uri, args
    sub.variables = r.variables
    sub.internal = True
    sub.body = body or r.main.body
    sub.start = r.start
    sub.sink = Kept(limit)
    if _depth(r) >= MAX_DEPTH:
        r.log(Level.ERR, f'subrequests cycle while processing "{uri}"')
        sub.status = 500
        return sub
    await run(sub)
    if sub.location.core.log_subrequest:
        log_request(sub)
    return sub


def is_whole(sub: Request) -> bool:
    """Whether the answer has come to its end, as far as it was wanted."""
    return isinstance(sub.sink, Kept) and sub.sink.complete


def start_subrequest(r: Request, uri: str, args: str = "", *, method: str = "GET") -> None:
    """Begins a subrequest whose answer is of no interest.  The request goes on meanwhile, but
    its connection takes no other one until this is done, as in nginx."""
    task = asyncio.create_task(subrequest(r, uri, args, method=method, header_only=True))
    r.main.background += (task,)


def clone(r: Request) -> Request:
    """A request for the same thing in the background, whose answer goes nowhere; it is to be
    run from where its original stands (NGX_HTTP_SUBREQUEST_CLONE)."""
    sub = Request()
    sub.parent, sub.root = r, r.main
    for name in _CLONED:
        setattr(sub, name, getattr(r, name))
    sub.in_background = sub.internal = sub.header_only = True
    sub.sink = Kept(0)
    return sub


_CLONED = (
    *("server", "connection", "location", "method", "request_line", "http_version", "headers_in"),
    *(
        "index",
        "host",
        "port",
        "host_header",
        "unparsed_uri",
        "uri",
        "args",
        "variables",
        "captures",
    ),
    *("valid_unparsed_uri", "valid_location", "quoted_uri", "body", "start"),
)


def _depth(r: Request) -> int:
    depth, at = 0, r.parent
    while at is not None:
        depth, at = depth + 1, at.parent
    return depth
