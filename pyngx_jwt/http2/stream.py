"""One stream: its windows, and what is to be sent on it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

DEFAULT_LARGEST = 16384  # bytes of a DATA frame


_NOTHING: Final = deque[bytes]()  # of which no stream makes more than that


class Line(Protocol):
    """What a stream needs of its connection, HTTP/2's or HTTP/3's."""

    init_window: int
    send_window: int
    frame_size: int
    paused: bool

    @property
    def waiting(self) -> set[Stream]:
        """Those that wait in wait_sent()."""

    def pump(self, stream: Stream) -> None:
        """Sends what a stream has to send, in turn with the others."""

    def put_head(self, stream: Stream, block: bytes, end: bool) -> int:
        """Sends a header block; the bytes that it took."""

    def put_part(self, stream: Stream, data: bytes, end: bool) -> int:
        """Sends a part of a body; the bytes that it took."""

    def put_message(self, stream: Stream, block: bytes, data: bytes) -> int:
        """Sends a header block with all of the body, and ends the stream; the bytes that it took,
        0 if nothing was sent because something has to be waited for."""


class Stream:
    """One request with its response, at either end; a role adds what it needs.

    `send` takes what it is given. What the windows and the kernel do not take waits here, and
    `wait_sent` waits for that."""

    __slots__ = (
        *("_ending", "_held", "_waiter", "gone", "id", "in_closed", "largest", "link"),
        *("out_closed", "recv_window", "send_window", "unlimited"),
    )

    def __init__(self, link: Line, number: int, recv_window: int) -> None:
        self.link, self.id = link, number
        self.send_window, self.recv_window = link.init_window, recv_window
        self.in_closed = self.out_closed = False  # the ends of both directions
        self.largest = DEFAULT_LARGEST  # bytes of a DATA frame, at the most
        self.unlimited = False  # the peer may send as much as it likes
        self.gone = False  # nothing more is sent
        self._held = _NOTHING
        self._ending: bytes | None = None  # trailers, b"" without any, once all is written
        self._waiter: asyncio.Future[None] | None = None

    # -- sending ---------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Sends bytes of a body, or keeps them until they can be sent."""
        if self.gone or self.out_closed or not data:
            return
        self._hold(data)
        self.link.pump(self)

    def _hold(self, data: bytes) -> None:
        if self._held is _NOTHING:
            self._held = deque()
        self._held.append(data)

    def send_message(self, block: bytes, data: bytes) -> None:
        """Sends a header block and all of the body, at once if that is possible."""
        if self.gone or self.out_closed or self._ending is not None:
            return
        size = 0 if self._held else self.link.put_message(self, block, data)
        if size:
            self.out_closed = True
            self.sent(size, len(data))
        else:
            self.send_headers(block, end=False)
            self.send_last(data)

    def send_last(self, data: bytes, trailers: bytes = b"") -> None:
        """Sends the rest of a body, and its end with it."""
        if not (self.gone or self.out_closed or self._ending is not None):
            if data:
                self._hold(data)
            self._ending = trailers
            self.link.pump(self)

    def send_end(self, trailers: bytes = b"") -> None:
        """Ends the body, with a header block or without."""
        self.send_last(b"", trailers)

    def send_part(self) -> bool:
        """Sends one frame, as far as the windows allow; whether there is more to send."""
        link = self.link
        if self._held:
            room = min(self.send_window, link.send_window, self.largest, link.frame_size)
            if room <= 0:
                return True
            data = self._take(room)
            ends = not self._held and self._ending == b""
            self.send_window -= len(data)
            link.send_window -= len(data)
            self._put(data, ends)
        if self._held:
            return True
        if self._ending is not None and not self.out_closed:
            if self._ending:
                self.send_headers(self._ending, end=True)
            else:
                self._put(b"", True)
        return False

    def send_headers(self, block: bytes, *, end: bool) -> None:
        """Sends a header block at once; windows do not apply to it."""
        if end:
            self.out_closed = True
        self.sent(self.link.put_head(self, block, end), 0)

    def _put(self, data: bytes, ends: bool) -> None:
        if ends:
            self.out_closed = True
        self.sent(self.link.put_part(self, data, ends), len(data))

    @property
    def waits_for_window(self) -> bool:
        """Whether the peer does not want more of this stream."""
        return bool(self._held) and self.send_window <= 0

    @property
    def holds_data(self) -> bool:
        """Whether bytes of the body wait."""
        return bool(self._held)

    @property
    def held_bytes(self) -> int:
        """Bytes of the body that wait."""
        return sum(map(len, self._held))

    def _take(self, most: int) -> bytes:
        """As much of what is held as fits into one frame."""
        held = self._held
        data = held.popleft()
        if len(data) < most and held:
            parts = [data]
            left = most - len(data)
            while held and left > 0:
                part = held.popleft()
                parts.append(part)
                left -= len(part)
            data = b"".join(parts)
        if len(data) > most:
            held.appendleft(data[most:])
            data = data[:most]
        return data

    def sent(self, size: int, payload: int) -> None:
        """Frames of that many bytes are on their way; `payload` are those of the body."""

    @property
    def unsent(self) -> bool:
        """Whether something is to be sent yet that has been written."""
        if self.gone:
            return False
        return bool(self._held) or (self._ending is not None and not self.out_closed)

    def forget(self) -> None:
        """Drops what has not been sent, and what comes: there will be no end of it."""
        self.gone = True
        self._held.clear()
        self.wake()

    async def wait_sent(self) -> None:
        """Waits until all that was written is sent, or never will be."""
        while self.unsent or (self.link.paused and not self.gone):
            self._waiter = asyncio.get_running_loop().create_future()
            self.link.waiting.add(self)
            try:
                await self._waiter
            finally:
                self._waiter = None
                self.link.waiting.discard(self)

    def wake(self) -> None:
        """Lets wait_sent() look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
