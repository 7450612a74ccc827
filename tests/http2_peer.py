"""An upstream that speaks HTTP/2: scripts for a backend, written with frames."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from .backend import Peer, Script

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK = ((":status", "200"),)
PROTOCOLS = ("proxy", "grpc")

Fields = Sequence[tuple[str, str]]


def fields_block(fields: Fields) -> bytes:
    """A header block that needs no table: each field is a literal."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields, huffman=False)


def headers(
    stream: int, fields: Fields = OK, *, end: bool = False, whole: bool = True
) -> HeadersFrame:
    """A HEADERS frame; without `whole` CONTINUATION frames follow."""
    flags = ["END_STREAM"] * end + ["END_HEADERS"] * whole
    block = fields_block(fields)
    # the size of the table, which hpack writes where it changes, is none of a server's business
    return HeadersFrame(stream, block.lstrip(b"\x20"), flags=flags)


def continuation(stream: int, fields: Fields, *, whole: bool = True) -> ContinuationFrame:
    block = fields_block(fields).lstrip(b"\x20")
    return ContinuationFrame(stream, block, flags=["END_HEADERS"] * whole)


def data(stream: int, payload: bytes, *, end: bool = False, padding: int = 0) -> DataFrame:
    flags = ["END_STREAM"] * end + (["PADDED"] if padding else [])
    return DataFrame(stream, payload, flags=flags, pad_length=padding)


def settings(values: dict[int, int] | None = None, *, ack: bool = False) -> SettingsFrame:
    return SettingsFrame(0, settings=values or {}, flags=["ACK"] * ack)


def ping(payload: bytes = b"12345678", *, ack: bool = False) -> PingFrame:
    return PingFrame(0, payload, flags=["ACK"] * ack)


def reset(stream: int, code: int = 0) -> RstStreamFrame:
    return RstStreamFrame(stream, code)


def goaway(last: int, code: int = 0) -> GoAwayFrame:
    return GoAwayFrame(0, last_stream_id=last, error_code=code)


def window(stream: int, increment: int) -> WindowUpdateFrame:
    return WindowUpdateFrame(stream, increment)


def joined(frames: Iterable[Frame | bytes]) -> bytes:
    return b"".join(x if isinstance(x, bytes) else x.serialize() for x in frames)


@dataclass(slots=True)
class Http2Peer:
    """The server's end of one connection."""

    peer: Peer
    settings: dict[int, int] = field(default_factory=dict)  # that it sends at first
    stream: int = 0  # of the last request
    fields: list[tuple[str, str]] = field(default_factory=list)  # of that request
    frames: list[Frame] = field(default_factory=list)  # all that have come
    greeted: bool = False
    ended: bool = False  # the last request has come whole
    _decoder: Decoder = field(default_factory=Decoder)

    def send(self, *frames: Frame | bytes) -> None:
        self.peer.send(joined(frames))

    def greet(self) -> None:
        """Reads the preface and answers with settings."""
        assert self.peer.exactly(len(PREFACE)) == PREFACE
        self.greeted = True
        self.send(settings(self.settings))

    def frame(self) -> Frame:
        """The next frame; settings are acknowledged."""
        if not self.greeted:
            self.greet()
        frame, length = Frame.parse_frame_header(memoryview(self.peer.exactly(9)))
        frame.parse_body(memoryview(self.peer.exactly(length)))
        self.frames.append(frame)
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(settings(ack=True))
        self.ended = self.ended or "END_STREAM" in frame.flags
        return frame

    def head(self) -> Http2Peer:
        """The next request's head."""
        self.ended = False
        block = b""
        while True:
            frame = self.frame()
            if isinstance(frame, (HeadersFrame, ContinuationFrame)):
                block += frame.data
                if "END_HEADERS" in frame.flags:
                    break
        self.stream = frame.stream_id
        self.fields = [
            (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
            for name, value in self._decoder.decode(block, raw=True)
        ]
        self.peer.on_head()
        return self

    def request(self) -> Http2Peer:
        """The next request with its body."""
        self.head()
        self.body()
        return self

    def settle(self) -> None:
        """Waits until the settings are acknowledged: nothing is on its way then."""
        while not any(isinstance(x, SettingsFrame) and "ACK" in x.flags for x in self.frames):
            self.frame()

    def body(self) -> bytes:
        """What comes until the request ends, and as much room as it takes."""
        parts: list[bytes] = []
        while not self.ended:
            frame = self.frame()
            if isinstance(frame, DataFrame):
                parts.append(frame.data)
                if frame.data:
                    size = len(frame.data)
                    self.send(window(0, size), *([] if self.ended else [window(self.stream, size)]))
        return b"".join(parts)

    def data(self, size: int) -> bytes:
        """So many bytes of the body."""
        parts = b""
        while len(parts) < size:
            frame = self.frame()
            if isinstance(frame, DataFrame):
                parts += frame.data
        return parts

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    def respond(self, body: bytes = b"", *fields: tuple[str, str], trailers: Fields = ()) -> None:
        """A whole response of 200."""
        head = headers(self.stream, (*OK, *fields), end=not body and not trailers)
        parts: list[Frame] = [head]
        if body:
            parts.append(data(self.stream, body, end=not trailers))
        if trailers:
            parts.append(headers(self.stream, trailers, end=True))
        self.send(*parts)

    def finish(self) -> None:
        """Waits for the other end to close: what it still sends would be answered by a reset,
        which overtakes the response."""
        with contextlib.suppress(TimeoutError):
            self.peer.rest(60)


Application = Callable[[Http2Peer], None]


def speaking(application: Application, settings: dict[int, int] | None = None) -> Script:
    """A script of a server that speaks HTTP/2."""

    def script(peer: Peer) -> None:
        server = Http2Peer(peer, settings or {})
        application(server)
        server.finish()

    return script


def serving(*applications: Application, settings: dict[int, int] | None = None) -> Script:
    """A script that hands the connection to one application after the other, one for a request
    that has come whole."""

    def serve(server: Http2Peer) -> None:
        for application in applications:
            application(server.request())

    return speaking(serve, settings)
