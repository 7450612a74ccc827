"""Subrequests: a location asked on behalf of a request, its answer kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..log import Severity
from .body import KeptBody
from .engine import finish_subrequest, run
from .head import new_head
from .request import DONE, AnswerTooBig, InParts, Location, Request, Server, Sink, Status

MAX_DEPTH = 50


class Kept(InParts):
    """The sink of a subrequest: keeps the answer, up to `limit` bytes of body.  A longer one is
    ended, as ngx_http_postpone_filter_in_memory does.

    With a limit of 0 the body is dropped and only the header counts.
    """

    paused = False
    tunnel = None  # there is no client whose bytes it could carry

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.body = b""
        self.complete = self.too_big = False
        self._parts: list[bytes] = []
        self._size = 0

    def send_continue(self) -> None:
        """No client waits for it."""

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
    sink: Sink | None = None,
    variables: dict[str, str] | None = None,
    prepare: Callable[[Request], None] | None = None,
) -> Request:
    """Runs `uri` as ngx_http_subrequest; the answer is in the returned request: status,
    headers_out, and `sink`: the given one, or a Kept with at most `limit` bytes of body, none if
    `header_only`.

    `variables` are those of the subrequest, if it does not share its parent's; `prepare` gets it
    before it runs.

    Without a body of its own it has the one that its main request has read, if any.  Of the
    client's fields only those `passed` (lower-case names; None: all) go to an upstream; as
    variables all can be had.  `refresh` asks caches on the way for a new answer;
    `asks_for_keys` says that tokens wait for this one, so that it must not wait for them."""
    kept = sink or Kept(limit)
    sub = Request(r.head, r.connection, kept, r.server)
    sub.parent, sub.root = r, r.main
    sub.method, sub.header_only = method, header_only
    sub.http_version = r.http_version
    # As its parent has them now: other modules may have changed those of the client.
    sub.headers_in, sub.index = r.headers_in, r.index
    if passed is not None:
        sub.headers_in = [field for field in r.headers_in if field[0].lower() in passed]
    sub.refresh, sub.asks_for_keys = refresh, asks_for_keys
    sub.unparsed_uri, sub.host = r.unparsed_uri, r.host
    sub.uri, sub.args = uri, args
    sub.variables = r.variables if variables is None else variables
    sub.internal = True
    sub.body = body or r.main.body
    sub.start = r.start
    if _depth(r) >= MAX_DEPTH:
        r.log(Severity.ERR, f'subrequests cycle while processing "{uri}"')
        sub.status = 500
        return sub
    if prepare is not None:
        prepare(sub)
    await run(sub)
    sub.sink = kept  # body filters may have put sinks of their own before it
    finish_subrequest(sub)
    return sub


def is_whole(sub: Request) -> bool:
    """Whether the answer has come to its end, as far as it was wanted."""
    return isinstance(sub.sink, Kept) and sub.sink.complete


def start_subrequest(r: Request, uri: str, args: str = "", *, method: str = "GET") -> None:
    """Begins a subrequest whose answer is of no interest.  The request goes on meanwhile, but
    its connection takes no other one until this is done, as in nginx.  A client that leaves before
    it is answered ends this as well."""
    task = asyncio.create_task(subrequest(r, uri, args, method=method, header_only=True))
    r.main.background += (task,)
    r.main.cleanups += (task.cancel,)


def clone(r: Request) -> Request:
    """A request for the same thing in the background, whose answer goes nowhere; it is to be
    run from where its original stands."""
    sub = copy_of(r, Kept(0))
    sub.in_background = sub.header_only = True
    return sub


def copy_of(r: Request, sink: Sink) -> Request:
    """A subrequest for the same thing, to be run from where its original stands
    (NGX_HTTP_SUBREQUEST_CLONE)."""
    sub = Request(r.head, r.connection, sink, r.server)
    sub.parent, sub.root = r, r.main
    sub.location, sub.method, sub.http_version = r.location, r.method, r.http_version
    sub.headers_in, sub.index = r.headers_in, r.index
    sub.host, sub.unparsed_uri = r.host, r.unparsed_uri
    sub.uri, sub.args, sub.start = r.uri, r.args, r.start
    sub.variables, sub.captures, sub.body = r.variables, r.captures, r.body
    sub.valid_unparsed_uri, sub.valid_location = r.valid_unparsed_uri, r.valid_location
    sub.quoted_uri = r.quoted_uri
    sub.internal = True
    return sub


async def ask_again(sub: Request) -> None:
    """Runs the content handler of a copy."""

    async def handle() -> Status:
        assert sub.location.content is not None
        rc = sub.location.content(sub)
        return (rc if rc is None or isinstance(rc, int) else await rc) or DONE

    await run(sub, handle())
    finish_subrequest(sub)


def _depth(r: Request) -> int:
    depth, at = 0, r.parent
    while at is not None:
        depth, at = depth + 1, at.parent
    return depth


def no_request(location: Location | None = None) -> Request:
    """A request of no client, for functions that take one and do not depend on it."""
    server = Server()
    server.location = Location() if location is None else location
    nothing: Any = None
    return Request(new_head(0, ""), nothing, nothing, server)
