"""HTTP/2 connections: many requests at a time, each a stream (ngx_http_v2.c)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from ..http.head import RequestHead, new_head
from ..http.lifecycle import CLIENT_GONE
from ..http.ports import Http2, Port
from ..http.request import Request, Server
from ..http1.head_types import HeadOptions, RefusedHead
from ..http2 import frames
from ..http2.blocks import BlockReader, Field, write_block
from ..http2.frames import MAX_WINDOW, NO_ERROR, PREFACE, PROTOCOL_ERROR, Fault, Flood
from ..http2.link import Link
from ..http2.request_head import read_head, repeat_head
from ..http2.response_head import build_block
from ..http2.stream import Stream
from ..log import Severity
from .connection import SocketConnection
from .deadline import Deadline
from .front_end import TIMED_OUT, FrontEnd
from .stream import READING, RequestStream, Why

WRITE_BUFFER = 1  # bytes that wait for the kernel before the transport says so
START = 18  # bytes of the preface that are compared first
IDLE_FACTOR = 10  # times keepalive_requests: how often an idle connection may say something
DOING = " while processing HTTP/2 connection"
CODES = {
    Why.TOO_SLOW: PROTOCOL_ERROR,
    Why.FAILED: frames.INTERNAL_ERROR,
    Why.ANSWERED: NO_ERROR,
}


class Http2Protocol(SocketConnection):
    """One client connection.

    | state | streams | waits for, at the most |
    |---|---|---|
    | new | none yet | a request, client_header_timeout |
    | idle | none | a request, keepalive_timeout |
    | reading a head | any | its end, client_header_timeout |
    | serving | some | the streams, which have deadlines of their own |
    | lingering | none | whatever comes, lingering_time |

    After GOAWAY (`link.leaving`) the streams that there are are the last.
    """

    __slots__ = (
        *("_preface", "_reading_head", "_refuses", "_sending", "_unsent", "idles"),
        *("goes_at", "last", "limits", "lingering", "link", "most_requests", "new_streams"),
        *("options", "refused"),
    )

    def __init__(self, worker: FrontEnd, port: Port, number: int) -> None:
        super().__init__(worker, port, number)
        # Their limits are those of the server that the client names in its handshake.
        self.link = Link(worker.loop, self, BlockReader("client", 0, 0), "client")
        self.limits = Http2(0, 0)
        self._preface = b""  # as far as it has come
        self._reading_head = False
        self._refuses = False  # the stream whose head is being read
        self._sending = Deadline(worker.loop, self._sending_timed_out)
        self._unsent = 0  # bytes that waited for the kernel when the clock was last looked at
        self.idles = self.refused = 0  # how often it has said something while it had no stream
        self.last = 0  # the highest stream that the client has opened
        self.lingering = 0.0  # seconds since the epoch when that ends
        self.new_streams = 0  # in the bytes that are being read
        self.most_requests, self.goes_at = 0, 0.0  # the bounds of what one connection may do
        self.options: HeadOptions = worker.options_of(self.server)

    # -- the connection --------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        if self.take_transport(transport, WRITE_BUFFER) and self.ssl is None:
            self.choose_server(self.server)

    def choose_server(self, server: Server) -> None:
        """Opens the connection as this server is configured."""
        super().choose_server(server)
        self.options = self.worker.options_of(server)
        self.limits = self.address.http2[server]
        core = server.location.core
        self.most_requests = core.keepalive_requests if core.keepalive_timeout[0] else 0
        self.goes_at = self.start + core.keepalive_time
        number, size = self.options.large_client_header_buffers
        link = self.link
        link.blocks.limit(size, number * size)
        link.priorities_left = max(self.limits.streams, 100)
        link.put_control(
            frames.settings(
                (
                    (frames.MAX_CONCURRENT_STREAMS, self.limits.streams),
                    (frames.INITIAL_WINDOW_SIZE, self.limits.preread),
                    (frames.MAX_FRAME_SIZE, frames.LARGEST_FRAME),
                )
            )
        )
        link.widen(0, MAX_WINDOW - link.recv_window)
        link.recv_window = MAX_WINDOW
        self.deadline.set(server.core.client_header_timeout)
        if self.worker.stopping:
            self._end(NO_ERROR)

    @property
    def preread(self) -> int:
        return self.limits.preread

    def current(self) -> Sequence[Request]:
        return [
            stream.request
            for stream in self.link.streams.values()
            if isinstance(stream, RequestStream) and (stream.running or stream.answered)
        ]

    @property
    def writing(self) -> int:
        return len(self.link.streams)

    @property
    def reading(self) -> int:
        return self._reading_head

    def connection_lost(self, error: Exception | None) -> None:
        self.lost()
        self._sending.stop()
        self.link.stop()
        self._leave_streams()

    def _leave_streams(self) -> None:
        for stream in list(self.link.streams.values()):
            assert isinstance(stream, RequestStream)
            stream.leave()

    def eof_received(self) -> bool:
        """A client that closes its side is gone, as far as nginx is concerned."""
        if not self.lingering and (self.link.streams or self.link.is_inside):
            self.note(CLIENT_GONE)
        self.closed = True
        self._leave_streams()
        return False

    def shut_down(self) -> None:
        if self.lingering or self.closed:
            return
        if self.link.streams or self._reading_head:
            self.link.go_away(self.last, NO_ERROR)
        else:
            self._end(NO_ERROR)

    def end(self, fault: Fault) -> None:
        """Ends the connection for what the client did."""
        if self.closed or self.lingering:
            return
        if fault.args[0]:
            self.note(str(fault))
        if isinstance(fault, Flood) and self.link.paused:  # it would not read a goodbye
            self.closed = True
            self.transport.abort()
        self._end(fault.code)

    def _end(self, code: int) -> None:
        """ngx_http_v2_finalize_connection."""
        if not self.closed:
            try:
                self.link.go_away(self.last, code)
            except Flood:
                self.closed = True
            self.link.flush()
        self.lingering = time.time()  # no stream is to end the connection a second time
        self._leave_streams()
        self._linger()

    def _linger(self) -> None:
        """Reads on for a while, so that the client can read the last frames before a reset."""
        core = self.server.location.core
        if self.closed or core.lingering_close == "off" or not self.transport.can_write_eof():
            self.lingering = time.time()
            self.close()
            return
        self.lingering = time.time() + core.lingering_time
        self.transport.write_eof()
        self.deadline.set(min(core.lingering_timeout, core.lingering_time))

    def _end_lingering(self) -> None:
        """A client that has not read all until now will not."""
        if self.link.paused:
            self.transport.abort()
        else:
            self.close()

    # -- time ------------------------------------------------------------------------------

    def _timed_out(self) -> None:
        if self.lingering:
            self._end_lingering()
        elif self._reading_head:
            self._give_up_head()
        elif self.link.is_inside or self._preface != PREFACE:
            self.note(TIMED_OUT)
            self._end(PROTOCOL_ERROR)
        else:
            self._end(NO_ERROR)

    def _give_up_head(self) -> None:
        """The rest of a request head has not come; it is logged as a request."""
        self._reading_head, self._refuses = False, True
        self.requests += 1
        stream = self.link.streams[self.last] = RequestStream(self, self.last, self)
        stream.timed_out = True
        refused = RefusedHead(408, TIMED_OUT + READING, new_head(0, ""))
        stream.begin(refused, self.address.names, end=False)

    def _sending_timed_out(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._await_sending()
            return
        self.note(f"{TIMED_OUT} while sending to client")
        self.closed = True
        self._leave_streams()
        if self.resets:
            self.reset()
        else:
            self.transport.abort()

    def _await_sending(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._sending.set(self.server.location.core.send_timeout)

    def pause_writing(self) -> None:
        self.link.pause()
        self._await_sending()

    def resume_writing(self) -> None:
        self._sending.clear()
        self.link.resume()

    # -- reading ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.lingering:
            left = self.lingering - time.time()
            if left <= 0:
                self._end_lingering()
            else:
                self.deadline.set(min(self.server.location.core.lingering_timeout, left))
            return
        if self.closed:
            return
        if self._preface != PREFACE:
            data = self._read_preface(data)
            if not data:
                return
        elif self._is_idle and not self.link.is_inside:
            self.idles += 1
            if self.idles > IDLE_FACTOR * self.server.location.core.keepalive_requests:
                self.end(Flood())
                return
        self.new_streams = 0
        try:
            self.link.feed(data)
        except Fault as fault:
            self.end(fault)
            return
        if self._reading_head:
            if self.deadline.at == inf:
                self.deadline.set(self.server.core.client_header_timeout)
        elif not self.link.streams:
            self.stream_ended()

    def _read_preface(self, data: bytes) -> bytes:
        """What follows it, b"" as long as it is not complete."""
        seen = self._preface + data
        for size in (START, len(PREFACE)):
            if len(seen) >= size and seen[:size] != PREFACE[:size]:
                self.end(Fault(PROTOCOL_ERROR, "invalid connection preface"))
                return b""
        self._preface = seen[: len(PREFACE)]
        return seen[len(PREFACE) :]

    @property
    def _is_idle(self) -> bool:
        return not self.link.streams

    def stream_ended(self) -> None:
        """A stream is over: if it was the last one, the connection idles or ends."""
        if self.link.streams or self.lingering or self.closed:
            return
        if self.link.feeding or self._reading_head:
            return  # more may come with the same bytes
        if self.link.leaving:
            self.link.flush()
            self._linger()
        elif self.deadline.at == inf:
            self.deadline.set(self.server.location.core.keepalive_timeout[0])

    # -- frames (Side) ---------------------------------------------------------------------

    def begin_headers(self, number: int, flags: int) -> bool:
        if self.link.leaving:
            return False
        if number % 2 == 0 or number <= self.last:
            raise Fault(
                PROTOCOL_ERROR,
                f"client sent HEADERS frame with incorrect identifier {number}, "
                f"the last was {self.last}",
            )
        self.last = number
        self._reading_head = True
        why = self._refusal(flags)
        self._refuses = bool(why)
        if why:
            self._refuse(number, why)
            return True
        self.deadline.clear()
        self.link.priorities_left += self.limits.streams
        if self.requests + 1 >= self.most_requests or time.time() > self.goes_at:
            self.link.go_away(self.last, NO_ERROR)
        return True

    def _refusal(self, flags: int) -> str:
        """Why a stream is not wanted, "" if it is."""
        streams, preread = self.limits
        if len(self.link.streams) >= streams:
            return f"concurrent streams exceeded {len(self.link.streams)}"
        self.new_streams += 1
        if self.new_streams > 2 * streams:
            return "client sent too many streams at once"
        has_body = not flags & frames.END_STREAM
        if has_body and not self.link.settings_acknowledged and preread < frames.DEFAULT_WINDOW:
            return "client sent stream with data before settings were acknowledged"
        return ""

    def _refuse(self, number: int, why: str) -> None:
        self.note(why)
        self.refused += 1
        if self.refused > max(self.limits.streams, 100) + 1:
            raise Fault(NO_ERROR, "client sent too many refused streams")
        self.link.put_control(frames.rst_stream(number, frames.REFUSED_STREAM))

    def end_headers(self, number: int, fields: list[Field], length: int, end: bool) -> None:
        self._reading_head = False
        if self._refuses:
            return
        self.deadline.clear()
        self.requests += 1
        head = self._read_head(fields, length, end)
        if isinstance(head, RequestHead):
            self.link.payload_bytes += length
        stream = self.link.streams[self.last] = RequestStream(self, self.last, self)
        stream.begin(head, self.address.names, end=end)

    def _read_head(self, fields: list[Field], length: int, end: bool) -> RequestHead | RefusedHead:
        """Reads a head, or only its path if the rest of it has come before."""
        known = self.link.blocks.known
        if known is not None and known.head is not None and known.end == end:
            before = known.head
            path = fields[known.place][1] if known.place >= 0 else before.unparsed_uri
            if path == before.unparsed_uri and length == before.length:
                return before
            repeated = repeat_head(before, path, length, self.options)
            if repeated is not None:
                return repeated
        head = read_head(fields, length, self.options, self._options_of, end=end)
        if known is not None and isinstance(head, RequestHead) and self._merges_alike(head):
            known.head, known.end = head, end
        return head

    def _merges_alike(self, head: RequestHead) -> bool:
        """Whether it makes no difference for the path if it comes before the name of the host."""
        if self.address.names.only_default:
            return True
        options = self._options_of(head.host)
        return options is not None and options.merge_slashes == self.options.merge_slashes

    def _options_of(self, host: str) -> HeadOptions | None:
        names = self.address.names
        server = names.default
        if not names.only_default:
            server = names.find_without_request(host) or server
        return self.worker.options_of(server) if server in self.address.http2 else None

    def take_data(self, stream: Stream, data: bytes, end: bool) -> None:
        assert isinstance(stream, RequestStream)
        self.link.payload_bytes += len(data)
        stream.take_data(data, end)

    def reset_by_peer(self, stream: Stream, code: int) -> None:
        assert isinstance(stream, RequestStream)
        if code == frames.CANCEL:
            text = f"client canceled stream {stream.id}"
        elif code == frames.INTERNAL_ERROR:
            text = f"client terminated stream {stream.id} due to internal error"
        else:
            text = f"client terminated stream {stream.id} with status {code}"
        stream.request.log(Severity.INFO, text)
        stream.leave()

    def violated(self, stream: Stream, code: int, text: str) -> None:
        assert isinstance(stream, RequestStream)
        if text:
            self.note(text)
        if not stream.reset_sent:
            stream.reset_sent = True
            self.link.put_control(frames.rst_stream(stream.id, code))
            stream.leave()

    # -- responses (Home) ------------------------------------------------------------------

    def largest_part(self, r: Request) -> int:
        return r.chunk_size

    def response_block(self, r: Request) -> bytes:
        return build_block(r, self.worker.clock)

    def field_block(self, fields: Iterable[Field]) -> bytes:
        return write_block(fields)

    def cut_stream(self, stream: Stream, why: Why) -> None:
        self.link.put_control(frames.rst_stream(stream.id, CODES[why]))

    def widen_stream(self, stream: Stream, window: int) -> None:
        self.link.widen_stream(stream, window)

    def drop(self, stream: Stream) -> None:
        self.link.drop(stream)

    def goes_away(self, last: int, code: int) -> None:
        """Clients may go at any time; nginx takes no notice either."""

    def stray_data(self, number: int) -> None:
        """It is not wanted any more."""

    def note(self, text: str) -> None:
        self.log(Severity.INFO, text + DOING)
