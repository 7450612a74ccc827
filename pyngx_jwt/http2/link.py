"""One end of an HTTP/2 connection: takes bytes apart into frames, and keeps windows and limits.

What frames mean is decided by a `Side`: the server in `server/http2.py`, or a client of upstreams.
The order of checks, their error codes and messages are those of ngx_http_v2.c, and so is what is
ignored: frames of streams that are over, unknown types.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from . import frames
from .blocks import TABLE_UPDATE, BlockReader, Field
from .frames import (
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADER_SIZE,
    MAX_WINDOW,
    PROTOCOL_ERROR,
    Fault,
    Flood,
)
from .priorities import Priorities
from .stream import Stream

BURST: Final = 32768  # bytes that are written at once, in a turn of the event loop
MAX_STUCK: Final = 10000  # control frames that wait for a peer that does not read
# A frame counts as so many bytes more than it is long: floods of the smallest ones, which cost
# Python most for each byte, end earlier than in nginx.
FRAME_COST: Final = 56
STEP_COST: Final = 8  # the same for each node that a priority has moved, or has passed
WINDOW_COST: Final = 24  # the same for each stream that is looked at as a window has changed
TOLERATED: Final = 1 << 20  # bytes that carry nothing, on top of an eighth of what does
# What the next bytes are: the head of a frame, or the rest of something.
_HEAD: Final = 0
_SKIPPED: Final = 1
_BODY: Final = 2
_BLOCK: Final = 3
_OPEN_BLOCK: Final = 4
_VALUES: Final = 5
_CONTROL_SIZES = {
    frames.PRIORITY: (5, "PRIORITY"),
    frames.RST_STREAM: (4, "RST_STREAM"),
    frames.PING: (8, "PING"),
    frames.WINDOW_UPDATE: (4, "WINDOW_UPDATE"),
}


class Side(Protocol):
    """What a role does with what comes; each method may raise Fault."""

    def begin_headers(self, number: int, flags: int) -> bool:
        """A header block begins; False leaves its frame unread."""

    def end_headers(self, number: int, fields: list[Field], length: int, end: bool) -> None:
        """A header block has come whole; `length` is that of its bytes."""

    def take_data(self, stream: Stream, data: bytes, end: bool) -> None:
        """Bytes of a body; `end` is that of the stream."""

    def reset_by_peer(self, stream: Stream, code: int) -> None:
        """The peer gives the stream up."""

    def violated(self, stream: Stream, code: int, text: str) -> None:
        """The peer broke the rules of a stream, which is to be reset with this code."""

    def goes_away(self, last: int, code: int) -> None:
        """The peer takes no more streams."""

    def note(self, text: str) -> None:
        """What is worth a line of the log, at level info."""

    def stray_data(self, number: int) -> None:
        """A body goes on whose stream is over, or has not begun."""

    def put(self, data: bytes) -> None:
        """Writes to the connection."""


class Link:
    """The frames of a connection.  `feed` takes what comes; it raises Fault, which ends it."""

    __slots__ = (
        *("_buffer", "_end", "_flags", "_flush", "_left", "_length", "_loop", "_number", "_out"),
        *("_out_size", "_padding", "_peer", "_queue", "_side", "_step", "_stream", "_stuck"),
        *("blocks", "feeding", "frame_size", "init_window", "largest_frame", "leaving", "paused"),
        *("payload_bytes", "priorities"),
        *("priorities_left", "recv_window", "send_window", "settings_acknowledged", "streams"),
        *("table_update", "total_bytes", "waiting"),
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, side: Side, blocks: BlockReader, peer: str
    ) -> None:
        """`peer` is what messages call the other end."""
        self._loop, self._side, self.blocks, self._peer = loop, side, blocks, peer
        self._step = _HEAD
        self._buffer = b""  # an incomplete frame
        self._flags = self._number = self._length = 0  # of the current frame
        self._left = self._padding = 0  # bytes of it that are to come
        self._stream: Stream | None = None  # whose body comes
        self._end = False  # the current header block is the last of its stream
        self.streams: dict[int, Stream] = {}  # those that are not over
        self.recv_window = self.send_window = self.init_window = frames.DEFAULT_WINDOW
        self.frame_size = frames.DEFAULT_FRAME_SIZE  # that the peer takes
        self.largest_frame = frames.LARGEST_FRAME  # that the peer may send
        self.settings_acknowledged = self.table_update = False
        self.priorities: Priorities | None = None  # once the peer has set some
        self.priorities_left = 100
        self.total_bytes = self.payload_bytes = 0
        self.feeding = False
        self.leaving = False  # the streams that there are are the last
        self.paused = False  # the kernel has not taken all that was written
        self.waiting: set[Stream] = set()  # those in wait_sent()
        self._queue: dict[Stream, None] = {}  # those that have something to send, in turn
        self._out: list[bytes] = []
        self._out_size = self._stuck = 0
        self._flush: asyncio.Handle | None = None

    # -- sending ---------------------------------------------------------------------------

    def put_control(self, data: bytes) -> None:
        """Sends a frame that carries no part of a message.  Raises Flood where too many wait."""
        if self.paused:
            self._stuck += 1
            if self._stuck > MAX_STUCK:
                raise Flood
        self._put(data)

    def put_head(self, stream: Stream, block: bytes, end: bool) -> int:
        """Sends a header block; windows do not apply to it."""
        if self.table_update:
            self.table_update, block = False, TABLE_UPDATE + block
        data = frames.headers(stream.id, block, end, self.frame_size)
        self.payload_bytes += len(block)
        self._put(data)
        return len(data)

    def put_part(self, stream: Stream, data: bytes, end: bool) -> int:
        """Sends a part of a body, for which there is room in the windows."""
        flags = frames.END_STREAM if end else 0
        self.payload_bytes += len(data)
        self._put(frames.frame(frames.DATA, flags, stream.id, data))
        return frames.HEADER_SIZE + len(data)

    def put_message(self, stream: Stream, block: bytes, data: bytes) -> int:
        """Sends a header block with all of a body, unless a window is too small for that, or
        others wait for their turn."""
        size, most = len(data), self.frame_size
        if (
            size > stream.send_window
            or size > self.send_window
            or size > stream.largest
            or size > most
            or len(block) >= most
            or self.paused
            or self._queue
        ):
            return 0
        if self.table_update:
            self.table_update, block = False, TABLE_UPDATE + block
        stream.send_window -= size
        self.send_window -= size
        self.payload_bytes += len(block) + size
        message = frames.message(stream.id, block, data)
        self._put(message)
        return len(message)

    def go_away(self, last: int, code: int) -> None:
        """Says, once, that no stream after the last one will be answered."""
        if not self.leaving:
            self.leaving = True
            self.put_control(frames.goaway(last, code))

    def _put(self, data: bytes) -> None:
        self.total_bytes += len(data)
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > BURST:
            self.flush()
        elif not self.feeding and self._flush is None:
            self._flush = self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes what there is."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self._side.put(data)

    def pump(self, stream: Stream) -> None:
        """Sends what a stream has to send, in turn with the others."""
        self._queue[stream] = None
        if self.send_window > 0 or not stream.holds_data:  # else nothing has changed for anyone
            self._send_in_turn()

    def _send_in_turn(self) -> None:
        """One frame of each stream after the other, as far as windows and the kernel allow, unless
        some are to be sent before others."""
        if not self._queue or self.paused:
            return
        priorities = self.priorities
        if priorities is None or self.send_window <= 0 or len(self._queue) == 1:
            self._send_alike(list(self._queue))
            return
        for alike in priorities.in_turn(self._queue):
            self._send_alike(alike)

    def _send_alike(self, streams: list[Stream]) -> None:
        """One frame of each after the other.  Those that are not done wait behind all others."""
        queue, turn = self._queue, deque(streams)
        blocked: list[Stream] = []
        while turn and not self.paused:
            stream = turn.popleft()
            if stream not in queue:
                continue
            del queue[stream]
            if stream.holds_data and self.send_window <= 0:
                blocked.append(stream)
            elif stream.send_part() and not stream.waits_for_window:
                queue[stream] = None
                turn.append(stream)
            elif not stream.unsent:
                stream.wake()
        for stream in blocked:
            queue[stream] = None

    def pause(self) -> None:
        """The kernel takes no more for now."""
        self.paused = True

    def resume(self) -> None:
        """The kernel has taken all."""
        self.paused, self._stuck = False, 0
        self._send_in_turn()
        if not self.paused:
            for stream in list(self.waiting):
                if not stream.unsent:
                    stream.wake()

    def drop(self, stream: Stream) -> None:
        """Forgets a stream that is over."""
        self.streams.pop(stream.id, None)
        self._queue.pop(stream, None)
        if self._stream is stream:
            self._stream = None

    def stop(self) -> None:
        """Ends all waiting: the connection is gone."""
        if self._flush is not None:
            self._flush.cancel()
        self._out.clear()
        self._queue.clear()

    # -- receiving -------------------------------------------------------------------------

    @property
    def is_inside(self) -> bool:
        """Whether a frame or a header block has begun that has not come whole."""
        return bool(self._buffer) or self._step != _HEAD

    def feed(self, data: bytes) -> None:
        """Takes what has come.  Raises Fault."""
        self.total_bytes += len(data)
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        at, size = 0, len(data)
        self.feeding = True
        try:
            while at < size:
                end = self._read(data, at)
                if end < 0:
                    break
                at = end
            if at < size:
                self._buffer = data[at:]
            if self.total_bytes // 8 > self.payload_bytes + TOLERATED:
                raise Flood
        finally:
            self.feeding = False
        self.flush()

    def _read(self, data: bytes, at: int) -> int:
        """Takes the next part; the place behind it, -1 if more has to come first."""
        step = self._step
        if step == _HEAD:
            return self._read_head(data, at)
        if step == _BODY:
            return self._read_data(data, at)
        if step == _BLOCK:
            return self._read_block(data, at)
        if step == _OPEN_BLOCK:
            return self._continue_block(data, at)
        if step == _VALUES:
            return self._read_values(data, at)
        return self._skip(self._left, data, at)

    def _read_head(self, data: bytes, at: int) -> int:
        if len(data) - at < HEADER_SIZE:
            return -1
        word, flags, number = frames.header_at(data, at)
        kind, length = word & 0xFF, word >> 8
        if length > self.largest_frame:
            raise self._fault(FRAME_SIZE_ERROR, f"too large http2 frame: {length}")
        self._flags, self._number, self._length = flags, number & MAX_WINDOW, length
        self.total_bytes += FRAME_COST
        if kind == frames.DATA:
            return self._begin_data(data, at)
        if kind == frames.HEADERS:
            return self._begin_headers(data, at)
        at += HEADER_SIZE
        if kind in _CONTROL_SIZES:
            return self._read_control(kind, data, at)
        if kind == frames.SETTINGS:
            return self._read_settings(data, at)
        if kind == frames.GOAWAY:
            return self._read_goaway(data, at)
        if kind == frames.PUSH_PROMISE:
            raise self._fault(PROTOCOL_ERROR, "PUSH_PROMISE frame")
        if kind == frames.CONTINUATION:
            raise self._fault(PROTOCOL_ERROR, "unexpected CONTINUATION frame")
        self._side.note(f"{self._peer} sent frame with unknown type {kind}")
        return self._skip(length, data, at)

    def _fault(self, code: int, what: str) -> Fault:
        return Fault(code, f"{self._peer} sent {what}")

    def _skip(self, length: int, data: bytes, at: int) -> int:
        """Leaves so many bytes unread."""
        here = min(length, len(data) - at)
        self._left = length - here
        self._step = _SKIPPED if self._left else _HEAD
        return at + here

    # -- bodies ----------------------------------------------------------------------------

    def _begin_data(self, data: bytes, at: int) -> int:
        length, padding, begin = self._length, 0, at + HEADER_SIZE
        if self._flags & frames.PADDED:
            if not length:
                raise self._fault(FRAME_SIZE_ERROR, "padded DATA frame with incorrect length: 0")
            if begin == len(data):
                return -1
            padding = data[begin]
            begin += 1
            if padding >= length:
                text = f"padded DATA frame with incorrect length: {length}, padding: {padding}"
                raise self._fault(PROTOCOL_ERROR, text)
        if not self._number:
            raise self._fault(PROTOCOL_ERROR, "DATA frame with incorrect identifier")
        payload = length - padding - (begin - at - HEADER_SIZE)
        self._take_from_window(length)
        self._stream = self._admit(length)
        if self._stream is None:
            return self._skip(payload + padding, data, begin)
        self._left, self._padding = payload, padding
        self._step = _BODY
        return self._read_data(data, begin)

    def _take_from_window(self, length: int) -> None:
        if length > self.recv_window:
            raise Fault(
                FLOW_CONTROL_ERROR,
                f"{self._peer} violated connection flow control: received DATA frame length "
                f"{length}, available window {self.recv_window}",
            )
        self.recv_window -= length
        if self.recv_window < MAX_WINDOW // 4:
            self.widen(0, MAX_WINDOW - self.recv_window)
            self.recv_window = MAX_WINDOW

    def widen(self, number: int, increment: int) -> None:
        """Lets the peer send more; 0 is the connection."""
        self.put_control(frames.window_update(number, increment))

    def widen_stream(self, stream: Stream, window: int) -> None:
        """Lets the peer send so much on a stream, from now on."""
        if window > stream.recv_window:
            self.widen(stream.id, window - stream.recv_window)
            stream.recv_window = window

    def _admit(self, length: int) -> Stream | None:
        """The stream of a DATA frame, None if nothing of it is wanted."""
        stream = self.streams.get(self._number)
        if stream is None:
            self._side.stray_data(self._number)
            return None
        if length > stream.recv_window:
            text = (
                f"{self._peer} violated flow control for stream {stream.id}: received DATA frame "
                f"length {length}, available window {stream.recv_window}"
            )
            self._side.violated(stream, FLOW_CONTROL_ERROR, text)
            return None
        stream.recv_window -= length
        if stream.unlimited and stream.recv_window < MAX_WINDOW // 4:
            self.widen_stream(stream, MAX_WINDOW)
        if stream.in_closed:
            text = f"{self._peer} sent DATA frame for half-closed stream {stream.id}"
            self._side.violated(stream, frames.STREAM_CLOSED, text)
            return None
        return stream

    def _read_data(self, data: bytes, at: int) -> int:
        here = min(self._left, len(data) - at)
        self._left -= here
        if here:
            self.payload_bytes += FRAME_COST // 8  # which a frame that carries something gets back
        stream = self._stream
        if stream is not None:
            end = not self._left and bool(self._flags & frames.END_STREAM)
            self._side.take_data(stream, data[at : at + here], end)
        if self._left:
            return at + here
        self._stream = None
        return self._skip(self._padding, data, at + here)

    # -- header blocks ---------------------------------------------------------------------

    def _begin_headers(self, data: bytes, at: int) -> int:
        flags, length, begin = self._flags, self._length, at + HEADER_SIZE
        extra = (1 if flags & frames.PADDED else 0) + (5 if flags & frames.PRIORITIZED else 0)
        if length < extra:
            text = f"HEADERS frame with incorrect length {length}"
            raise self._fault(FRAME_SIZE_ERROR, text)
        if length == extra:
            raise self._fault(FRAME_SIZE_ERROR, "HEADERS frame with empty header block")
        if len(data) - begin < extra:
            return -1
        padding, length = 0, length - extra
        if flags & frames.PADDED:
            padding = data[begin]
            begin += 1
            if padding > length:
                text = f"padded HEADERS frame with incorrect length: {length}, padding: {padding}"
                raise self._fault(PROTOCOL_ERROR, text)
        priority = -1
        if flags & frames.PRIORITIZED:
            if not self.leaving:
                self._check_dependency("HEADERS", data, begin)
            priority = begin
            begin += 5
        if not self._side.begin_headers(self._number, flags):
            return self._skip(length, data, begin)
        if priority >= 0:
            self._set_priority(data, priority)
        elif self.priorities is not None:
            self.priorities.begin(self._number)
        self._padding, self._left = padding, length - padding
        self._length = self._left  # of the block, from now on
        self._end = bool(flags & frames.END_STREAM)
        self._step = _BLOCK
        return self._read_block(data, begin)

    def _check_dependency(self, kind: str, data: bytes, at: int) -> None:
        """A stream cannot depend on itself."""
        if frames.number_at(data, at)[0] & MAX_WINDOW == self._number:
            text = f"{kind} frame for stream {self._number} with incorrect dependency"
            raise self._fault(PROTOCOL_ERROR, text)

    def _set_priority(self, data: bytes, at: int) -> None:
        if self.priorities is None:
            self.priorities = Priorities(self.streams)
        depends_on = frames.number_at(data, at)[0]
        priorities, before = self.priorities, self.priorities.steps
        priorities.set(
            self._number,
            depends_on & MAX_WINDOW,
            data[at + 4] + 1,
            exclusive=depends_on > MAX_WINDOW,
        )
        self.total_bytes += STEP_COST * (priorities.steps - before)

    def _read_block(self, data: bytes, at: int) -> int:
        here = min(self._left, len(data) - at)
        self._left -= here
        last = not self._left and bool(self._flags & frames.END_HEADERS)
        fields = self.blocks.feed(data[at : at + here], last=last)
        at += here
        if self._left:
            return at
        number, length, end = self._number, self._length, self._end
        self._left = self._padding
        self._step = _SKIPPED if self._left else _HEAD
        if fields is None:
            self._step = _OPEN_BLOCK
            return at
        if self._left:
            at = self._skip(self._left, data, at)
        self._side.end_headers(number, fields, length, end)
        return at

    def _continue_block(self, data: bytes, at: int) -> int:
        """Nothing but a CONTINUATION frame may follow an open block, behind its padding."""
        if self._left:
            here = min(self._left, len(data) - at)
            self._left -= here
            return at + here
        if len(data) - at < HEADER_SIZE:
            return -1
        word, flags, number = frames.header_at(data, at)
        if word & 0xFF != frames.CONTINUATION:
            text = "inappropriate frame while CONTINUATION was expected"
            raise self._fault(PROTOCOL_ERROR, text)
        if number & MAX_WINDOW != self._number:
            raise self._fault(PROTOCOL_ERROR, "CONTINUATION frame with incorrect identifier")
        self.total_bytes += FRAME_COST
        self._flags, self._left, self._padding = flags, word >> 8, 0
        self._length += self._left
        self._step = _BLOCK
        return self._read_block(data, at + HEADER_SIZE)

    # -- everything else -------------------------------------------------------------------

    def _read_control(self, kind: int, data: bytes, at: int) -> int:
        size, name = _CONTROL_SIZES[kind]
        if self._length != size:
            text = f"{name} frame with incorrect length {self._length}"
            raise self._fault(FRAME_SIZE_ERROR, text)
        if len(data) - at < size:
            return -1
        if kind == frames.WINDOW_UPDATE:
            self._widened(frames.number_at(data, at)[0] & MAX_WINDOW)
        elif kind == frames.RST_STREAM:
            self._reset(frames.number_at(data, at)[0])
        elif kind == frames.PING:
            self._ping(data[at : at + size])
        else:
            self._prioritize(data, at)
        return at + size

    def _prioritize(self, data: bytes, at: int) -> None:
        self.priorities_left -= 1
        if self.priorities_left <= 0:
            raise self._fault(ENHANCE_YOUR_CALM, "too many PRIORITY frames")
        if not self._number:
            raise self._fault(PROTOCOL_ERROR, "PRIORITY frame with incorrect identifier")
        self._check_dependency("PRIORITY", data, at)
        self._set_priority(data, at)

    def _reset(self, code: int) -> None:
        if not self._number:
            raise self._fault(PROTOCOL_ERROR, "RST_STREAM frame with incorrect identifier")
        stream = self.streams.get(self._number)
        if stream is not None:
            stream.in_closed = stream.out_closed = True
            self._side.reset_by_peer(stream, code)

    def _ping(self, payload: bytes) -> None:
        if self._number:
            raise self._fault(PROTOCOL_ERROR, "PING frame with incorrect identifier")
        if not self._flags & frames.ACK:
            self.put_control(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _widened(self, increment: int) -> None:
        if not increment:
            text = "WINDOW_UPDATE frame with incorrect window increment 0"
            raise self._fault(PROTOCOL_ERROR, text)
        not_allowed = f"received WINDOW_UPDATE frame with window increment {increment} not allowed"
        if self._number:
            stream = self.streams.get(self._number)
            if stream is None:
                return
            if stream.send_window + increment > MAX_WINDOW:
                text = (
                    f"{self._peer} violated flow control for stream {stream.id}: {not_allowed} "
                    f"for window {stream.send_window}"
                )
                self._side.violated(stream, FLOW_CONTROL_ERROR, text)
                return
            stream.send_window += increment
            if stream.unsent:
                self.pump(stream)
            return
        if self.send_window + increment > MAX_WINDOW:
            raise Fault(
                FLOW_CONTROL_ERROR,
                f"{self._peer} violated connection flow control: {not_allowed} "
                f"for window {self.send_window}",
            )
        self.send_window += increment
        self.total_bytes += WINDOW_COST * len(self._queue)
        self._send_in_turn()

    def _read_goaway(self, data: bytes, at: int) -> int:
        if self._length < 8:
            text = f"GOAWAY frame with incorrect length {self._length}"
            raise self._fault(FRAME_SIZE_ERROR, text)
        if len(data) - at < 8:
            return -1
        if self._number:
            raise self._fault(PROTOCOL_ERROR, "GOAWAY frame with incorrect identifier")
        last, code = frames.two_numbers_at(data, at)
        at = self._skip(self._length, data, at)
        self._side.goes_away(last & MAX_WINDOW, code)
        return at

    def _read_settings(self, data: bytes, at: int) -> int:
        if self._number:
            raise self._fault(PROTOCOL_ERROR, "SETTINGS frame with incorrect identifier")
        if self._flags == frames.ACK:
            if self._length:
                text = "SETTINGS frame with the ACK flag and nonzero length"
                raise self._fault(FRAME_SIZE_ERROR, text)
            self.settings_acknowledged = True
            return at
        if self._length % 6:
            text = f"SETTINGS frame with incorrect length {self._length}"
            raise self._fault(FRAME_SIZE_ERROR, text)
        if not self._length:
            self.put_control(frames.SETTINGS_ACK)
            return at
        self._left, self._step = self._length, _VALUES
        self._length = self.init_window  # that was agreed before
        return at

    def _read_values(self, data: bytes, at: int) -> int:
        """Takes settings as they come: nobody has to keep a frame that is full of them."""
        size = min(self._left, len(data) - at)
        size -= size % 6
        if not size:
            return -1
        for name, value in frames.settings_in(data[at : at + size]):
            self._set(name, value)
        self._left -= size
        if not self._left:
            self._step = _HEAD
            self.put_control(frames.SETTINGS_ACK)
            self._adjust(self._length)
        return at + size

    def _set(self, name: int, value: int) -> None:
        if name == frames.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise self._wrong_setting(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE", value)
            self.init_window = value
        elif name == frames.MAX_FRAME_SIZE:
            if not frames.DEFAULT_FRAME_SIZE <= value <= frames.LARGEST_FRAME:
                raise self._wrong_setting(PROTOCOL_ERROR, "MAX_FRAME_SIZE", value)
            self.frame_size = value
        elif name == frames.ENABLE_PUSH:
            if value > 1:
                raise self._wrong_setting(PROTOCOL_ERROR, "ENABLE_PUSH", value)
        elif name == frames.HEADER_TABLE_SIZE:
            self.table_update = True

    def _wrong_setting(self, code: int, name: str, value: int) -> Fault:
        return self._fault(code, f"SETTINGS frame with incorrect {name} value {value}")

    def _adjust(self, before: int) -> None:
        """Windows of streams change with the setting for those that begin."""
        delta = self.init_window - before
        if not delta:
            return
        self.total_bytes += WINDOW_COST * len(self.streams)
        for stream in list(self.streams.values()):
            if stream.send_window + delta > MAX_WINDOW:
                self._side.violated(stream, FLOW_CONTROL_ERROR, "")
                continue
            stream.send_window += delta
            if stream.send_window > 0 and stream.unsent:
                self.pump(stream)
