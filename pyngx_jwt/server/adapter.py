"""aiohttp's side of a request: its connection, head and body, and where its answer goes."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, cast
from weakref import ref

from aiohttp import web

from ..http.client import BodyError, ForeignTls, Tunnel, TunnelSide
from ..http.request import Request
from ..http1.response_head import DateClock, build_head
from ..log import Severity
from .connection import ClientConnection, tcp_info_of
from .framing import drop_body
from .pushing import HIGH_WATER, PushingSink

ADDED = frozenset({"Server", "Content-Type"})  # by aiohttp, where we have none
UNWANTED = web.ResponseKey("UNWANTED", frozenset)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def head_bytes(request: web.Request) -> bytes:
    """The head as it was before aiohttp took it apart, for our own reader."""
    version = request.version
    line = f"{request.method} {request.raw_path} HTTP/{version.major}.{version.minor}"
    lines = [line.encode("utf-8", "surrogateescape")]
    lines += [name + b": " + value for name, value in request.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class AiohttpTls(ForeignTls):
    """The TLS of aiohttp's transport."""

    def __init__(self, ssl_object: ssl.SSLObject) -> None:
        self.version = ssl_object.version() or ""
        self.cipher = (ssl_object.cipher() or ("",))[0]
        self.alpn = ssl_object.selected_alpn_protocol() or ""
        self.is_resumed = bool(ssl_object.session_reused)
        self.ciphers = [name for name, _, _ in ssl_object.shared_ciphers() or ()]
        session = ssl_object.session
        self.session_id = session.id if session is not None else b""


class Client(ClientConnection):
    """The Connection of a request, of what aiohttp's transport knows."""

    def __init__(self, transport: asyncio.Transport, number: int) -> None:
        super().__init__(number)
        self._transport = ref(transport)
        self.start = time.time()
        ssl_object = transport.get_extra_info("ssl_object")
        self.ssl = AiohttpTls(ssl_object) if ssl_object is not None else None
        self.take_addresses(
            transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        )

    @property
    def closed(self) -> bool:
        transport = self._transport()
        return transport is None or transport.is_closing()

    def tcp_info(self) -> bytes:
        transport = self._transport()
        return tcp_info_of(transport.get_extra_info("socket") if transport else None)


class Body:
    """The request body as aiohttp hands it out."""

    failed = 0  # aiohttp answers itself

    def __init__(self, r: Request, sink: WebSink) -> None:
        self._r, self._sink = r, sink
        self._content = sink.request.content
        self.received = 0
        self.complete = False

    @property
    def consumed(self) -> int:
        """Without the framing, which aiohttp has taken off."""
        return self.received

    async def read(self) -> bytes:
        """The next bytes, b"" at the end; raises BodyError."""
        r = self._r
        try:
            async with asyncio.timeout(r.location.core.client_body_timeout):
                data = await self._content.readany()
        except TimeoutError:
            r.log(Severity.INFO, "client timed out (110: Connection timed out)")
            raise BodyError(408) from None
        except (web.RequestPayloadError, ConnectionError):
            r.log(Severity.INFO, "client sent invalid or incomplete body")
            raise BodyError(400) from None
        return self._taken(data)

    def at_hand(self) -> bytes:
        """What has come and was not read yet."""
        try:
            return self._taken(self._content.read_nowait())
        except (web.RequestPayloadError, ConnectionError):
            return b""  # read() will raise it

    def expect_all(self) -> None:
        """aiohttp keeps its own pace."""

    def _taken(self, data: bytes) -> bytes:
        self.received += len(data)
        self.complete = self._content.at_eof()
        return data


class _Head:
    """The head of an answer as aiohttp takes it: its own words for what the engine wrote."""

    __slots__ = ("fields", "keep_alive", "reason", "status")

    def __init__(self, head: bytes, keep_alive: bool) -> None:
        first, *lines = _as_utf8(head).split("\r\n")[:-2]
        _, status, *reason = first.split(" ", 2)
        self.status, self.reason, self.keep_alive = int(status), "".join(reason), keep_alive
        pairs = (line.partition(": ")[::2] for line in lines)
        # aiohttp frames the body
        self.fields = [pair for pair in pairs if pair[0] != "Transfer-Encoding"]

    def stream(self) -> web.StreamResponse:
        """A response whose body comes bit by bit."""
        return self._complete(web.StreamResponse(status=self.status, reason=self.reason))

    def whole(self, body: bytes) -> web.StreamResponse:
        """A response with its body, which goes out in one piece."""
        return self._complete(web.Response(status=self.status, reason=self.reason, body=body))

    def _complete(self, response: web.StreamResponse) -> web.StreamResponse:
        response.headers.clear()
        response.headers.extend(self.fields)
        response[UNWANTED] = frozenset(name for name in ADDED if name not in response.headers)
        if not self.keep_alive:
            response.force_close()
        return response


