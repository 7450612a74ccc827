"""HTTP/2 clients: one on the library h2, for whole conversations, and one for single frames."""

from __future__ import annotations

import re
import socket
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import BlockReader

from .transcript import compose, exchanges
from .wire import DEADLINE, Answer, Fields

FORBIDDEN = {"connection", "transfer-encoding"}


@dataclass(slots=True)
class Response:
    """What came on a stream so far."""

    fields: Fields = ()
    body: bytes = b""
    trailers: Fields = ()
    interim: list[Answer] = field(default_factory=list)
    reset: int | None = None
    ended: bool = False

    def take_interim(self, fields: Fields) -> None:
        """A head has come that is not the response's yet."""
        self.interim.append(_answer(fields))

    def answer(self) -> Answer | None:
        """The response as HTTP/1's client has them, None if there is none."""
        if not self.fields:
            return None
        return _answer(self.fields, self.body, self.trailers, tuple(self.interim))


class Goaway(NamedTuple):
    """The last stream that is answered, and why."""

    last: int
    code: int


class Http2Client:
    """A careful client: h2 refuses what the protocol does not allow."""

    def __init__(self, sock: socket.socket, authority: str = "localhost") -> None:
        sock.settimeout(DEADLINE)
        self.socket, self.authority = sock, authority
        self.connection = H2Connection(H2Configuration(header_encoding="latin-1"))
        self.responses: dict[int, Response] = defaultdict(Response)
        self.goaway: Goaway | None = None
        self._buffer = b""
        self.acknowledged = self.closed = False
        self.widens = True  # takes all that comes
        self.largest = 0  # bytes of a DATA frame
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Sends what h2 has prepared."""
        data = self.connection.data_to_send()
        if data:
            self.socket.sendall(data)

    def exchange(self, transcript: str) -> None:
        """Plays the requests one after the other."""
        for one in exchanges(transcript):
            request = one.request().decode("latin-1")
            number = self.send_request(request)
            came = one.told(self.wait(number).answer())
            assert came == one.text, f"{came}\n  instead of\n{one.text}"

    def request(self, *head: str, body: str = "") -> Response:
        """One request of these head lines, completed as in a transcript, and its response."""
        return self.wait(self.send_request(compose([*head], body).decode("latin-1")))

    def send_request(self, text: str, *, end: bool = True) -> int:
        """Sends an HTTP/1 request as a stream; its number."""
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        method, target, _ = first.rsplit(" ", 2)[0].partition(" ")[0], first.split(" ")[1], ""
        fields = [(":method", method), (":scheme", "http"), (":path", target)]
        pairs = [(n.lower(), v) for n, _, v in (line.partition(": ") for line in lines)]
        host = next((v for n, v in pairs if n == "host"), self.authority)
        fields.append((":authority", host))
        fields += [(n, v) for n, v in pairs if n not in FORBIDDEN | {"host"}]
        return self.open(fields, body.encode("latin-1"), end=end)

    def open(self, fields: list[tuple[str, str]], body: bytes = b"", *, end: bool = True) -> int:
        """Begins a stream with these fields."""
        number = self.connection.get_next_available_stream_id()
        self.connection.send_headers(number, fields, end_stream=end and not body)
        self.flush()
        if body:
            self.send_body(number, body, end=end)
        return number

    def send_body(self, number: int, body: bytes, *, end: bool = True) -> None:
        """Sends bytes of a body, as far as the windows allow it, and waits for them."""
        connection = self.connection
        while True:
            room = connection.local_flow_control_window(number)
            size = min(room, connection.max_outbound_frame_size, len(body), 16384)
            if size or not body:
                last = size == len(body)
                connection.send_data(number, body[:size], end_stream=end and last)
                body = body[size:]
                self.flush()
                if last:
                    return
            elif not self.receive() or self.responses[number].ended:
                return

    def wait(self, number: int) -> Response:
        """The whole response of a stream."""
        response = self.responses[number]
        while not (response.ended or response.reset is not None) and self.receive():
            pass
        return response

    def wait_body(self, number: int, size: int) -> Response:
        """The response of a stream with so many bytes of its body."""
        response = self.responses[number]
        while len(response.body) < size and self.receive():
            pass
        return response

    def receive(self) -> bool:
        """Takes what comes next; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._buffer += data
        for event in self.connection.receive_data(self._without_goaway()):
            self._take(event)
        self.flush()
        return True

    def _without_goaway(self) -> bytes:
        """The frames that have come whole; h2 would take no response after a GOAWAY frame."""
        taken, at = b"", 0
        while len(self._buffer) - at >= frames.HEADER_SIZE:
            word, _, _ = frames.header_at(self._buffer, at)
            end = at + frames.HEADER_SIZE + (word >> 8)
            if end > len(self._buffer):
                break
            if word & 0xFF == frames.GOAWAY:
                self.goaway = Goaway(*frames.two_numbers_at(self._buffer, at + frames.HEADER_SIZE))
            else:
                taken += self._buffer[at:end]
            at = end
        self._buffer = self._buffer[at:]
        return taken

    def wait_end(self) -> Goaway | None:
        """Reads until the server closes; its GOAWAY."""
        while not self.closed:
            self.receive()
        return self.goaway

    def _take(self, event: Event) -> None:
        if isinstance(event, SettingsAcknowledged):
            self.acknowledged = True
        elif isinstance(event, ResponseReceived):
            self.responses[event.stream_id].fields = _pairs(event.headers)
        elif isinstance(event, InformationalResponseReceived):
            interim = _answer(_pairs(event.headers))
            self.responses[event.stream_id].interim.append(interim)
        elif isinstance(event, DataReceived):
            self.responses[event.stream_id].body += event.data
            self.largest = max(self.largest, len(event.data))
            if self.widens and event.flow_controlled_length:
                self.connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
        elif isinstance(event, TrailersReceived):
            self.responses[event.stream_id].trailers = _pairs(event.headers)
        elif isinstance(event, StreamEnded):
            self.responses[event.stream_id].ended = True
        elif isinstance(event, StreamReset):
            self.responses[event.stream_id].reset = int(event.error_code)


