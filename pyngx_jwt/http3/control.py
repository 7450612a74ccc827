"""The client's unidirectional streams (RFC 9114, 6.2; ngx_http_v3_uni.c)."""

from __future__ import annotations

from ..http2.frames import Fault
from . import codes
from .frames import varint_at
from .qpack import Acknowledgements, Table

MOST_STREAMS = 3  # NGX_HTTP_V3_MAX_UNI_STREAMS
_MANDATORY = frozenset({codes.CONTROL, codes.ENCODER, codes.DECODER})
_NOT_HERE = codes.OF_HTTP2 | {codes.DATA, codes.HEADERS, codes.PUSH_PROMISE}


class Controls:
    """All of a connection.  Methods raise Fault, which ends the connection."""

    __slots__ = ("_acknowledgements", "_buffers", "_control", "_created", "_kinds", "table")

    def __init__(self) -> None:
        self.table = Table()
        self._acknowledgements = Acknowledgements()
        self._control = _ControlStream()
        self._kinds: dict[int, int] = {}  # of streams
        self._created: set[int] = set()  # kinds
        self._buffers: dict[int, bytes] = {}  # of streams whose kind has not come

    def feed(self, stream: int, data: bytes, *, end: bool) -> None:
        """Takes what has come on a stream."""
        kind = self._kinds.get(stream)
        if kind is None:
            data = self._buffers.pop(stream, b"") + data
            found = varint_at(data, 0)
            if found is None:
                if not end:
                    self._buffers[stream] = data
                return
            kind, data = found[0], data[found[1] :]
            self._register(stream, kind)
        if kind == codes.CONTROL:
            self._control.feed(data)
        elif kind == codes.ENCODER:
            self.table.feed(data)
        elif kind == codes.DECODER:
            self._acknowledgements.feed(data)
        if end:
            self.close(stream)

    def _register(self, stream: int, kind: int) -> None:
        if kind not in _MANDATORY:
            if self._created < _MANDATORY:
                raise Fault(codes.STREAM_CREATION_ERROR, "missing mandatory stream")
        elif kind in self._created:
            raise Fault(codes.STREAM_CREATION_ERROR, "stream already created")
        self._created.add(kind)
        self._kinds[stream] = kind

    def close(self, stream: int) -> None:
        """The client ends or resets a stream."""
        if self._kinds.pop(stream, None) in _MANDATORY:
            raise Fault(codes.CLOSED_CRITICAL_STREAM, "")


class _ControlStream:
    """Settings first, and then what clients can say: nothing that matters here."""

    __slots__ = ("_at", "_buffer", "_kind", "_left", "_settled")

    def __init__(self) -> None:
        self._buffer, self._at = b"", 0  # what has come, and where what is not read yet begins
        self._kind, self._left = -1, 0  # of the current frame
        self._settled = False  # the settings have begun

    def feed(self, data: bytes) -> None:
        self._buffer, self._at = self._buffer[self._at :] + data, 0
        while self._at < len(self._buffer) and self._step():
            pass

    def _step(self) -> bool:
        if self._kind < 0:
            return self._begin_frame()
        if self._kind == codes.SETTINGS:
            return self._read_setting()
        self._take(min(self._at + self._left, len(self._buffer)))
        return True

    def _begin_frame(self) -> bool:
        kind = varint_at(self._buffer, self._at)
        if kind is None:
            return False
        self._check(kind[0])
        size = varint_at(self._buffer, kind[1])
        if size is None:
            return False
        self._settled = True
        self._at = size[1]
        if size[0]:
            self._kind, self._left = kind[0], size[0]
        return True

    def _check(self, kind: int) -> None:
        if not self._settled and kind != codes.SETTINGS:
            raise Fault(codes.MISSING_SETTINGS, "")
        if kind in _NOT_HERE or (self._settled and kind == codes.SETTINGS):
            raise Fault(codes.FRAME_UNEXPECTED, "")
        if kind == codes.CANCEL_PUSH:
            raise Fault(codes.ID_ERROR, "")

    def _read_setting(self) -> bool:
        end = self._at + self._left
        name = varint_at(self._buffer, self._at)
        value = varint_at(self._buffer, name[1]) if name else None
        if value is None or value[1] > end:
            if len(self._buffer) >= end:
                raise Fault(codes.SETTINGS_ERROR, "")
            return False
        self._take(value[1])
        return True

    def _take(self, end: int) -> None:
        self._left -= end - self._at
        self._at = end
        if not self._left:
            self._kind = -1
