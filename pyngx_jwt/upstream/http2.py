"""HTTP/2 towards upstreams (ngx_http_proxy_v2_module, ngx_http_grpc_module).

As in nginx there is one stream at a time on a connection, and a connection that is free serves the
next request.  A request's head is handed over as lines, the pseudo-header fields first, with an
empty line behind them; responses are those of `PeerConnection`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import ClassVar, Final, cast

from ..http2 import frames
from ..http2.blocks import BlockReader, Field, write_block
from ..http2.frames import MAX_WINDOW, Fault
from ..http2.link import Link
from ..http2.stream import Stream
from ..log import Severity
from .address import PeerAddress
from .body import Counted, Decoder, UntilClose
from .client import MOST_INTERIM, PeerConnection, PeerSettings
from .errors import TIMED_OUT, BadResponse, SendTimeout
from .head import EARLY_HINTS, Headers, PeerResponse, apply_framing
from .layer import Layer
from .reader import HTTP1, ResponseReader

HTTP_20 = 2000
WINDOW = 131072  # bytes of a body that may be on their way or wait here, at the least
AHEAD = 16384  # bytes of a request that may wait for a window: those that come can join them
LAST_ID = 2**30  # of a stream that is begun: a connection that has used up more is not kept
TABLE_SIZE = 0  # bytes that servers may have remembered of heads, as in nginx
TOO_LARGE = "upstream sent response body larger than indicated content length"
CUT_OFF = "upstream prematurely closed stream"

_BODILESS: Final = frozenset({204, 304})
_NAME = re.compile(r":?[^\x00-\x20:A-Z\x7f]*").fullmatch
_VALUE = re.compile(r"[^\0\r\n]*").fullmatch
_GREETING = (
    frames.PREFACE
    + frames.settings(
        (
            (frames.HEADER_TABLE_SIZE, TABLE_SIZE),
            (frames.ENABLE_PUSH, 0),
            (frames.INITIAL_WINDOW_SIZE, WINDOW),
        )
    )
    + frames.window_update(0, MAX_WINDOW - frames.DEFAULT_WINDOW)
)


class Http2Reader:
    """Responses as a cache keeps them: in the frames of their heads, as nginx does."""

    new_layer: Callable[[], Layer] | None = None

    def __init__(self, *, is_empty_known: bool) -> None:
        self.excess_level = Severity.WARN
        self.is_empty_known = is_empty_known  # a head that ends its stream has a length of 0

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        """The head that begins at `at`; one of HTTP/1 was kept before the location changed."""
        if data.startswith(b"HTTP/", at):
            return HTTP1.parse_head(data, buffer_size, at)
        try:
            fields = _kept_fields(data[at:])
        except Fault as error:
            raise BadResponse(str(error)) from None
        return None if fields is None else read_response(fields, len(data) - at)

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        return UntilClose() if response.length < 0 else Counted(response.length)

    def excess(self, response: PeerResponse) -> str:
        return TOO_LARGE


HTTP2, GRPC = Http2Reader(is_empty_known=False), Http2Reader(is_empty_known=True)


def _kept_fields(data: bytes) -> list[Field] | None:
    """The fields in the HEADERS and CONTINUATION frames among others, None without a whole
    block."""
    at = 0
    blocks = BlockReader("cache", len(data), len(data) * 64, TABLE_SIZE)
    while len(data) - at >= frames.HEADER_SIZE:
        word, flags, _ = frames.header_at(data, at)
        begin, at = at + frames.HEADER_SIZE, at + frames.HEADER_SIZE + (word >> 8)
        if at > len(data):
            return None
        if word & 0xFF not in (frames.HEADERS, frames.CONTINUATION):
            continue
        payload = data[begin:at]
        if word & 0xFF == frames.HEADERS:
            padding = payload[0] if flags & frames.PADDED else 0
            payload = payload[bool(flags & frames.PADDED) : len(payload) - padding]
            payload = payload[5 if flags & frames.PRIORITIZED else 0 :]
        fields = blocks.feed(payload, last=bool(flags & frames.END_HEADERS))
        if fields is not None:
            return fields
    return None


def read_response(fields: list[Field], size: int) -> PeerResponse:
    """A response from the fields of its head; raises BadResponse in nginx's words."""
    status = ""
    headers: Headers = []
    for name, value in fields:
        _check(name, value)
        if name.startswith(":"):
            if name != ":status":
                raise BadResponse(f'upstream sent invalid header "{name}: {value}"')
            if status:
                raise BadResponse("upstream sent duplicate :status header")
            status = value
            if len(status) != 3 or not (status.isascii() and status.isdigit()):
                raise BadResponse(f'upstream sent invalid :status "{status}"')
        elif not status:
            raise BadResponse("upstream sent no :status header")
        else:
            headers.append((name, value))
    if not status:
        raise BadResponse("upstream sent no :status header")
    code = int(status)
    if code < 200 and code != EARLY_HINTS:
        raise BadResponse(f'upstream sent unexpected :status "{status}"')
    response = PeerResponse(code, "", HTTP_20, headers, [name for name, _ in headers], size)
    if code != EARLY_HINTS:
        apply_framing(response)
        response.chunked = response.close = False  # neither is a matter of fields
    return response


