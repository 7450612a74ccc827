"""The compiled configuration as an ASGI application, with an application of yours behind it.

``uvicorn module:app`` with ``app = pyngx_jwt.asgi.application("nginx.conf", app=FastAPI())`` runs
pyngx and FastAPI in one process: locations with "pyngx_app" pass requests to FastAPI.
"""

from __future__ import annotations

import asyncio
import os
from typing import cast
from urllib.parse import unquote_to_bytes

from .http.body import read_body
from .http.client import BodyError
from .http.digits import number_of
from .http.engine import answer, begin, conclude
from .http.head import RequestHead
from .http.incoming import choose_server, request_of
from .http.lifecycle import leave, note_absence, note_dropped
from .http.request import Request, Status
from .http.status import DONE
from .http.uri import escape_uri
from .http1.head_types import RefusedHead
from .log import Severity
from .modules.hosted import Hosted
from .server.asgi import (
    App,
    AsgiBody,
    AsgiClient,
    AsgiSink,
    Message,
    Receive,
    Scope,
    Send,
    checked,
    head_bytes,
)
from .server.door import Door, load_door_of

# Ours to send, or of the connection; the engine frames the body.
NOT_COPIED = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})
# Of the server's extensions: those that are more than kinds of messages, which would be for us.
PASSED_EXTENSIONS = frozenset({"tls"})
NOT_FOUND = 404


def application(
    conf_file: str | os.PathLike[str] = "nginx.conf",
    app: App | None = None,
    *,
    prefix: str | os.PathLike[str] | None = None,
    listen: str | None = None,
    allow_unsupported: bool = False,
    jwt_dialect: str = "",
) -> App:
    """The servers of a configuration as an ASGI application to run or mount.

    Requests in locations with "pyngx_app" are passed to ``app``.  The other parameters are those
    of ``pyngx_jwt.application``.  Raises ConfError and ValueError.
    """
    cycle, names = load_door_of(
        conf_file, prefix, listen, allow_unsupported=allow_unsupported, jwt_dialect=jwt_dialect
    )
    door = Door(cycle, names)
    if app is not None:
        cycle.scope.shared(Hosted).call = _Inner(app).call
    return _Outer(door, app)


class _Outer:
    """What the ASGI server calls; servers look for a coroutine function of this name."""

    def __init__(self, door: Door, app: App | None) -> None:
        self._door, self._app = door, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:  # a WebSocket, which no location can have admitted
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Our start is before that of the application behind us, and our end after its end."""
        await self._door.open()
        try:
            if self._app is not None:
                await self._app(scope, receive, send)
                return
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            await self._door.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._door
        door.accepted += 1
        door.requests += 1
        client = AsgiClient(scope, door.accepted)
        sink = AsgiSink(scope, send, client, door.clock)
        head = door.read_head(head_bytes(scope))
        refused = head if isinstance(head, RefusedHead) else None
        known = refused.head if refused else cast(RequestHead, head)
        r = request_of(known, client, sink, door.names)
        if door.names.has_regexes:
            choose_server(r, door.names)
        watching: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()

        def watch() -> None:
            watching.append(loop.create_task(client.watch(receive, lambda: leave(r, task))))

        if r.content_length_in > 0 or r.chunked_in:
            r.body_in = AsgiBody(r, receive, client, watch)
        note_dropped(r)
        if client.strange:
            r.log(Severity.WARN, f'no IP address of a client: "{client.strange}"')
        if refused is not None and refused.message:
            r.log(Severity.INFO, refused.message)
        status = refused.status if refused else _refusal(r, scope)
        door.running += 1
        task = loop.create_task(_finish(r, sink, status))
        if r.body_in is None:
            watch()
        try:
            await asyncio.wait([task])
        finally:  # the server itself may give up the request
            task.cancel()
            for watcher in watching:
                watcher.cancel()
            door.running -= 1


def _refusal(r: Request, scope: Scope) -> Status:
    """404 for dots that lead out of where we are mounted: what is there is not ours to serve,
    and an application behind would take the path for one without its root."""
    root = scope.get("root_path", "").encode().rstrip(b"/")
    target = unquote_to_bytes(scope.get("raw_path") or scope["path"])
    if not root or not _is_under(target, root) or _is_under(r.uri.encode("latin-1"), root):
        return 0
    r.log(Severity.INFO, f'"{r.uri}" is not under "{scope["root_path"]}"')
    return NOT_FOUND


def _is_under(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root + b"/")


async def _finish(r: Request, sink: AsgiSink, status: Status) -> None:
    """A request from its first phase to its log."""
    try:
        rest = answer(r, status) if status else begin(r)
        if rest is not None:
            await rest
        await sink.finish()
    except ConnectionResetError:
        note_absence(r)
    finally:
        conclude(r)


class _Inner:
    """The application behind a configuration, for the content phase."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def call(self, r: Request) -> Status:
        """Answers with what the application sends; an application that fails is a 500."""
        if _is_split(r):
            r.log(Severity.ERR, "line break in a request to the application, which does not get it")
            return 500
        exchange = _Exchange(r)
        try:
            await self._app(exchange.scope(), exchange.receive, exchange.send)
        except (BodyError, ConnectionResetError):
            raise
        except Exception as error:
            r.log(Severity.ERR, f"the application failed: {error!r}")
        if not r.header_sent:
            return 500
        if not r.response_done:
            r.sink.abort()
        return DONE


