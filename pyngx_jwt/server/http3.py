"""HTTP/3 connections: many requests at a time, each a stream of QUIC (ngx_http_v3_request.c)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from ..http.location import ServerNames
from ..http.ports import Http3, ListenAddress, Port
from ..http.regex import RegexFailed
from ..http.request import Request, Server
from ..http.tls import H3, HQ
from ..http1.head_types import HeadOptions
from ..http2.frames import Fault
from ..http2.response_head import build_block
from ..http2.stream import Stream
from ..http3 import codes, frames, qpack
from ..http3.control import Controls
from ..http3.line import NO_LIMIT, Line
from ..log import Severity
from ..metrics.handshakes import HandshakeCounts
from ..metrics.kinds import TLS_TIMEOUT
from ..quic.connection import Connection, Origin, Settings
from ..quic.handshake import Refused
from ..tls.client_status import ClientStatus
from ..tls.errors import TlsError
from ..tls.hello import Hello
from ..tls.quic import QuicTlsConnection
from .connection import ClientConnection
from .front_end import TIMED_OUT, FrontEnd
from .handshake import (
    FAILED,
    INTERNAL_ERROR,
    UNRECOGNIZED_NAME,
    server_at_handshake,
    show_certificates,
)
from .http3_stream import IncomingStream, PlainStream
from .stream import RequestStream, Why

CODES = {
    Why.TOO_SLOW: codes.GENERAL_PROTOCOL_ERROR,
    Why.FAILED: codes.INTERNAL_ERROR,
    Why.ANSWERED: codes.NO_ERROR,
}
TOLERATED = 1 << 20  # bytes that carry nothing, on top of an eighth of what does
HANDSHAKING = "SSL handshaking"
Address = tuple[Any, ...]


class Socket(Protocol):
    """What a connection needs of its listener."""

    front: FrontEnd
    port: Port

    def send(self, datagrams: list[bytes], peer: Address, own: Address, *, gso: bool) -> None:
        """Sends to a client."""

    def know(self, name: bytes, connection: Http3Connection) -> None:
        """The connection has another id."""

    def settled(self, connection: Http3Connection) -> None:
        """The handshake is over."""

    def forget(self, names: Iterable[bytes]) -> None:
        """The connection does not have these ids any more."""


class Http3Connection(ClientConnection):
    """One client connection.

    | state | streams | waits for, at the most |
    |---|---|---|
    | handshaking | none | the end of the handshake, client_header_timeout |
    | idle | none | a request, keepalive_timeout |
    | serving | some | the streams, which have deadlines of their own |
    | closing | none | the packets that are still on their way, which QUIC decides |

    After GOAWAY (`leaving`) the streams that there are are the last.
    """

    __slots__ = (
        *("_checking", "_controls", "_decoder", "_flush", "_is_plain", "_keepalive", "_limits"),
        *("_closed", "_next_request", "_own", "_peer", "_quic", "_socket", "_timer", "_timer_at"),
        *("_control", "_early", "_reason", "address", "is_open", "leaving", "link", "names_of_ids"),
        *("options", "server", "streams", "worker"),
    )

    def __init__(
        self, sock: Socket, number: int, address: ListenAddress, peer: Address, own: Address
    ) -> None:
        super().__init__(number)
        self._socket, self._peer, self._own = sock, peer, own
        self.worker: FrontEnd = sock.front
        self.address, self.server = address, address.names.default
        self._limits: Http3 = address.http3[self.server]
        self.options = self.worker.options_of(self.server)
        self.start = time.time()
        self.take_addresses(peer, own)
        self.is_open = False  # requests can be served
        self.leaving = self._closed = self._is_plain = False
        self.names_of_ids: list[bytes] = []  # that packets for this connection are sent to
        self.streams: dict[int, IncomingStream | PlainStream] = {}
        self._early: list[tuple[int, bytes, bool]] = []  # what has come before it is open
        self._controls = Controls()
        self._controls.table.limit(self.options.large_client_header_buffers[1])
        self._control = self._decoder = -1  # our streams
        self._next_request = 0
        self._reason = ""  # why the connection will end
        self._flush: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._checking: asyncio.Task[None] | None = None
        self._keepalive: asyncio.TimerHandle | None = None

    def begin(self, settings: Settings, owner: bytes, origin: Origin) -> None:
        """Begins with the client's first packet, which is yet to be received."""
        configuration = settings.configuration()
        self._quic = Connection(settings, configuration, owner, origin, self._open_tls)
        self.link = Line(self._quic, self._schedule, settings.buffer // 4)
        self.worker.connections.add(self)
        self.worker.accepted += 1
        patience = self.server.core.client_header_timeout
        self._keepalive = self.worker.loop.call_later(patience, self._handshake_timed_out)
        self._learn_ids()

    # -- packets ---------------------------------------------------------------------------

    def receive(self, data: bytes, peer: Address) -> None:
        """Takes a datagram; `settle` acts on it.  A client that has moved is at its new address
        when it has answered there: anyone can send from an address that is not theirs."""
        quic = self._quic
        quic.receive_datagram(data, peer, self.worker.loop.time())
        client = quic.proven_address
        if client is not None and client != self._peer:
            self._peer = client
            self.take_addresses(client, self._own)

    @property
    def has_begun(self) -> bool:
        """Whether the client has said anything that could be read."""
        return self._quic.has_begun

    def settle(self) -> None:
        """Acts on what has come, and sends what there is."""
        self._quic.tell(self)
        self._learn_ids()
        self._check_failure()
        if (text := self._quic.violation) and not self._closed:
            self.note(f"quic {text}")
        self.link.go_on()
        self.transmit()
        self._close_if_done()

    def _learn_ids(self) -> None:
        for name in self._quic.new_ids:
            self.names_of_ids.append(name)
            self._socket.know(name, self)
        self._quic.new_ids.clear()

    def _schedule(self) -> None:
        if self._flush is None:
            self._flush = self.worker.loop.call_soon(self.transmit)

    def transmit(self) -> None:
        """Sends what QUIC has to send now, and sees to it that it can do so later."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        datagrams = self._quic.datagrams_to_send(self.worker.loop.time())
        if datagrams:
            peer = datagrams[0][1]
            here = [data for data, address in datagrams if address == peer]
            self._socket.send(here, peer, self._own, gso=self._limits.gso)
            for data, address in datagrams[len(here) :] if len(here) < len(datagrams) else ():
                if address != peer:
                    self._socket.send([data], address, self._own, gso=False)
        self._set_timer()

    def _set_timer(self) -> None:
        at = self._quic.get_timer()
        if at is None:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return  # it looks again when it fires
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.worker.loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now = self.worker.loop.time()
        at = self._quic.get_timer()
        if at is not None and at <= now + 0.0005:
            self._quic.handle_timer(max(now, at))
            self.settle()
        else:
            self.transmit()

    # -- the handshake ---------------------------------------------------------------------

    def _open_tls(self, hello: Hello) -> QuicTlsConnection:
        """Takes the server that the client names, unless that one refuses; raises Refused."""
        assert self.address.tls is not None
        self.sni = hello.host
        try:
            self.server, host = server_at_handshake(self.address, hello.host)
        except RegexFailed as error:
            text = f'pcre2_match() failed: {error} on "{hello.host}"'
            self.log(Severity.ALERT, f"{text} while {HANDSHAKING}")
            raise Refused(INTERNAL_ERROR, FAILED) from None
        settings = self.address.tls.get(self.server)
        if settings is None:
            raise Refused(UNRECOGNIZED_NAME, "handshake rejected")
        self._limits = self.address.http3[self.server]
        self.options = self.worker.options_of(self.server)

        def certify() -> bool:
            try:
                show_certificates(settings, self, self.server, tls)
            except TlsError as error:
                self.log(Severity.ERR, f"{error} while {HANDSHAKING}")
                return False
            return True

        tls = QuicTlsConnection(settings.context, self._protocol, certify, host)
        self.ssl = tls
        return tls

    def _protocol(self, offered: Iterable[bytes]) -> bytes | None:
        accepted = [H3] if self._limits.enabled else []
        if self._limits.hq:
            accepted.append(HQ)
        return next((name.encode() for name in accepted if name.encode() in offered), None)

    @property
    def _counts(self) -> HandshakeCounts:
        return self.address.handshakes[self.server]

    def _check_failure(self) -> None:
        failure, self._quic.failure = self._quic.failure, None
        if failure is not None:
            outcome, level = 0, Severity.INFO
            if isinstance(failure, TlsError):
                outcome, level = failure.outcome, failure.severity()
            self._counts.failed(outcome)
            self.log(level, f"{failure} while {HANDSHAKING}")

    def _handshake_timed_out(self) -> None:
        self._keepalive = None
        self._counts.failed(TLS_TIMEOUT)
        self.log(Severity.INFO, f"{TIMED_OUT} while {HANDSHAKING}")
        self._close(0, "handshake timeout")

    def opened(self) -> None:
        self._socket.settled(self)
        status = self.address.tls[self.server].status if self.address.tls is not None else None
        if status is None or self.ssl.verify_error or self.ssl.peer is None:
            self._open()
        else:
            self._checking = self.worker.loop.create_task(self._check(status))

    async def _check(self, status: ClientStatus) -> None:
        """Asks the issuer of the client's certificate before anything is served."""
        doing = "requesting certificate status"
        self.ssl.status_error = await status.check(
            self.ssl, lambda text: self.log(Severity.ERR, f"{text} while {doing}")
        )
        if not self._closed:
            self._open()
            self.settle()

    def _open(self) -> None:
        self.is_open = True
        assert self.address.tls is not None
        failure = self.address.tls[self.server].verify_failure(self.ssl)
        self._counts.done(is_resumed=self.ssl.is_resumed, verify_failure=failure)
        self._idle()
        self._is_plain = not self._limits.enabled or self.ssl.alpn == HQ
        if self._is_plain:
            self.link.leave_out_frames()
        else:
            self._control = self._open_stream(codes.CONTROL)
            values = (
                (codes.MAX_TABLE_CAPACITY, qpack.CAPACITY),
                (codes.BLOCKED_STREAMS, self._limits.streams),
            )
            self._say(self._control, frames.settings(values))
            self._decoder = self._open_stream(codes.DECODER)
        early, self._early = self._early, []
        for number, data, end in early:
            self.stream_data(number, data, end)
        if self.worker.stopping:
            self.shut_down()

    def _open_stream(self, kind: int) -> int:
        number = self._quic.new_stream()
        self._say(number, frames.varint(kind))
        return number

    def _say(self, number: int, data: bytes) -> None:
        if number >= 0 and not self._quic.is_closing:
            self._quic.send_stream_data(number, data)
            self.link.total_bytes += len(data)
            self._schedule()

    # -- what FrontEnd counts and asks for -------------------------------------------------

    def current(self) -> Sequence[Request]:
        streams = [incoming.stream for incoming in self.streams.values()]
        return [x.request for x in streams if x is not None and (x.running or x.answered)]

    @property
    def writing(self) -> int:
        return sum(1 for x in self.streams.values() if x.stream is not None)

    @property
    def reading(self) -> int:
        return len(self.streams) - self.writing

    def shut_down(self) -> None:
        """Lets the requests that there are come to their end."""
        if not self.is_open:
            self._close(0, "graceful shutdown")
        else:
            self._go_away("connection shutdown")

    def cut(self) -> None:
        self._close(codes.NO_ERROR, "connection shutdown")

    def tcp_info(self) -> bytes:
        return b""

    def log(self, level: Severity, text: str) -> None:
        self._socket.port.log(self.server, level, text, (self.remote_addr,), self.number)

    def note(self, text: str, level: Severity = Severity.INFO) -> None:
        self.log(level, text)

    # -- the end ---------------------------------------------------------------------------

    def _go_away(self, reason: str) -> None:
        if not self.leaving:
            self.leaving = True
            if not self._is_plain:
                self._say(self._control, frames.goaway(self._next_request))
        self._reason = reason
        self.transmit()  # what is said before the end
        self._close_if_done()

    def _close_if_done(self) -> None:
        """The connection ends when the client has all of the last response."""
        if self.leaving and not self.streams and self._quic.is_delivered:
            self._close(codes.NO_ERROR, self._reason)

    def _close(self, code: int, reason: str) -> None:
        """Closes at once: with a code of HTTP/3, or 0 of QUIC while it shakes hands."""
        if self._closed:
            return
        if self.is_open:
            self._quic.shut(code, reason)
        else:
            self._quic.close(code, 0, reason)
        self._leave()
        self.transmit()

    def end(self, fault: Fault) -> None:
        """Ends the connection for what the client did."""
        if fault.args[0]:
            self.note(fault.args[0])
        self._close(fault.code, "stream error")

    def _leave(self) -> None:
        """No request is served any more."""
        if self._closed:
            return
        self._closed = True
        self._socket.settled(self)
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        if self._checking is not None:
            self._checking.cancel()
        for incoming in list(self.streams.values()):
            if isinstance(incoming, IncomingStream):
                incoming.stop_waiting()
            if incoming.stream is not None:
                incoming.stream.leave()
        self.streams.clear()
        self.worker.connections.discard(self)
        self.worker.requests_before += self.requests

    def ended(self, code: int, text: str) -> None:
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._socket.forget(self.names_of_ids)

    def _idle(self) -> None:
        """There is no request: the next one must come in time."""
        if self._closed:
            return
        if self._keepalive is not None:
            self._keepalive.cancel()
        timeout = self.server.location.core.keepalive_timeout[0]
        self._keepalive = self.worker.loop.call_later(timeout, self._keepalive_over)

    def _keepalive_over(self) -> None:
        self._keepalive = None
        if not self.streams:
            self._go_away("keepalive timeout")

    # -- streams ---------------------------------------------------------------------------

    def stream_data(self, number: int, data: bytes, end: bool) -> None:
        if self._closed:
            return
        if not self.is_open:
            self._early.append((number, data, end))
            return
        if number & 2:
            self._take_control(number, data, end)
            return
        incoming = self._stream_of(number)
        if incoming is None:
            return
        incoming.feed(data, end=end)
        self._check_blocked(incoming)
        self._check_flood()

    def _stream_of(self, number: int) -> IncomingStream | PlainStream | None:
        """A stream of the client, None if it is over or refused.  One that it opens opens those
        before it as well, whose packets are late (RFC 9000, 2.1)."""
        while self._next_request <= number and not self._closed:
            if self.leaving:
                self._refuse(number)
                break
            self._accept()
        return self.streams.get(number)

    def _accept(self) -> None:
        """The next stream begins (ngx_http_v3_init_request_stream)."""
        core, number = self.server.location.core, self._next_request
        self._next_request = number + 4
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        self.streams[number] = self._incoming(number)
        is_last = (number >> 2) + 1 >= core.keepalive_requests
        if is_last or time.time() - self.start > core.keepalive_time:
            self._go_away("reached maximum number of requests")

    def _refuse(self, number: int) -> None:
        """A stream begins behind the last one that is served."""
        if number >> 2 >= self.server.location.core.keepalive_requests * 2:
            self._close(codes.EXCESSIVE_LOAD, "too many requests per connection")
            return
        self.reset(number, codes.REQUEST_REJECTED)
        self._quic.stop(number, codes.REQUEST_REJECTED)

    def _incoming(self, number: int) -> IncomingStream | PlainStream:
        if self._is_plain:
            return PlainStream(self, number)
        patience = self.server.core.client_header_timeout
        loop = self.worker.loop
        return IncomingStream(self, number, self._controls.table, loop, patience)

    def _take_control(self, number: int, data: bytes, end: bool) -> None:
        if self._is_plain:
            self._close(codes.STREAM_CREATION_ERROR, "uni stream in hq mode")
            return
        self.count(len(data), 0)
        table = self._controls.table
        before = table.inserted
        try:
            self._controls.feed(number, data, end=end)
        except Fault as fault:
            self.end(fault)
            return
        self._quic.widen(number)
        if table.inserted > before:
            self._unblock()
            missing = table.inserted - table.acknowledged
            if missing > 0:
                table.acknowledged = table.inserted
                self._say(self._decoder, qpack.entries_inserted(missing))
        self._check_flood()

    def _check_blocked(self, incoming: IncomingStream | PlainStream) -> None:
        if not isinstance(incoming, IncomingStream) or not incoming.is_blocked:
            return
        blocked = sum(
            1 for x in self.streams.values() if isinstance(x, IncomingStream) and x.is_blocked
        )
        if blocked > self._limits.streams:
            text = "client exceeded http3_max_blocked_streams limit"
            self.end(Fault(codes.DECOMPRESSION_FAILED, text))

    def _unblock(self) -> None:
        for incoming in list(self.streams.values()):
            if isinstance(incoming, IncomingStream) and incoming.stream is None:
                incoming.resume()

    def stream_reset(self, number: int, code: int) -> None:
        if number & 2:
            try:
                self._controls.close(number)
            except Fault as fault:
                self.end(fault)
            return
        self._left_by_client(number)

    def stream_refused(self, number: int, code: int) -> None:
        if number in (self._control, self._decoder):
            self.end(Fault(codes.CLOSED_CRITICAL_STREAM, ""))
        else:
            self._left_by_client(number)

    def _left_by_client(self, number: int) -> None:
        incoming = self._stream_of(number) if self.is_open and not self._closed else None
        if incoming is None:
            return
        if incoming.stream is not None:
            incoming.stream.leave()
        elif isinstance(incoming, IncomingStream):
            incoming.was_reset()
        else:
            self.over(number)

    def id_retired(self, name: bytes) -> None:
        if name in self.names_of_ids:
            self.names_of_ids.remove(name)
            self._socket.forget((name,))

    # -- for incoming streams (Reception) --------------------------------------------------

    @property
    def names(self) -> ServerNames[Server]:
        return self.address.names

    def options_of(self, host: str) -> HeadOptions | None:
        names = self.address.names
        server: Server = names.default
        if not names.only_default:
            server = names.find_without_request(host) or server
        limits = self.address.http3[server]
        speaks = limits.hq if self._is_plain else limits.enabled
        return self.worker.options_of(server) if speaks else None

    def new_request(self, number: int) -> RequestStream:
        self.requests = max(self.requests, (number >> 2) + 1)
        return RequestStream(self, number, self)

    def reset(self, number: int, code: int) -> None:
        self._quic.reset(number, code)
        self._schedule()

    def section_read(self, number: int, section: qpack.Section) -> None:
        if section.required:
            self._say(self._decoder, qpack.section_acknowledged(number))
            table = self._controls.table
            table.acknowledged = max(table.acknowledged, section.required)

    def widen(self, number: int) -> None:
        self._quic.widen(number)
        self._schedule()

    def count(self, total: int, payload: int) -> None:
        self.link.total_bytes += total
        self.link.payload_bytes += payload

    def _check_flood(self) -> None:
        if self.link.total_bytes // 8 > self.link.payload_bytes + TOLERATED:
            self.end(Fault(codes.EXCESSIVE_LOAD, "HTTP/3 flood detected"))

    def over(self, number: int) -> None:
        """A stream has come to its end, with a request or without."""
        incoming = self.streams.pop(number, None)
        if incoming is None or self._closed:
            return
        stream = incoming.stream
        if stream is None or not stream.out_closed:
            self._quic.reset(number, codes.INTERNAL_ERROR)
        if isinstance(incoming, IncomingStream) and not incoming.was_read:
            self._say(self._decoder, qpack.stream_cancelled(number))
            self._quic.stop(number, codes.NO_ERROR)
        self._schedule()

    # -- for requests (Home) ---------------------------------------------------------------

    @property
    def preread(self) -> int:
        return self._limits.buffer

    def largest_part(self, r: Request) -> int:
        return NO_LIMIT

    def response_block(self, r: Request) -> bytes:
        return build_block(r, self.worker.clock, qpack.write_section)

    def field_block(self, fields: Iterable[qpack.Field]) -> bytes:
        return qpack.write_section(fields)

    def cut_stream(self, stream: Stream, why: Why) -> None:
        if why is not Why.ANSWERED:  # then `over` lets the client stop
            self.reset(stream.id, CODES[why])

    def widen_stream(self, stream: Stream, window: int) -> None:
        """The window is that of the stream's buffer, whatever the size of the body."""
        self.widen(stream.id)

    def drop(self, stream: Stream) -> None:
        self.link.drop(stream)
        self.over(stream.id)

    def stream_ended(self) -> None:
        if self._closed or self.streams:
            return
        if not self.leaving:
            self._idle()
