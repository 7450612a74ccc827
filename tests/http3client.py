"""A client of HTTP/3: QUIC by aioquic, frames and heads by hand, so that they can be wrong.

What it says of the responses is read with pylsqpack, which has nothing in common with our reader.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import SessionTicket
from pylsqpack import Decoder

from pyngx_jwt.http3 import codes, frames
from pyngx_jwt.http3.frames import varint, varint_at
from pyngx_jwt.http3.qpack import Field, write_section

from .http2client import FORBIDDEN, Response
from .transcript import compose, exchanges
from .wire import DEADLINE, ready

SETTINGS = frames.settings([(codes.MAX_TABLE_CAPACITY, 0), (codes.BLOCKED_STREAMS, 0)])
LARGEST = 65535


class Http3Client:
    """One connection; its methods take what comes until what they wait for has come."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        server_name: str = "localhost",
        alpn: tuple[str, ...] = ("h3",),
        ticket: SessionTicket | None = None,
        token: bytes = b"",
        control: bool = True,
        connect: bool = True,
        **settings: Any,
    ) -> None:
        """With `control` it begins as clients do: a control stream with settings."""
        self.configuration = QuicConfiguration(
            is_client=True,
            alpn_protocols=list(alpn),
            server_name=server_name,
            verify_mode=ssl.CERT_NONE,
            session_ticket=ticket,
            token=token,
            **settings,
        )
        self.tickets: list[SessionTicket] = []
        self.tokens: list[bytes] = []
        self.quic = QuicConnection(
            configuration=self.configuration,
            session_ticket_handler=self.tickets.append,
            token_handler=self.tokens.append,
        )
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.server = host, port
        self.responses: dict[int, Response] = defaultdict(Response)
        self.plain: dict[int, bytes] = defaultdict(bytes)  # what came on streams
        self.goaway: int | None = None
        self.closed: tuple[int, str] | None = None
        self.stopped: dict[int, int] = {}  # streams, and why the server wants no more of them
        self.handshake: events.HandshakeCompleted | None = None
        self.received = self.sent = 0  # bytes of datagrams
        self._decoder = Decoder(0, 0)
        self._buffers: dict[int, bytes] = defaultdict(bytes)
        if connect:
            self.quic.connect(self.server, time.monotonic())
            self.until(lambda: self.handshake is not None)
            assert self.handshake is not None, f"no handshake: {self.closed}"
            if control and alpn == ("h3",):
                self.control = self.uni(codes.CONTROL, SETTINGS)

    def __enter__(self) -> Http3Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self.closed is None:
            self.quic.close()
            self.flush()
        self.socket.close()

    # -- packets ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Sends what there is."""
        for data, address in self.quic.datagrams_to_send(time.monotonic()):
            self.sent += len(data)
            self.socket.sendto(data, address)

    def until(self, done: Callable[[], object], seconds: float = DEADLINE) -> bool:
        """Takes what comes until it is enough, or the connection is over, or time is."""
        end = time.monotonic() + seconds
        self.flush()
        while not done() and self.closed is None:
            now = time.monotonic()
            if now >= end:
                return False
            timer = self.quic.get_timer()
            patience = min(end, timer if timer is not None else end) - now
            if ready(self.socket, patience):
                self._receive()
            elif timer is not None and time.monotonic() >= timer:
                self.quic.handle_timer(time.monotonic())
            self._take_events()
            self.flush()
        return True

    def _receive(self) -> None:
        for _ in range(32):
            try:
                data, address = self.socket.recvfrom(LARGEST)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            self.received += len(data)
            self.quic.receive_datagram(data, address, time.monotonic())

    def _take_events(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.HandshakeCompleted):
                self.handshake = event
            elif isinstance(event, events.StreamDataReceived):
                self._take(event.stream_id, event.data, event.end_stream)
            elif isinstance(event, events.StreamReset):
                self.responses[event.stream_id].reset = event.error_code
            elif isinstance(event, events.StopSendingReceived):
                self.stopped[event.stream_id] = event.error_code
            elif isinstance(event, events.ConnectionTerminated):
                self.closed = int(event.error_code), event.reason_phrase
        ending = self.quic._close_event
        if ending is not None and self.closed is None:
            self.closed = int(ending.error_code), ending.reason_phrase

    def _take(self, number: int, data: bytes, end: bool) -> None:
        self.plain[number] += data
        if self.configuration.alpn_protocols != ["h3"]:
            self.responses[number].body += data
            self.responses[number].ended = end
            return
        buffer = self._buffers[number] + data
        if number & 3 == 3 and len(self.plain[number]) == len(buffer):
            buffer = buffer[1:]  # the kind of the stream
            if self.plain[number][:1] != bytes((codes.CONTROL,)):
                return
        while True:
            kind = varint_at(buffer, 0)
            size = varint_at(buffer, kind[1]) if kind else None
            if kind is None or size is None or len(buffer) < size[1] + size[0]:
                break
            self._take_frame(number, kind[0], buffer[size[1] : size[1] + size[0]])
            buffer = buffer[size[1] + size[0] :]
        self._buffers[number] = buffer
        if number & 3 == 0:
            self.responses[number].ended = end

    def _take_frame(self, number: int, kind: int, payload: bytes) -> None:
        response = self.responses[number]
        if kind == codes.DATA:
            response.body += payload
        elif kind == codes.GOAWAY:
            self.goaway = (varint_at(payload, 0) or (0, 0))[0]
        elif kind == codes.HEADERS:
            _, fields = self._decoder.feed_header(number, payload)
            pairs = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields)
            if pairs[0] == (":status", "103"):
                response.take_interim(pairs)
            elif response.fields:
                response.trailers = pairs
            else:
                response.fields = pairs

    # -- streams ---------------------------------------------------------------------------

    def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Sends bytes of a stream as they are."""
        self.quic.send_stream_data(number, data, end)
        self.flush()

    def hold(self, data: bytes) -> tuple[int, Callable[[], object]]:
        """Begins a whole stream whose packets are on their way: its number, and what lets them
        arrive."""
        self.flush()
        number = self.quic.get_next_available_stream_id()
        self.quic.send_stream_data(number, data, True)
        held = self.quic.datagrams_to_send(time.monotonic())
        return number, lambda: [self.socket.sendto(*one) for one in held]

    def send_frame(self, *numbers: int) -> None:
        """Sends a frame of these numbers, the first of which is its type."""
        quic = self.quic

        def write(builder: QuicPacketBuilder, *_: object, **__: object) -> None:
            buf = builder.start_frame(numbers[0], capacity=40)
            for number in numbers[1:]:
                buf.push_uint_var(number)

        quic._write_ping_frame = write  # type: ignore[method-assign]
        quic.send_ping(0)
        self.flush()
        del quic._write_ping_frame

    def uni(self, kind: int, data: bytes = b"") -> int:
        """Begins a stream of this kind in one direction; its number."""
        number = self.quic.get_next_available_stream_id(is_unidirectional=True)
        self.send(number, varint(kind) + data)
        return number

    def begin(self, data: bytes, *, end: bool = False) -> int:
        """Begins a stream of requests with these bytes; its number."""
        number = self.quic.get_next_available_stream_id()
        self.send(number, data, end=end)
        return number

    def open(self, fields: Iterable[Field], body: bytes = b"", *, end: bool = True) -> int:
        """Begins a request with these fields; the number of its stream."""
        data = headers(fields)
        return self.begin(data + (frames.frame(codes.DATA, body) if body else b""), end=end)

    def send_request(self, text: str, *, end: bool = True) -> int:
        """Sends an HTTP/1 request as a stream; its number."""
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        method, target = first.split(" ")[:2]
        pairs = [(n.lower(), v) for n, _, v in (line.partition(": ") for line in lines)]
        host = next((v for n, v in pairs if n == "host"), "localhost")
        fields = [*pseudo(method, target, host)]
        fields += [(n, v) for n, v in pairs if n not in FORBIDDEN | {"host"}]
        return self.open(fields, body.encode("latin-1"), end=end)

    def wait(self, number: int, seconds: float = DEADLINE) -> Response:
        """The whole response of a stream."""
        response = self.responses[number]
        self.until(lambda: response.ended or response.reset is not None, seconds)
        return response

    def request(self, *head: str, body: str = "") -> Response:
        """One request of these head lines, completed as in a transcript, and its response."""
        return self.wait(self.send_request(compose([*head], body).decode("latin-1")))

    def exchange(self, transcript: str) -> None:
        """Plays the requests one after the other."""
        for one in exchanges(transcript):
            came = one.told(self.wait(self.send_request(one.request().decode("latin-1"))).answer())
            assert came == one.text, f"{came}\n  instead of\n{one.text}"

    def wait_end(self, seconds: float = DEADLINE) -> tuple[int, str] | None:
        """Why the server closes the connection."""
        self.until(lambda: False, seconds)
        return self.closed


def pseudo(method: str = "GET", path: str = "/", host: str = "localhost") -> tuple[Field, ...]:
    """The fields of a request line."""
    return (":method", method), (":scheme", "https"), (":path", path), (":authority", host)


def headers(fields: Iterable[Field]) -> bytes:
    """A HEADERS frame."""
    return frames.frame(codes.HEADERS, write_section(fields))
