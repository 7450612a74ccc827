"""An ASGI server's side of a request: its connection, head and body, and where its answer goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from ..http.body import check_size
from ..http.client import BodyError, ForeignTls
from ..http.request import Request
from ..http1.response_head import DateClock, build_head
from ..log import Severity
from .connection import ClientConnection, packed_address
from .framing import drop_body
from .pushing import PushingSink

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
_End = Sequence[Any] | None  # of a connection: host and port

HOP_BY_HOP = frozenset({b"connection", b"transfer-encoding", b"keep-alive"})
_BREAKS = bytes.maketrans(b"\r\n", b"\0\0")
_NAME_BREAKS = bytes.maketrans(b"\r\n:", b"\0\0\0")


def head_bytes(scope: Scope) -> bytes:
    """The request head as one of HTTP/1, for our own reader.

    What would end a line or a name there becomes a NUL, which our reader refuses (400): it must
    not begin another header."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe="/:@!$&'()*+,;=~-._").encode()
    query: bytes = scope.get("query_string", b"")
    target = path + (b"?" + query if query else b"")
    version = b"1.0" if scope.get("http_version") == "1.0" else b"1.1"
    lines = [scope["method"].encode("latin-1") + b" " + target + b" HTTP/" + version]
    lines += [name.translate(_NAME_BREAKS) + b": " + value for name, value in scope["headers"]]
    return b"\r\n".join([line.translate(_BREAKS) for line in lines]) + b"\r\n\r\n"


class AsgiClient(ClientConnection):
    """The connection of one request: ASGI does not say which requests share one."""

    def __init__(self, scope: Scope, number: int) -> None:
        super().__init__(number)
        self.start = time.time()
        self.requests = 1
        self.closed = False
        self.gone = asyncio.Event()
        self.ssl = ForeignTls() if scope.get("scheme") == "https" else None
        self.strange = ""  # what is no address of a client, for the log
        self._take(scope.get("client"), scope.get("server"))

    def _take(self, peer: _End, own: _End) -> None:
        """Notes both ends, of which the server may know neither.  A proxy that the server trusts
        may have sent anything as the address of its client."""
        if own and own[1] is None:
            self.server_addr = f"unix:{own[0]}"
        elif own:
            self.server_addr, self.server_port = own[0], str(own[1])
        if not peer:
            if not self.server_addr.startswith("unix:"):
                self.forget_peer()
            return
        try:
            self.binary_remote_addr = packed_address(peer[0])
        except (OSError, ValueError):
            self.strange = peer[0]
            self.forget_peer()
        else:
            self.remote_addr, self.remote_port = peer[0], str(peer[1] or "")

    def tcp_info(self) -> bytes:
        return b""

    async def watch(self, receive: Receive, leave: Callable[[], object]) -> None:
        """Waits for the end of the client; only once nothing of the body is to come."""
        while (await receive())["type"] != "http.disconnect":
            continue
        self.closed = True
        self.gone.set()
        leave()


class AsgiBody:
    """The request body as an ASGI server hands it out."""

    failed = 0  # the server answers itself

    def __init__(
        self, r: Request, receive: Receive, client: AsgiClient, ended: Callable[[], None]
    ) -> None:
        self._r, self._receive, self._client, self._ended = r, receive, client, ended
        self.received = 0
        self.complete = False

    @property
    def consumed(self) -> int:
        """Without the framing, which the server has taken off."""
        return self.received

    async def read(self) -> bytes:
        """The next bytes, b"" at the end; raises BodyError."""
        r = self._r
        while not self.complete:
            try:
                async with asyncio.timeout(r.location.core.client_body_timeout):
                    message = await self._receive()
            except TimeoutError:
                r.log(Severity.INFO, "client timed out (110: Connection timed out)")
                raise BodyError(408) from None
            if message["type"] != "http.request":
                self._client.closed = True
                r.log(Severity.INFO, "client sent invalid or incomplete body")
                raise BodyError(400)
            if not message.get("more_body", False):
                self.complete = True
                self._ended()
            data: bytes = message.get("body", b"")
            self.received += len(data)
            if data:
                return data
        return b""

    def at_hand(self) -> bytes:
        """Nothing can be had without waiting."""
        return b""

    def expect_all(self) -> None:
        """The server keeps its own pace."""


class AsgiSink(PushingSink):
    """Takes an answer from the engine, which does not wait, for a server, which does."""

    tunnel = None

    def __init__(self, scope: Scope, send: Send, client: AsgiClient, clock: DateClock) -> None:
        super().__init__(client)
        self.scope, self.asgi_client = scope, client
        self._send, self._clock = send, clock
        self._start: Message | None = None
        self._done = False
        self._pushing = asyncio.Lock()

    # -- for the engine --------------------------------------------------------------------

    def header(self, r: Request) -> None:
        drop_body(r)
        self.r = r
        head = build_head(r, self._clock, "")
        first, *lines = head.split(b"\r\n")[:-2]
        pairs = [line.partition(b": ")[::2] for line in lines]
        headers = [(name.lower(), value) for name, value in pairs]
        self._start = {
            "type": "http.response.start",
            "status": int(first.split(b" ")[1]),
            "headers": [pair for pair in headers if pair[0] not in HOP_BY_HOP],
        }
        r.header_size = len(head)
        self.count(r.header_size)

    async def drain(self) -> None:
        """Waits until the server has taken all; raises ConnectionResetError if it cannot."""
        try:
            await self.push()
        except OSError:
            self.asgi_client.closed = True
            raise ConnectionResetError from None

    def send_continue(self) -> None:
        """The server does so when its application asks for the body."""

    # -- for the server --------------------------------------------------------------------

    async def push(self) -> None:
        async with self._pushing:
            start, self._start = self._start, None
            if start is not None:
                await self._send(start)
            while self.parts:
                data = self.take()
                last = self.ended and not self._done
                self._done = self._done or last
                await self._send(
                    {"type": "http.response.body", "body": data, "more_body": not last}
                )
            if self.ended and not self._done:
                self._done = True
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def finish(self) -> None:
        """Sends the end of the answer, as far as there is one: a server cuts one without."""
        if self.r is not None:
            await self.drain()


async def checked(r: Request) -> bytes:
    """The next bytes of the body, if that is not too large."""
    source = r.body_in
    if source is None:
        return b""
    data = await source.read()
    check_size(r, source.received, len(data))
    return data
