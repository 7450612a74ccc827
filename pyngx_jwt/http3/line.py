"""What takes the frames of streams to QUIC, as far as it wants more of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..http2.stream import Stream
from . import codes
from .frames import varint

LARGEST_HEAD = 9  # bytes before the data of a DATA frame, at the most
NO_LIMIT = 1 << 62  # windows are QUIC's


class Transport(Protocol):
    """What a line needs of a QUIC connection."""

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Sends bytes of a stream."""

    def room(self, number: int) -> int:
        """How many bytes can be sent on a stream now; -1 if none can be any more."""


class Line:
    """The streams that have something to send, and their frames; or, with `plain`, bodies without
    frames, and without heads (hq-interop)."""

    __slots__ = (
        *(
            "_changed",
            "_held",
            "_least",
            "_plain",
            "_transport",
            "frame_size",
            "init_window",
            "paused",
        ),
        *("paused", "payload_bytes", "send_window", "total_bytes", "waiting"),
    )

    def __init__(self, transport: Transport, changed: Callable[[], None], least: int) -> None:
        """`changed` is called when there is something for QUIC to send; a frame that is not the
        last one of a body has at `least` so many bytes."""
        self._transport, self._changed, self._least = transport, changed, least
        self._plain = False
        self._held: dict[Stream, None] = {}  # that wait for room
        self.init_window = 0
        self.send_window = self.frame_size = NO_LIMIT
        self.paused = False
        self.payload_bytes = self.total_bytes = 0
        self.waiting: set[Stream] = set()

    def leave_out_frames(self) -> None:
        """From now on bodies are sent as they are."""
        self._plain = True

    def pump(self, stream: Stream) -> None:
        """Sends as much of a stream as there is room for."""
        while stream.unsent:
            room = self._transport.room(stream.id)
            if room < 0:  # the client does not want it
                stream.forget()
                break
            stream.send_window = room - LARGEST_HEAD
            if stream.send_window < min(stream.held_bytes, self._least):
                self._held[stream] = None
                return
            stream.send_part()
        self._held.pop(stream, None)
        stream.wake()

    def go_on(self) -> None:
        """There may be room again, in turn for all streams."""
        for stream in list(self._held):
            if stream in self._held:
                del self._held[stream]
                self.pump(stream)

    def drop(self, stream: Stream) -> None:
        """Forgets a stream that is over."""
        self._held.pop(stream, None)
        self.waiting.discard(stream)

    def put_head(self, stream: Stream, block: bytes, end: bool) -> int:
        """Sends a head or trailers."""
        data = b"" if self._plain else varint(codes.HEADERS) + varint(len(block)) + block
        return self._put(stream, data, len(block), end)

    def put_part(self, stream: Stream, data: bytes, end: bool) -> int:
        """Sends a part of a body, for which there is room; b"" at its end."""
        head = b"" if self._plain or not data else varint(codes.DATA) + varint(len(data))
        return self._put(stream, head + data, len(data), end)

    def put_message(self, stream: Stream, block: bytes, data: bytes) -> int:
        """Sends a head with all of a body, if there is room for them."""
        head = b""
        if not self._plain:
            head = varint(codes.HEADERS) + varint(len(block)) + block
            head += varint(codes.DATA) + varint(len(data))
        message = head + data
        fits = len(data) <= stream.largest and len(message) <= self._transport.room(stream.id)
        return self._put(stream, message, len(block) + len(data), True) if fits else 0

    def _put(self, stream: Stream, data: bytes, payload: int, end: bool) -> int:
        self.payload_bytes += payload
        self.total_bytes += len(data)
        if self._transport.room(stream.id) >= 0 and (data or end):
            self._transport.send_stream_data(stream.id, data, end)
            self._changed()
        return len(data)