def _pairs(headers: object) -> Fields:
    assert isinstance(headers, list)
    return tuple((str(name), str(value)) for name, value in headers)


def _answer(
    fields: Fields, body: bytes = b"", trailers: Fields = (), interim: tuple[Answer, ...] = ()
) -> Answer:
    (_, status), *rest = fields
    assert re.fullmatch(r"\d{3}", status) and all(not name.startswith(":") for name, _ in rest)
    return Answer("2.0", int(status), "", tuple(rest), body, trailers, interim)


NAMES = {
    **{0: "DATA", 1: "HEADERS", 3: "RST_STREAM", 4: "SETTINGS", 6: "PING", 7: "GOAWAY"},
    **{8: "WINDOW_UPDATE", 9: "CONTINUATION"},
}
ERRORS = {
    **{0: "NO_ERROR", 1: "PROTOCOL_ERROR", 2: "INTERNAL_ERROR", 3: "FLOW_CONTROL_ERROR"},
    **{5: "STREAM_CLOSED", 6: "FRAME_SIZE_ERROR", 7: "REFUSED_STREAM", 8: "CANCEL"},
    **{9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM"},
}


def told(data: bytes) -> list[str]:
    """The frames of these bytes in words, without the ones that open every connection, and with
    the status for a head."""
    blocks = BlockReader("server", 1 << 20, 1 << 20)
    lines, at = list[str](), 0
    while at < len(data):
        word, flags, number = frames.header_at(data, at)
        at += frames.HEADER_SIZE
        kind, payload = word & 0xFF, data[at : at + (word >> 8)]
        at += word >> 8
        line = _told(kind, flags, number, payload, blocks)
        if line:
            lines.append(line)
    return lines


def _told(kind: int, flags: int, number: int, payload: bytes, blocks: BlockReader) -> str:
    end = " END" if flags & frames.END_STREAM and kind in (frames.DATA, frames.HEADERS) else ""
    if kind == frames.HEADERS:
        fields = blocks.feed(payload, last=bool(flags & frames.END_HEADERS)) or [("", "...")]
        return f"HEADERS {number} {fields[0][1]}{end}"
    if kind == frames.DATA:
        return f"DATA {number} {len(payload)}{end}"
    if kind == frames.RST_STREAM:
        return f"RST_STREAM {number} {ERRORS[frames.number_at(payload, 0)[0]]}"
    if kind == frames.GOAWAY:
        last, code = frames.two_numbers_at(payload, 0)
        return f"GOAWAY {last} {ERRORS[code]}"
    if kind == frames.PING:
        return f"PING{' ACK' if flags & frames.ACK else ''} {payload.hex()}"
    if kind == frames.WINDOW_UPDATE:
        increment = frames.number_at(payload, 0)[0]
        return f"WINDOW_UPDATE {number} {increment}" if number else ""
    if kind == frames.SETTINGS:
        return "SETTINGS ACK" if flags & frames.ACK else ""
    return NAMES.get(kind, str(kind))
