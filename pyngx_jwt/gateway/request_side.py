"""The request's side of an exchange: its body is read, and both are sent to one server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine
from typing import Final

from ..http.body import KeptBody, check_size, read_body, stays_in_memory, take_body
from ..http.client import BodyError, RequestBody
from ..http.failure import RequestFailed
from ..log import Severity
from ..upstream.client import PeerConnection
from ..upstream.errors import UpstreamError
from ..upstream.head import HTTP_09, PeerResponse
from ..upstream.peer import Peer
from ..upstream.queue import Queue
from .attempts import CONNECTING, Attempts
from .state import UpstreamState
from .wire import UnwritableRequest

READING_HEADER: Final = "reading response header from upstream"
_now: Final = time.monotonic


class RequestSide(Attempts):
    """Prepares the request once, and sends it at each attempt."""

    head = b""
    body: KeptBody | None = None
    sender: asyncio.Task[None] | None = None  # passes on the rest of the body
    validates = False  # the upstream is asked whether a response that was kept is still good

    def prepare(self, *, validates: bool) -> Awaitable[bool] | bool:
        """Makes the head that is sent, once the body's length is known; False if it cannot be
        written.  `validates`: asks whether a response that was kept is still good."""
        if self._has_body() and not self._takes_at_once():
            return self._prepare_with_body(validates)
        return self._prepare(validates)

    async def _prepare_with_body(self, validates: bool) -> bool:
        await self._prepare_body()
        return self._prepare(validates)

    def _prepare(self, validates: bool) -> bool:
        has_body = self.body is not None and self.body.length > 0
        self.out.sends_body, self.validates = self.streamed or has_body, validates
        return self._build()

    def _build(self) -> bool:
        try:
            self.head = self.route.wire.build(self.r, self.out, validates=self.validates)
        except UnwritableRequest as error:
            self.r.log(Severity.ERR, str(error))
            return False
        return True

    def _suits(self) -> bool:
        """Whether the server may be connected to; makes the request that is for it alone.  Raises
        RequestFailed."""
        if any(condition(self.r) in ("", "0") for condition in self.route.conditions):
            self.log(Severity.ERR, "access to upstream is denied")
            self.state.status = 502
            return False
        if self.route.conf.request_dynamic and not self._build():
            raise RequestFailed
        return True

    def _has_body(self) -> bool:
        """Whether there is a body to be read or made; if there is none its length is known."""
        r = self.r
        if r.expect_continue:
            r.continue_client()
        if not self.route.wire.takes_body:
            return False
        if self.route.wire.own_body is not None:
            return True
        main = r.root or r
        if main.discards_body or (main.body_in is None and main.body is None):
            self.out.body_length = 0 if r is main and main.content_length_in == 0 else -1
            return False
        return True

    def _takes_at_once(self) -> bool:
        """Takes the body if all of it has come with the head, and may stay in memory."""
        r, route = self.r, self.route
        if route.wire.own_body is not None or r.parent is not None:
            return False
        if route.conf.request_buffering and not stays_in_memory(r):
            return False
        body = take_body(r)
        if body is None:
            return False
        self._note_body(body)
        return True

    async def _prepare_body(self) -> None:
        """Reads the body, unless it is to be streamed, and knows its length."""
        r, conf, out = self.r, self.route.conf, self.out
        own = self.route.wire.own_body
        if own is not None:
            await read_body(r)  # which the text may contain
            data = own(r).encode("latin-1")
            self.body = KeptBody(data, length=len(data))
            out.body_length = len(data)
            return
        main = r.root or r
        streams = not conf.request_buffering and r.parent is None
        if main.chunked_in and not self.route.wire.streams_unknown_length:
            streams = False
        if streams and main.body_in is not None and main.body_in.failed:
            raise BodyError(main.body_in.failed)
        if main.body is None and streams:
            self.streamed = True
            out.chunked, out.body_length = main.chunked_in, main.content_length_in
            if not conf.pass_request_body:
                await read_body(r)
                self.streamed = False
            return
        self._note_body(await read_body(r))

    def _note_body(self, body: KeptBody) -> None:
        """The whole body has been read."""
        r, out = self.r, self.out
        main = r.root or r
        has_body = main.chunked_in or main.content_length_in >= 0
        if body.length or (r is main and has_body):
            out.body_length = body.length
        if self.route.conf.pass_request_body:
            self.body = body

    async def attempt(self) -> tuple[PeerResponse | None, str]:
        """One server: its response, or how it failed ("error", "timeout", "denied",
        "invalid_header")."""
        self.doing = CONNECTING
        queue, waited = self.destination.upstream.queue, -1.0
        if queue is None:
            peer = self.choose()
        else:
            peer, waited = await self._choose_in_turn(queue)
        name = peer.name if peer is not None else self.destination.upstream.name
        self.state = state = UpstreamState(name, self.url_at(name), started=_now())
        state.queue_time = waited
        self.r.upstream_states.append(state)
        if peer is None:
            return None, self.none_is_left()
        state.server, state.group = peer.server.name, self.destination.upstream.name
        if self.route.looks_at_servers and not self._suits():
            return None, "denied"
        try:
            connection = self.idle_connection(peer)
            if connection is None:
                connection = await self.connect(peer)
            hints = self.route.hints
            connection.on_early_hints = hints(self.r) if hints else None
            state.connect_time = _now() - state.started
            if self.out.sends_body:
                self.doing = "sending request to upstream"
                await self._send(connection)
                self.doing = READING_HEADER
            else:
                self.doing = READING_HEADER
                state.bytes_sent = len(self.head)
                self._begin(connection, self.head)
            if not connection.answered:
                await connection.answer_due()
            response = connection.answer()
        except UpstreamError as error:
            return None, self.failed(error)
        state.header_time = _now() - state.started
        state.status = response.status
        state.response = response
        state.bytes_received = connection.bytes_received
        if response.version == HTTP_09:
            state.status = 200  # so nginx has it in $upstream_status
        if response.remark is not None:
            self.log(*response.remark)
        return response, ""

    async def _choose_in_turn(self, queue: Queue) -> tuple[Peer | None, float]:
        """A server, and how long the request has waited for it (-1: not at all)."""
        peer = None if queue.is_used else self.choose()
        if peer is not None:
            return peer, -1.0
        began = _now()
        return await self.wait_for_server(queue), _now() - began

    async def _send(self, connection: PeerConnection) -> None:
        head = self.head
        self.state.bytes_sent = len(head)
        if self.streamed:
            await self._stream_body(connection, head)
            return
        body = self.body
        assert body is not None
        if body.fd < 0:
            self._begin(connection, head + self._frame(body.data, last=True))
            await connection.drain()
            return
        self._begin(connection, head, more=True)
        sending = self._send_file(connection, body)
        await (self._until_answered(connection, sending) if connection.goes_on else sending)

    async def _send_file(self, connection: PeerConnection, body: KeptBody) -> None:
        for data in body.chunks():
            if not connection.wants_request:
                return
            connection.write(self._frame(data, last=False))
            await connection.drain()
        connection.write(self._frame(b"", last=True), more=False)

    def _frame(self, data: bytes, *, last: bool) -> bytes:
        """Data of the body as the protocol sends them."""
        data = self.route.wire.frame(self.out, data, last=last)
        self.state.bytes_sent += len(data)
        return data

    def _begin(self, connection: PeerConnection, data: bytes, *, more: bool = False) -> None:
        connection.begin(
            data, self.settings, head=self.out.is_head, more=more, reader=self.out.reader
        )

    async def _stream_body(self, connection: PeerConnection, head: bytes) -> None:
        """Passes the body on as it comes in; once begun, no other server can have it."""
        r = self.r
        source = r.main.body_in
        assert source is not None
        piece, last = self._piece(source, source.at_hand())
        self._begin(connection, head + piece, more=not last)
        if last:
            await connection.drain()
            return
        await self._until_answered(connection, self._stream_rest(connection, source))

    async def _until_answered(
        self, connection: PeerConnection, sending: Coroutine[None, None, None]
    ) -> None:
        """Sends what goes on even when the response is on its way already."""
        if self.sender is not None:  # to a server that has failed
            self.stop_sending(self.sender)
        self.sender = sender = asyncio.create_task(sending)
        answer = asyncio.create_task(connection.wait())
        try:
            await asyncio.wait((sender, answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answer.cancel()
        if sender.done():
            sender.result()

    async def _stream_rest(self, connection: PeerConnection, source: RequestBody) -> None:
        last = False
        try:
            await connection.drain()
            while not last:
                piece, last = self._piece(source, await source.read())
                connection.write(piece, more=not last)
                await connection.drain()
        except (BodyError, UpstreamError):
            if connection.response is None:
                raise
            connection.close()

    def _piece(self, source: RequestBody, data: bytes) -> tuple[bytes, bool]:
        """Data of the request body as they are sent, and whether they are the last."""
        check_size(self.r, source.received, len(data))
        return self._frame(data, last=source.complete), source.complete

    def stop_sending(self, sender: asyncio.Task[None]) -> None:
        """The rest of the body is of no more use."""
        if not sender.cancel() and not sender.cancelled():
            sender.exception()  # it has been met otherwise
