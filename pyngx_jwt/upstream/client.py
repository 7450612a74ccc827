"""One connection to an upstream: request bytes out, responses in.

Nothing here blocks or starts a task; the task that awaits receive(), read() or drain() is woken
by the protocol's callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import ClassVar, Final, cast

from ..log import errno_text
from ..tls.connection import TlsConnection
from ..tls.errors import TlsError
from .address import PeerAddress
from .body import Counted, Decoder
from .errors import (
    TIMED_OUT,
    BadResponse,
    PrematureClose,
    ReadTimeout,
    SendTimeout,
    UpstreamError,
)
from .head import EARLY_HINTS, SWITCHING_PROTOCOLS, PeerResponse
from .layer import Layer
from .reader import HTTP1, ResponseReader
from .waiting import Signal, Waiting

_BODILESS: Final = frozenset({204, 304})
PREMATURE: Final = "upstream prematurely closed connection"
LONG_PIECE: Final = 32768  # bytes of a body that are better not copied; a frame of HTTP/2 has fewer
MOST_INTERIM: Final = 1000  # responses before the final one


class PeerSettings:
    """What a location says about its upstream connections.  Times are seconds."""

    __slots__ = (
        "buffer_size",
        "buffers",
        "connect_timeout",
        "keep_head",
        "pass_trailers",
        "read_timeout",
        "send_timeout",
        "socket_keepalive",
    )

    def __init__(
        self,
        connect_timeout: float = 60.0,
        send_timeout: float = 60.0,
        read_timeout: float = 60.0,
        buffer_size: int = 4096,
        buffers: int = 65536,
        pass_trailers: bool = False,
        socket_keepalive: bool = False,
        keep_head: bool = False,
    ) -> None:
        self.connect_timeout = connect_timeout  # TLS handshake included
        self.send_timeout = send_timeout  # between two successes in sending
        self.read_timeout = read_timeout  # for the whole head, and between two reads of the body
        self.buffer_size = buffer_size  # the head's limit
        self.buffers = buffers  # body bytes held before the upstream has to wait
        self.pass_trailers = pass_trailers
        self.socket_keepalive = socket_keepalive
        self.keep_head = keep_head  # the response's bytes are wanted, too


class PeerConnection(Waiting):
    """A connection to an upstream, for one exchange after the other.

    What its bytes mean a ResponseReader knows: responses of HTTP/1, unless another one is given."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_decoder",
        "_ended",
        "_error",
        "_head_request",
        "_head_wanted",
        "_interim",
        "_layer",
        "_more",
        "_paused",
        "_pending",
        "_reader",
        "_send",
        "_settings",
        "_spoiled",
        "_transport",
        "_unsent",
        "_write_full",
        "address",
        "bytes_received",
        "on_early_hints",
        "on_idle_end",
        "requests",
        "response",
        "started",
    )
    _settings: PeerSettings  # of the exchange
    _reader: ResponseReader
    _transport: asyncio.Transport
    _send: Callable[[bytes], None]  # what is written, in the connection's protocol
    alpn: ClassVar[tuple[str, ...]] = ()  # the protocols that are offered in a TLS handshake
    goes_on = False  # a request is sent to its end when the response is on its way already

    def __init__(self, loop: asyncio.AbstractEventLoop, address: PeerAddress) -> None:
        super().__init__(loop)
        self.address = address
        self.started = loop.time()
        self.requests = 0  # begun on this connection
        self.bytes_received = 0  # in this exchange
        self.response: PeerResponse | None = None
        self.on_early_hints: Callable[[PeerResponse], None] | None = None
        self.on_idle_end: Callable[[PeerConnection], None] | None = None
        # reading
        self._head_wanted = False
        self._head_request = False
        self._interim = 0  # responses of this exchange that were not the final one
        self._pending = b""  # the beginning of a head
        self._layer: Layer | None = None
        self._decoder: Decoder | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._ended = False  # nothing follows in this exchange
        self._error: UpstreamError | None = None  # final: the connection is of no use
        self._spoiled = False  # something came that belongs to no exchange
        # writing
        self._more = False  # the request is not sent whole
        self._write_full = False
        self._unsent = 0

    # -- for the user --

    def begin(
        self,
        data: bytes,
        settings: PeerSettings,
        *,
        head: bool = False,
        more: bool = False,
        reader: ResponseReader = HTTP1,
    ) -> None:
        """Sends a request or its beginning; `head`: its method is HEAD, `more`: write()
        will bring the rest.  Never raises: receive() raises what fails."""
        self._reader = reader
        new_layer = reader.new_layer
        self._layer = new_layer() if new_layer is not None else None
        self._settings, self._head_request, self._more = settings, head, more
        self.response, self._ended = None, False
        self.bytes_received = self._interim = 0
        self.requests += 1
        if self._error is not None:
            if self._pending or not data:
                self._take_early(self._error)
            return
        self._head_wanted = True
        self._send(data)
        if self._pending or not data:  # it answered before the request, or is asked nothing
            early, self._pending = self._pending, b""
            self.data_received(early)

    def _take_early(self, error: UpstreamError) -> None:
        """What came before the connection ended, and before the request, is the response."""
        early, self._pending, self._error = self._pending, b"", None
        self._head_wanted = True
        self.data_received(early)
        self._end(error)

    def write(self, data: bytes, *, more: bool = True) -> None:
        """Sends more of the request body, or of the other protocol after a 101.

        The reader has its whole time again: an answer is due when the request is sent, and a
        tunnel is idle if both sides are.
        """
        self._more = more
        if not data or self._lost:
            return
        self._send(data)
        if self._read_waiter is not None:
            self._read_deadline = self._loop.time() + self._settings.read_timeout

    async def drain(self) -> None:
        """Waits until the upstream has taken most of what was written.

        Returns early if the answer begins or the connection ends: look at `answered`.
        Raises SendTimeout.
        """
        if not self._write_full or self._lost:
            return
        self._unsent = self._transport.get_write_buffer_size()
        await self._writable(self._settings.send_timeout)
        if isinstance(self._error, SendTimeout):
            raise self._error

    @property
    def answered(self) -> bool:
        """Whether receive() returns or raises at once; no more of the request is wanted then."""
        return self.response is not None or self._error is not None

    @property
    def wants_request(self) -> bool:
        """Whether more of the request is of any use."""
        return not self.answered

    async def wait(self) -> None:
        """Waits, as long as it takes, for what makes it `answered`."""
        if not self.answered:
            self._read_waiter = waiter = self._loop.create_future()
            await waiter

    async def receive(self) -> PeerResponse:
        """The response's head, and its body if that came along.

        Raises ReadTimeout, PrematureClose, BadResponse.
        """
        if not self.answered:
            await self.answer_due()
        return self.answer()

    def answer_due(self) -> Signal:
        """Is done when it is `answered`, or has to be; where it is not."""
        return self._readable(self._settings.read_timeout)

    def answer(self) -> PeerResponse:
        """What receive() comes to, once it is `answered`."""
        response = self.response
        if response is None:
            raise self._error or PrematureClose()
        return response

    async def read(self) -> bytes | None:
        """More of the body, None at its end.

        Raises ReadTimeout, PrematureClose, BadResponse, after all that came before.
        """
        while not self._chunks:
            if self._error is not None and not self._ended:
                raise self._error
            if self._ended:
                return None
            await self._readable(self._settings.read_timeout)
        return self._take()

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: this one ended exactly, on both sides."""
        response = self.response
        return (
            self._ended
            and response is not None
            and not response.close
            and not self._lost
            and not self._spoiled
            and not self._more
            and not self._chunks
        )

    @property
    def closed(self) -> bool:
        return self._lost

    @property
    def ssl_object(self) -> TlsConnection | None:
        """For a look at what was agreed upon; None without TLS."""
        return cast("TlsConnection | None", self._transport.get_extra_info("ssl_object"))

    def touch(self) -> None:
        """Something happened that makes waiting for the upstream worth while again."""
        if self._read_deadline != inf:
            self._read_deadline = self._loop.time() + self._settings.read_timeout

    @property
    def is_full(self) -> bool:
        """Whether drain() would wait."""
        return self._write_full

    def close(self, *, flush: bool = False) -> None:
        """Closes; what is not sent yet is forgotten, unless it is to be flushed."""
        self._lost = True
        self._stop_timer()
        if self._read_waiter is not None or self._write_waiter is not None:
            self._fail(_premature(None))
        if self._transport.get_write_buffer_size() and not flush:
            self._transport.abort()
        else:
            self._transport.close()

    # -- for the pool --

    def park(self, timeout: float, on_end: Callable[[PeerConnection], None]) -> None:
        """Lets the connection idle; it closes at the timeout, and at whatever it receives."""
        self.on_idle_end, self._reader, self._layer = on_end, HTTP1, None
        self._read_deadline = self._loop.time() + timeout
        self._schedule(self._read_deadline)

    def unpark(self) -> None:
        self.on_idle_end = None
        self._read_deadline = inf

    def _end_idle(self) -> None:
        on_end, self.on_idle_end = self.on_idle_end, None
        self.close()
        if on_end is not None:
            on_end(self)

    # -- the transport's callbacks --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send = self._transport.write

    def data_received(self, data: bytes, *, is_unwrapped: bool = False) -> None:
        if not is_unwrapped:
            self.bytes_received += len(data)
            if self._layer is not None:
                self._unwrap(self._layer, data)
                return
        if self._decoder is not None:
            self._feed_body(self._decoder, data)
            self._wake_reader()
        elif self._head_wanted:
            self._feed_head(data)
        else:
            self._unexpected(data)

    def eof_received(self) -> None:
        self._end_connection(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_connection(exc)

    def tls_failed(self, error: TlsError) -> None:
        """What has come was not TLS, or an alert."""
        self._fail(PrematureClose(str(error)))

    def pause_writing(self) -> None:
        self._write_full = True

    def resume_writing(self) -> None:
        self._write_full = False
        self._wake_writer()

    # -- reading --

    def _unwrap(self, layer: Layer, data: bytes) -> None:
        """What is not part of the response goes no further than the layer."""
        is_new = self.response is None
        try:
            for piece in layer.unwrap(data):
                self.data_received(piece, is_unwrapped=True)
        except UpstreamError as error:
            self._fail(error)
            return
        if not layer.closed:
            return
        self._spoiled = self._spoiled or not layer.exact
        if self._decoder is not None:
            self._decoder, self._ended = None, True
            if is_new and self.response is not None:  # all of it is here
                self.response.body = b"".join(self._chunks)
                self._chunks.clear()
            self._wake_reader()

    @property
    def begun_head(self) -> bytes:
        """What has come of a head that is not whole, or wrong."""
        return self._pending

    def _feed_head(self, data: bytes) -> None:
        if self._pending:
            data, self._pending = self._pending + data, b""
        at, size, parse_head = 0, self._settings.buffer_size, self._reader.parse_head
        try:
            response = parse_head(data, size)
            while response is not None and response.is_interim:
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    raise BadResponse("upstream sent too many interim responses")
                if response.status == EARLY_HINTS and self.on_early_hints is not None:
                    self.on_early_hints(response)
                at += response.size
                response = parse_head(data, size, at)
        except BadResponse as error:
            self._pending = data[at:]
            self._fail(error)
            return
        if response is None:
            self._pending = data[at:]
        else:
            end = at + response.size
            if self._settings.keep_head:
                raw = data[at:end]
                response.raw = raw if self._layer is None else self._layer.wrap(raw)
            self._take_head(response, data[end:])

    def _take_head(self, response: PeerResponse, rest: bytes) -> None:
        self._head_wanted = False
        self.response = response
        bodiless = self._head_request or response.status in _BODILESS
        length = 0 if bodiless else response.length
        known = length == len(rest) and response.status != SWITCHING_PROTOCOLS
        if known and not response.trailed:
            response.body = rest
            self._ended = True
        else:
            counted = bodiless and not response.trailed
            decoder = Counted(0) if counted else self._decoder_for(response)
            self._begin_body(response, decoder, rest)
        if self._write_waiter is not None:
            self._wake_writer()
        if self._layer is None:
            self._let_reader_go_on()
        else:  # which may have more pieces
            self._wake_reader()

    def _begin_body(self, response: PeerResponse, decoder: Decoder, rest: bytes) -> None:
        self._decoder = decoder
        self._buffered = 0
        if rest:
            self._feed_body(decoder, rest)
        if self._ended:
            response.body = b"".join(self._chunks)
            self._chunks.clear()

    def _decoder_for(self, response: PeerResponse) -> Decoder:
        settings = self._settings
        return self._reader.decoder(
            response, settings.buffer_size, keeps_trailers=settings.pass_trailers
        )

    def _feed_body(self, decoder: Decoder, data: bytes) -> None:
        try:
            rest = decoder.feed(data, self._chunks)
        except BadResponse as error:
            self._fail(error)
            return
        self._buffered += len(data)
        if rest is not None:
            self._decoder, self._ended = None, True
            if rest:
                self._unexpected(rest)
        elif self._buffered > self._settings.buffers and self._read_waiter is None:
            self._paused = True
            self._transport.pause_reading()

    def _take(self) -> bytes:
        """What has come: short pieces together, long ones as they are."""
        chunks = self._chunks
        data = chunks[0]
        if len(chunks) > 1:
            if len(data) >= LONG_PIECE:
                del chunks[0]
                return data  # the rest is taken before anything more is read
            data = b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def _unexpected(self, data: bytes) -> None:
        if self.on_idle_end is not None:
            self._end_idle()
        elif self._error is not None:
            return
        elif self.response is not None:
            self._spoiled = True
            self.response.warning = self._reader.excess(self.response)
        else:
            self._pending += data

    def _end_connection(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._stop_timer()
        if self.on_idle_end is not None:
            self._end_idle()
        self._end(_premature(exc))

    def _end(self, error: UpstreamError) -> None:
        """Nothing follows; to a body without an end of its own that is the end."""
        open_ended = self._decoder is not None and self._decoder.open_ended
        if open_ended and str(error) == PREMATURE:
            self._decoder, self._ended = None, True
        self._fail(error)

    def _fail(self, error: UpstreamError) -> None:
        if self._error is None:
            self._error = error
        self._head_wanted = False
        self._decoder = None
        self._wake_reader()
        self._wake_writer()

    def _read_expired(self) -> None:
        self._read_deadline = inf
        if self.on_idle_end is not None:
            self._end_idle()
        else:
            self._fail(ReadTimeout(TIMED_OUT))

    def _send_expired(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self._send_deadline = self._loop.time() + self._settings.send_timeout
        else:
            self._fail(SendTimeout(TIMED_OUT))


def _premature(exc: Exception | None) -> PrematureClose:
    if isinstance(exc, OSError) and exc.errno:
        return PrematureClose(f"recv() failed {errno_text(exc)}")
    return PrematureClose(PREMATURE)
