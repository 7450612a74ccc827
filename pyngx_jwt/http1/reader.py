"""Takes request heads out of the bytes of a connection, one after the other.

There is one read position: what has been taken is behind it, and no byte is split or copied again
for the requests before.  Most clients send the same header lines with every request of a
connection, and many the same request: that is noticed, and read again without being parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..http.head import RequestHead
from .head import PartialHead, find_head_end, parse_head, parse_next, parse_plain, skip_empty_lines
from .head_types import HeadOptions, RefusedHead

PATIENCE: Final = 8  # heads in a row that are unlike those before: then no more are remembered
END: Final = b"\r\n\r\n"  # of nearly all heads
OptionsOf = Callable[[str], HeadOptions]  # by the name of the host


class HeadReader:
    """The unread bytes of a connection; they begin at `at`, and `buffer` is b"" if there are
    none."""

    __slots__ = (
        *("_last", "_last_data", "_last_lines", "_misses", "_options_of", "_partial"),
        *("at", "buffer"),
    )

    def __init__(self, options_of: OptionsOf | None) -> None:
        """`options_of`: how the server of a host wants its heads to be read, for addresses with
        more than one server."""
        self._options_of = options_of
        self.buffer, self.at = b"", 0
        self._partial: PartialHead | None = None  # of a head that has not come whole
        self._last: RequestHead | None = None
        self._last_data = self._last_lines = b""
        self._misses = 0

    def add(self, data: bytes) -> None:
        """Takes what has come on the connection."""
        self.buffer = self.buffer[self.at :] + data if self.buffer else data
        self.at = 0

    def take(self, length: int) -> bytes:
        """The next bytes; they are read then."""
        buffer, start = self.buffer, self.at
        end = start + length
        if end < len(buffer):
            self.at = end
            return buffer[start:end]
        self.forget()
        return buffer[start:] if start else buffer

    def forget(self) -> None:
        """Drops what has come."""
        self.buffer, self.at, self._partial = b"", 0, None

    def end(self) -> None:
        """No more heads are read: lets go of the connection, which has the reader."""
        self.forget()
        self._options_of = self._last = None

    @property
    def unread(self) -> int:
        """How many bytes wait to be read."""
        return len(self.buffer) - self.at

    def next(self, options: HeadOptions) -> RequestHead | RefusedHead | None:
        """The next head, which is read then; None if it is not complete.

        One that is refused stays where it is, its length is that of all there is."""
        last = self._last
        if last is not None and self._comes_again():
            self._partial = None  # it has come whole
            self._misses = 0
            self.take(last.length)
            return last
        head = self._read(options)
        if head is None:
            return None
        if isinstance(head, RefusedHead):
            head.head.length = self.unread
            return head
        data = self.take(head.length)
        if self._options_of is not None:
            chosen = self._options_of(head.host)
            if chosen is not options and chosen != options:
                again = parse_head(data, chosen, options)
                if isinstance(again, RefusedHead):
                    again.head.length = head.length
                    return again
                head = again
        if self._misses <= PATIENCE:
            self._remember(head, data)
        return head

    def _comes_again(self) -> bool:
        """Whether the last head is what comes next."""
        buffer, data, at = self.buffer, self._last_data, self.at
        if not at and len(buffer) == len(data):
            return buffer == data
        return buffer.startswith(data, at)

    def _read(self, options: HeadOptions) -> RequestHead | RefusedHead | None:
        if self._partial is not None:
            return self._read_more(self._partial, options)
        buffer, at = self.buffer, self.at
        if self._last is not None:
            end = buffer.find(b"\n", at) + 1
            if end and buffer.startswith(self._last_lines, end):
                head = parse_next(buffer[at:end], self._last, options)
                if head is not None:
                    self._misses = 0
                    return head
        head = self._read_plain(options)
        if head is not None:
            return head
        if buffer[at] < 14:
            at = self.at = skip_empty_lines(buffer, at)
            if at == len(buffer):
                self.forget()
                return None
        end = find_head_end(buffer, at, options.most)
        if end >= 0:
            return parse_head(buffer[at:end], options)
        self.buffer, self.at = buffer[at:], 0
        self._partial = PartialHead(options)
        return self._read_more(self._partial, options)

    def _read_plain(self, options: HeadOptions) -> RequestHead | None:
        """Reads a head like nearly all others; None if it is another, or is not complete."""
        buffer, at, most = self.buffer, self.at, options.most
        if not at and len(buffer) <= most and buffer.endswith(END):
            head = parse_plain(buffer, options)
            if head is not None:
                return head
        end = buffer.find(END, at, at + most) + len(END)
        if end < len(END) or end - at == len(buffer):
            return None
        return parse_plain(buffer[at:end], options)

    def _read_more(
        self, partial: PartialHead, options: HeadOptions
    ) -> RequestHead | RefusedHead | None:
        """Goes on with a head that comes in pieces."""
        end = partial.feed(self.buffer)
        if end == -1:
            return None
        self._partial = None
        return parse_head(self.buffer[:end], options) if isinstance(end, int) else end

    def _remember(self, head: RequestHead, data: bytes) -> None:
        self._misses += 1
        plain = not (head.content_length > 0 or head.chunked or head.dropped)
        # a host in the request line is not that of the header lines
        plain = plain and head.request_line.startswith("/", len(head.method) + 1)
        # parse_next() counts with a CRLF at the end of the line
        plain = plain and data.find(b"\n") == len(head.request_line) + 1
        if not plain or self._misses > PATIENCE:
            self._last = None
            return
        if head.headers is not (self._last and self._last.headers):
            self._last_lines = data[data.find(b"\n") + 1 :]
        self._last, self._last_data = head, data
