"""The compiled configuration as an aiohttp application: another door to the same engine.

aiohttp owns the connection and the framing of messages.  The head of a request is written out
again and read by the server's own reader, so that it means the same through both doors; from
there on it is the same Request, the same locations and the same handlers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from aiohttp import web

from .compile import Cycle
from .http.engine import answer, begin, conclude
from .http.head import RequestHead
from .http.incoming import choose_server, request_of
from .http.lifecycle import note_absence, note_dropped
from .http.location import ServerNames
from .http.request import Request, Server
from .http.status import CLIENT_CLOSED
from .http1.head_types import RefusedHead
from .log import Severity
from .server.adapter import Body, Client, WebSink, head_bytes, remove_additions
from .server.door import Door, load_door_of
from .zones.store import Counts

CYCLE: web.AppKey[Cycle] = web.AppKey("CYCLE", Cycle)
UNSUPPORTED_MEDIA_TYPE = 415


def application(
    conf_file: str | os.PathLike[str] = "nginx.conf",
    *,
    prefix: str | os.PathLike[str] | None = None,
    listen: str | None = None,
    allow_unsupported: bool = False,
    jwt_dialect: str = "",
) -> web.Application:
    """The servers of a configuration as an application to run, mount or test.

    ``conf_file`` and ``prefix`` are what -c and -p are on the command line.  A request is
    served as if it had come in on the address ``listen``, such as "0.0.0.0:443"; without it,
    on the first address that the first server of the file listens on.  Servers of other
    addresses cannot be reached, whatever the Host.  Warnings are written to stderr.

    Raises ConfError for a configuration that cannot be served, ValueError if nothing in it
    listens on ``listen``.  "user", "worker_processes" and the other directives of processes
    have no effect, as they belong to whoever runs the application.
    """
    loaded = load_door_of(
        conf_file, prefix, listen, allow_unsupported=allow_unsupported, jwt_dialect=jwt_dialect
    )
    door = _Door(*loaded)
    app = web.Application(handler_args=door.handler_args())
    app[CYCLE] = door.cycle
    every = _EveryPath("/{path}")
    every.add_route("*", door.handle, expect_handler=_expect_nothing)
    app.router.register_resource(every)
    app.on_response_prepare.append(remove_additions)
    app.cleanup_ctx.append(door.lifetime)
    return app


class _EveryPath(web.DynamicResource):
    """Every path, and "*", whatever is in it: a pattern would leave some to aiohttp's own 404,
    which is in none of our logs."""

    def _match(self, path: str) -> dict[str, str]:
        return {"path": path}


async def _expect_nothing(request: web.Request) -> None:
    """ "100 Continue" is sent when somebody wants the body."""


class _Door(Door):
    """Serves aiohttp's requests by a compiled configuration."""

    def __init__(self, cycle: Cycle, names: ServerNames[Server]) -> None:
        super().__init__(cycle, names)
        self.clients: WeakKeyDictionary[asyncio.Transport, Client] = WeakKeyDictionary()

    def handler_args(self) -> Mapping[str, Any]:
        """What aiohttp's connections take of the default server's directives."""
        core = self.default.core
        size = max(core.client_header_buffer_size, core.large_client_header_buffers[1])
        return {
            "max_line_size": size,
            "max_field_size": size,
            "max_headers": core.max_headers,
            "keepalive_timeout": core.keepalive_timeout[0],
            "lingering_time": core.lingering_time,
            "auto_decompress": False,
            "handler_cancellation": True,
        }

    async def lifetime(self, app: web.Application) -> AsyncIterator[None]:
        """Between startup and cleanup."""
        await self.open()
        yield
        await self.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The handler of every path."""
        client = self._client(request)
        sink = WebSink(request, client, self.clock)
        head = self.read_head(head_bytes(request))
        refused = head if isinstance(head, RefusedHead) else None
        r = self._new_request(refused.head if refused else cast(RequestHead, head), client, sink)
        status = refused.status if refused else _refusal(request, r)
        if refused is not None and refused.message:
            r.log(Severity.INFO, refused.message)
        self.requests += 1
        self.running += 1
        try:
            rest = answer(r, status) if status else begin(r)
            if rest is None:
                await _finish(r, sink)
            else:
                await self._continue(r, sink, rest)
        finally:
            self.running -= 1
        return sink.response

    def count(self) -> Counts:
        """The connections by what they do now; aiohttp reads their heads."""
        active = sum(not client.closed for client in self.clients.values())
        waiting = max(0, active - self.running)
        return Counts(active, 0, self.running, waiting, self.accepted, self.requests)

    async def _continue(self, r: Request, sink: WebSink, rest: Coroutine[Any, Any, None]) -> None:
        """What has to wait waits in a task of its own, which can outlive its client."""
        task = asyncio.create_task(_finish(r, sink, rest))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._leave(r, task)
            raise

    def _leave(self, r: Request, task: asyncio.Task[None]) -> None:
        """The client is gone: so is its request, unless it goes on regardless."""
        if not r.ignore_abort:
            task.cancel()
        self.abandoned.add(task)
        task.add_done_callback(self.abandoned.discard)

    def _client(self, request: web.Request) -> Client:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        client = self.clients.get(transport)
        if client is None:
            self.accepted += 1
            client = self.clients[transport] = Client(transport, self.accepted)
        client.requests += 1
        return client

    def _new_request(self, head: RequestHead, client: Client, sink: WebSink) -> Request:
        r = request_of(head, client, sink, self.names)
        if self.names.has_regexes:
            choose_server(r, self.names)
        if head.content_length > 0 or head.chunked:
            r.body_in = Body(r, sink)
        note_dropped(r)
        return r


def _refusal(request: web.Request, r: Request) -> int:
    """A body that another application's connection has decoded is not the one announced."""
    mounted = len(request.match_info.apps) > 1
    encoded = mounted and r.body_in is not None and "content-encoding" in r.index
    return UNSUPPORTED_MEDIA_TYPE if encoded else 0


async def _finish(r: Request, sink: WebSink, rest: Coroutine[Any, Any, None] | None = None) -> None:
    """Runs the rest of a request, sends the end of its answer and logs it."""
    try:
        if rest is not None:
            await rest
        await sink.finish()
    except (ConnectionResetError, asyncio.CancelledError) as error:
        if r.connection.closed:
            note_absence(r)
        elif not r.header_sent:
            r.status = CLIENT_CLOSED
        sink.cut()
        if isinstance(error, asyncio.CancelledError):
            raise
    finally:
        conclude(r)