def _check(name: str, value: str) -> None:
    if not (_NAME(name) and _VALUE(value)):
        raise BadResponse(f'upstream sent invalid header: "{name}: {value}"')


def _split_head(head: bytes) -> list[Field]:
    """The fields of a request from its lines."""
    fields: list[Field] = []
    for line in head.decode("latin-1").split("\r\n"):
        mark = line.index(": ", 1)
        fields.append((line[:mark], line[mark + 2 :]))
    return fields


class RequestStream(Stream):
    """A request and its response."""

    __slots__ = ("on_room", "sent_bytes")

    def __init__(self, link: Link, number: int, window: int, on_room: Callable[[], None]) -> None:
        super().__init__(link, number, window)
        self.on_room = on_room
        self.sent_bytes = 0  # of the body

    def sent(self, size: int, payload: int) -> None:
        self.sent_bytes += payload

    @property
    def held_bytes(self) -> int:
        """How much of the body waits."""
        return sum(map(len, self._held))

    def wake(self) -> None:
        self.on_room()


class Http2Connection(PeerConnection):
    """A connection that speaks HTTP/2."""

    __slots__ = (
        *("_begun_now", "_blocks", "_cut", "_goaway", "_is_reset", "_last_id", "_left", "_link"),
        *("_stream", "_window"),
    )
    alpn: ClassVar[tuple[str, ...]] = ("h2",)
    goes_on = True

    def __init__(self, loop: asyncio.AbstractEventLoop, address: PeerAddress) -> None:
        super().__init__(loop, address)
        self._blocks = BlockReader("upstream", 0, 0, TABLE_SIZE)
        self._link = Link(loop, self, self._blocks, "upstream")
        self._link.largest_frame = frames.DEFAULT_FRAME_SIZE
        self._link.recv_window = MAX_WINDOW  # what a stream may send is bounded by its own
        self._stream: RequestStream | None = None
        self._last_id = -1
        self._window = WINDOW  # of the stream
        self._left = -1  # bytes of the body that are to come, -1 if nobody knows
        self._begun_now = False  # the response's head is in the bytes that are being read
        self._goaway = self._is_reset = False
        self._cut = False  # the server does not want the rest of the request

    # -- for the user --

    def begin(
        self,
        data: bytes,
        settings: PeerSettings,
        *,
        head: bool = False,
        more: bool = False,
        reader: ResponseReader = HTTP2,
    ) -> None:
        self._forget_stream()
        self._is_reset = self._cut = False
        super().begin(data, settings, head=head, more=more, reader=reader)

    def _open(self, data: bytes) -> None:
        """Sends the head of a request, and what is there of its body."""
        settings = self._settings
        self._blocks.limit(settings.buffer_size, settings.buffer_size)
        head, _, body = data.partition(b"\r\n\r\n")
        self._last_id = number = self._last_id + 2
        self._window = max(WINDOW, settings.buffers)
        link = self._link
        stream = self._stream = RequestStream(link, number, self._window, self._wake_writer)
        link.streams[number] = stream
        ends = not body and not self._more
        stream.send_headers(write_block(_split_head(head)), end=ends)
        if self._window > WINDOW:
            link.widen(number, self._window - WINDOW)
        if not ends:
            self._put(stream, body)

    def write(self, data: bytes, *, more: bool = True) -> None:
        self._more = more
        if self._stream is not None and not self._lost:
            self._put(self._stream, data)
            self.touch()

    def _put(self, stream: Stream, data: bytes) -> None:
        """Sends bytes of the body; the end goes with the last ones."""
        if self._more:
            stream.send(data)
        else:
            stream.send_last(data)

    @property
    def wants_request(self) -> bool:
        return self._error is None and not (self._lost or self._is_reset)

    async def drain(self) -> None:
        """Waits for the windows of the server as well."""
        stream, answered = self._stream, self.answered
        most = AHEAD if self._more else 0
        while stream is not None and (stream.held_bytes > most or self._write_full):
            if self._lost or self._error is not None or self.answered != answered:
                return
            self._unsent = self._unsent_bytes
            await self._writable(self._settings.send_timeout)
            if isinstance(self._error, SendTimeout):
                raise self._error

    @property
    def _unsent_bytes(self) -> int:
        """What the kernel has not taken of the body, less than nothing: its length may not be
        known, and it only matters that this gets less."""
        sent = self._stream.sent_bytes if self._stream is not None else 0
        return self._transport.get_write_buffer_size() - sent

    def _send_expired(self) -> None:
        unsent = self._unsent_bytes
        if unsent < self._unsent:
            self._unsent = unsent
            self._send_deadline = self._loop.time() + self._settings.send_timeout
        else:
            self._fail(SendTimeout(TIMED_OUT))

    @property
    def reusable(self) -> bool:
        stream = self._stream
        return (
            super().reusable
            and self._error is None
            and stream is not None
            and stream.in_closed
            and not stream.holds_data
            and not (self._cut or self._goaway)
            and not self._link.is_inside
            and self._last_id < LAST_ID
        )

    def close(self, *, flush: bool = False) -> None:
        self._link.stop()
        super().close(flush=flush)

    def park(self, timeout: float, on_end: Callable[[PeerConnection], None]) -> None:
        self._forget_stream()
        super().park(timeout, on_end)

    def _forget_stream(self) -> None:
        if self._stream is not None:
            self._link.drop(self._stream)
            self._stream = None

    # -- the transport's callbacks --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send = self._open
        self._transport.write(_GREETING)

    def data_received(self, data: bytes, *, is_unwrapped: bool = False) -> None:
        self.bytes_received += len(data)
        self._begun_now = False
        had_ended, had = self._ended, len(self._chunks)
        try:
            self._link.feed(data)
        except (Fault, BadResponse) as error:
            del self._chunks[had:]  # what comes with an error is not passed on, as in nginx
            self._refuse(error, had_ended)
            return
        if self._begun_now and self._ended and self.response is not None:
            self.response.body = b"".join(self._chunks)
            self._chunks.clear()
        if self._chunks or self._ended:
            self._wake_reader()

    def _refuse(self, error: Exception, had_ended: bool) -> None:
        """What the server sent cannot be: no more is read from it."""
        if self.on_idle_end is not None:
            self._end_idle()
            return
        if not had_ended:  # what came after the end takes it back, where both came at once
            self._ended = False
        self._fail(error if isinstance(error, BadResponse) else BadResponse(str(error)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._link.pause()

    def resume_writing(self) -> None:
        self._link.resume()
        super().resume_writing()

    # -- what frames mean --

    def begin_headers(self, number: int, flags: int) -> bool:
        stream = self._stream
        if stream is None or number != stream.id:
            raise BadResponse(f"upstream sent frame for unknown stream {number}")
        if stream.in_closed:
            raise BadResponse(f"upstream sent frame for closed stream {number}")
        return True

    def end_headers(self, number: int, fields: list[Field], length: int, end: bool) -> None:
        stream = self._stream
        assert stream is not None
        self._link.payload_bytes += length
        if self.response is not None:
            self._take_trailers(self.response, fields, end)
            stream.in_closed = True
            self._end_body()
            return
        response = read_response(fields, length)
        if response.is_interim:
            self._take_hints(response, end)
            return
        stream.in_closed = end
        self._take_response(response, fields, end)

    def _take_hints(self, response: PeerResponse, end: bool) -> None:
        if end:
            raise BadResponse(CUT_OFF)
        self._interim += 1
        if self._interim > MOST_INTERIM:
            raise BadResponse("upstream sent too many interim responses")
        if self.on_early_hints is not None:
            self.on_early_hints(response)

    def _take_response(self, response: PeerResponse, fields: list[Field], end: bool) -> None:
        bodiless = self._head_request or response.status in _BODILESS
        self._left = 0 if bodiless else response.length
        reader = cast(Http2Reader, self._reader)
        if end and response.length < 0 and reader.is_empty_known:
            response.length = 0
        if self._settings.keep_head:
            response.raw = frames.headers(1, write_block(fields), False, frames.DEFAULT_FRAME_SIZE)
        self._head_wanted, self._begun_now = False, True
        self.response = response
        self._wake_reader()
        self._wake_writer()
        if end:
            self._end_body()

    def _take_trailers(self, response: PeerResponse, fields: list[Field], end: bool) -> None:
        for name, value in fields:
            _check(name, value)
            if name.startswith(":"):
                raise BadResponse(f'upstream sent invalid trailer "{name}: {value}"')
        if not end:
            raise BadResponse("upstream sent trailer without end stream flag")
        if self._settings.pass_trailers:
            response.trailers += fields

    def take_data(self, stream: Stream, data: bytes, end: bool) -> None:
        if self.response is None:
            raise BadResponse(f"upstream sent unexpected http2 frame: {frames.DATA}")
        self._link.payload_bytes += len(data)
        if self._left >= 0:
            if len(data) > self._left:
                raise BadResponse(TOO_LARGE)
            self._left -= len(data)
        if data:
            self._chunks.append(data)
        if end:
            stream.in_closed = True
            self._end_body()
        elif not self._chunks:  # padding takes of the window, too
            self._widen()

    def _end_body(self) -> None:
        if self._left > 0:
            raise BadResponse(CUT_OFF)
        self._ended = True

    def _take(self) -> bytes:
        data = super()._take()
        self._widen()
        return data

    def _widen(self) -> None:
        """Gives back the window of what has been passed on: the rest is not here yet."""
        stream = self._stream
        if stream is None or stream.in_closed or self._lost:
            return
        passed = self._window - stream.recv_window
        if passed >= self._window // 2:
            stream.recv_window += passed
            try:
                self._link.widen(stream.id, passed)
            except Fault as error:
                self._fail(BadResponse(str(error)))

    def reset_by_peer(self, stream: Stream, code: int) -> None:
        """A server that has answered may say that it does not need the rest of the request."""
        if code or not self._ended or self._is_reset:
            raise BadResponse(f"upstream rejected request with error {code}")
        self._is_reset = True
        self._cut = self._more or stream.holds_data
        stream.forget()

    def violated(self, stream: Stream, code: int, text: str) -> None:
        raise BadResponse(text or "upstream violated flow control")

    def goes_away(self, last: int, code: int) -> None:
        if self._stream is None or last < self._stream.id:
            raise BadResponse(f"upstream sent goaway with error {code}")
        self._goaway = True

    def note(self, text: str) -> None:
        """Frames of unknown types are not worth a line."""

    def stray_data(self, number: int) -> None:
        raise BadResponse(f"upstream sent data frame for unknown stream {number}")

    def put(self, data: bytes) -> None:
        if not self._lost:
            self._transport.write(data)