def _is_split(r: Request) -> bool:
    """Whether a variable that the configuration put there holds what cannot be in a request: an
    application that passes the request on would send other headers, or two requests."""
    texts = [r.args, *(text for pair in r.headers_in for text in pair)]
    return any(char in text for text in texts for char in "\r\n\0")


class _Exchange:
    """One request of the application behind."""

    def __init__(self, r: Request) -> None:
        self._r = r
        self._status = 200
        self._given = False

    def scope(self) -> Scope:
        """As the request is after all phases: its URI and headers may be others by now.

        The path is what was guarded, escaped anew: one that was decoded would be decoded again
        by what an application passes it on to."""
        r = self._r
        outer: Scope = r.main.sink.scope if isinstance(r.main.sink, AsgiSink) else {}
        headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in r.headers_in]
        address, port = r.connection.remote_addr, r.connection.remote_port
        scope = {
            **outer,
            "type": "http",
            "method": r.method,
            "path": r.uri.encode("latin-1").decode("utf-8", "replace"),
            "raw_path": escape_uri(r.uri).encode("latin-1"),
            "query_string": r.args.encode("latin-1"),
            "headers": headers,
            "client": (address, int(port or 0)),
        }
        if "extensions" in outer:
            given = outer["extensions"] or {}
            scope["extensions"] = {n: v for n, v in given.items() if n in PASSED_EXTENSIONS}
        return scope

    async def receive(self) -> Message:
        r = self._r
        if r.body is not None and not self._given:  # some phase has read it
            self._given = True
            whole = b"".join((await read_body(r)).chunks())
            return {"type": "http.request", "body": whole, "more_body": False}
        source = r.body_in
        if self._given or (source is None and r.main is not r):
            return await self._gone()
        data = await checked(r)
        self._given = source is None or source.complete
        return {"type": "http.request", "body": data, "more_body": not self._given}

    async def _gone(self) -> Message:
        """Waits for the end of the client."""
        sink = self._r.main.sink
        assert isinstance(sink, AsgiSink)  # nothing else calls an application
        await sink.asgi_client.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        r = self._r
        if message["type"] == "http.response.start":
            r.status = message["status"]
            for name, value in message.get("headers", ()):
                self._copy(name.decode("latin-1"), value.decode("latin-1"))
            return
        if message["type"] != "http.response.body":
            raise ValueError(f"no message of a response: {message['type']!r}")
        if not r.header_sent:
            r.send_header()
        data = message.get("body", b"")
        if data and not r.header_only:
            await r.send(data)
        if not message.get("more_body", False):
            r.finish()

    def _copy(self, name: str, value: str) -> None:
        """A header of the application's response."""
        r, lower = self._r, name.lower()
        if lower == "content-length":
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"not a Content-Length: {value!r}")
            r.content_length = number_of(value)
        elif lower == "content-type":
            r.content_type = value
        elif lower == "etag":
            r.etag = value
        elif lower == "content-encoding":
            r.content_encoding = value
            r.add_header(name, value)
        elif lower not in NOT_COPIED:
            r.add_header(name, value)