def _as_utf8(data: bytes) -> str:
    """aiohttp writes UTF-8: bytes that are something else cannot go through it."""
    return data.decode("utf-8", "replace")


async def remove_additions(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Leaves an answer of ours with the fields that the engine gave it, and no others."""
    for name in response.get(UNWANTED, ()):
        response.headers.pop(name, None)


class WebSink(PushingSink):
    """Takes an answer from the engine, which does not wait, for aiohttp, which does."""

    def __init__(self, request: web.Request, client: Client, clock: DateClock) -> None:
        super().__init__(client)
        self.request = request
        self.response: web.StreamResponse = web.StreamResponse()  # never sent as it is
        self._clock = clock
        self._head: _Head | None = None
        self._pushing = asyncio.Lock()

    # -- for the engine --------------------------------------------------------------------

    def header(self, r: Request) -> None:
        drop_body(r)
        has_body = not (r.header_only or r.upgraded)
        r.chunked_out = r.content_length < 0 and r.http_version > 1000 and has_body
        switches = r.upgraded and r.status == 101
        head = build_head(r, self._clock, "Connection: upgrade\r\n" if switches else "")
        self.r, self._head = r, _Head(head, r.keep_alive)
        r.header_size = len(head)
        self.count(r.header_size)

    async def drain(self) -> None:
        """Waits until aiohttp has taken all; raises ConnectionResetError if it cannot."""
        try:
            await self.push()
        except TimeoutError:
            assert self.r is not None
            self.r.log(Severity.INFO, "client timed out (110: Connection timed out)")
            raise ConnectionResetError from None

    # -- tunnels ---------------------------------------------------------------------------

    @property
    def tunnel(self) -> Tunnel:
        return self

    def start_tunnel(self, side: TunnelSide) -> None:
        """From now on the client's bytes go to ``side``."""
        self.request.protocol.set_parser(cast(Any, _Tunnel(side)))

    def stop_tunnel(self) -> None:
        """The connection ends with its tunnel."""

    def pause_reading(self) -> None:
        self.request.protocol.pause_reading()

    def resume_reading(self) -> None:
        if self.request.transport is not None:
            self.request.protocol.resume_reading()

    # -- for aiohttp -----------------------------------------------------------------------

    def send_continue(self) -> None:
        if self.request.transport is not None:
            self.request.transport.write(CONTINUE)

    async def push(self) -> None:
        async with self._pushing:
            if not self.response.prepared:
                await self._begin()
            while self.parts:
                data = self.take()
                for at in range(0, len(data), HIGH_WATER):
                    await self._write(data[at : at + HIGH_WATER])
            if self.ended:
                await self.response.write_eof()

    async def _begin(self) -> None:
        head = self._head
        assert head is not None
        if self.ended and 0 < self.held <= HIGH_WATER:
            self.response = head.whole(self.take())
        else:
            self.response = head.stream()
        await self.response.prepare(self.request)

    async def _write(self, data: bytes) -> None:
        assert self.r is not None
        async with asyncio.timeout(self.r.location.core.send_timeout):
            await self.response.write(data)

    async def finish(self) -> None:
        """Sends the end of the answer, or cuts it where it ended too early."""
        if self.r is not None:
            await self.drain()
        if not self.ended:
            self.cut()

    def cut(self) -> None:
        """Closes, so that what was sent is not taken for the whole answer."""
        self.response.force_close()
        if self.request.transport is not None:
            self.request.transport.close()


class _Tunnel:
    """What aiohttp feeds with the bytes of an upgraded connection."""

    def __init__(self, side: TunnelSide) -> None:
        self._side = side

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._side.client_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._side.client_closed()
