"""FastCGI's records (ngx_http_fastcgi_process_record): those of requests are written here, those
of responses unwrapped."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from ...upstream.errors import BadResponse, PrematureClose

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
RESPONDER, KEEP_CONN = 1, 1
MOST = 0xFFFF  # bytes in a record
STDIN_SIZE = 32768  # bytes of a body in a record, as nginx has it
_HEADER = struct.Struct(">BBHHBx")  # version, type, request id, length, padding
_LONG = 127  # bytes; longer texts have a length of four bytes


def record(kind: int, data: bytes) -> bytes:
    """A record of the only request on its connection, padded to a multiple of 8 bytes."""
    padding = -len(data) % 8
    return _HEADER.pack(1, kind, 1, len(data), padding) + data + bytes(padding)


def begin_request(*, keeps: bool) -> bytes:
    """The first record of a request."""
    return record(BEGIN_REQUEST, struct.pack(">HB5x", RESPONDER, KEEP_CONN if keeps else 0))


def pack_pairs(pairs: Sequence[tuple[str, str]]) -> bytes:
    """The contents of records of parameters."""
    packed: list[bytes] = []
    for name, value in pairs:
        packed += (_length(name), _length(value), name.encode("latin-1"), value.encode("latin-1"))
    return b"".join(packed)


def _length(text: str) -> bytes:
    size = len(text)
    return bytes((size,)) if size <= _LONG else struct.pack(">I", size | 1 << 31)


def unpack_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    """What pack_pairs() has packed."""
    at = 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            is_long = data[at] > _LONG
            size = struct.unpack_from(">I", data, at)[0] & ~(1 << 31) if is_long else data[at]
            sizes.append(size)
            at += 4 if is_long else 1
        middle = at + sizes[0]
        end = middle + sizes[1]
        yield data[at:middle].decode("latin-1"), data[middle:end].decode("latin-1")
        at = end


class Output:
    """The body of a response, which the end of its stream ends: its decoder."""

    __slots__ = ("keeps", "left")

    def __init__(self, length: int, *, keeps: bool) -> None:
        self.left, self.keeps = length, keeps  # -1: as long as it is

    @property
    def open_ended(self) -> bool:
        """A connection that is kept must not close before the request has ended."""
        return self.left <= 0 and not self.keeps

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None:
        if self.left < 0:
            out.append(data)
            return None
        out.append(data[: self.left])
        rest = data[self.left :]
        self.left = max(self.left - len(data), 0)
        return rest or None


class Records:
    """The layer of records around a response.

    The exchange is over with the record that ends the request, not with the output: a server that
    still has to write it must not find the connection closed.  `report` gets what the server writes
    to its error stream; with one of the `marks` in it before the head is complete there is no
    response.
    """

    __slots__ = (
        *("_header", "_kind", "_left", "_padding", "body", "closed", "exact", "marks"),
        "report",
    )

    def __init__(self, report: Callable[[str], None], marks: Sequence[str] = ()) -> None:
        self.report, self.marks = report, marks
        self.body: Output | None = None  # None: the head is not complete
        self.closed = self.exact = False
        self._header = b""  # of the record that comes next
        self._kind = self._left = self._padding = 0  # of the record that is here

    def unwrap(self, data: bytes) -> Iterator[bytes]:
        """Raises BadResponse, PrematureClose."""
        at = 0
        while at < len(data) and not self.closed:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                yield from self._content(piece)
            elif self._padding:
                skipped = min(self._padding, len(data) - at)
                self._padding -= skipped
                at += skipped
            else:
                missing = _HEADER.size - len(self._header)
                self._header += data[at : at + missing]
                at = min(at + missing, len(data))
                self._begin_record()
            ended = self._kind == END_REQUEST and not self._header
            if ended and not self._left and not self._padding:
                self.closed = True
        self.exact = self.closed and at == len(data)

    def _content(self, piece: bytes) -> Iterator[bytes]:
        if self._kind == STDOUT:
            yield piece
        elif self._kind == STDERR:
            self._take_error(piece)

    def _begin_record(self) -> None:
        """Looks at a header as far as it has come: nginx refuses it at the first wrong byte."""
        header = self._header
        _check(header)
        if len(header) < _HEADER.size:
            return
        _, self._kind, _, self._left, self._padding = _HEADER.unpack(header)
        self._header = b""
        if self._kind == END_REQUEST:
            self._end("request")
        elif self._kind == STDOUT and not self._left:
            self._end("stdout")

    def _end(self, what: str) -> None:
        if self.body is None:
            if what == "request":
                raise BadResponse(f"upstream sent unexpected FastCGI record: {END_REQUEST}")
            raise BadResponse("upstream prematurely closed FastCGI stdout")
        if self.body.left > 0:
            raise PrematureClose(f"upstream prematurely closed FastCGI {what}")

    def _take_error(self, piece: bytes) -> None:
        text = piece.decode("latin-1")
        shown = text.rstrip("\r\n. ") or text[0]
        line = f'FastCGI sent in stderr: "{shown}"'
        if self.body is None and any(mark in text for mark in self.marks):
            raise BadResponse(line)
        self.report(line)

    def wrap(self, head: bytes) -> bytes:
        """The records in which nginx finds a head that is cached."""
        pieces = [head[at : at + MOST] for at in range(0, len(head), MOST)]
        return b"".join(_HEADER.pack(1, STDOUT, 1, len(x), 0) + x for x in pieces)


def _check(header: bytes) -> None:
    """Raises BadResponse for the beginning of a record that no response can have."""
    if header[0] != 1:
        raise BadResponse(f"upstream sent unsupported FastCGI protocol version: {header[0]}")
    if len(header) > 1 and header[1] not in (STDOUT, STDERR, END_REQUEST):
        raise BadResponse(f"upstream sent invalid FastCGI record type: {header[1]}")
    for at, byte, right in ((2, "high", 0), (3, "low", 1)):
        if len(header) > at and header[at] != right:
            text = f"upstream sent unexpected FastCGI request id {byte} byte: {header[at]}"
            raise BadResponse(text)
