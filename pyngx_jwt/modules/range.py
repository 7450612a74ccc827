"""Sends parts of a response (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from ..conf.directive import Conf
from ..http.date import parse_http_time
from ..http.digits import number_of
from ..http.files import Segment, cut
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, HeaderRefused, Request
from .core import CoreConf
from .headers import modified_at

NO_LIMIT = 0x7FFFFFFF  # max_ranges, if it is not set
MAX = 2**63 - 1
OVERHEAD = 256  # bytes that a part is taken to cost
Range = tuple[int, int]  # first byte, end
# Parts give nothing back ("+"), so that a long value takes no more than its length.
_RANGE = re.compile(r" *+(?:([0-9]++) *+- *+([0-9]*+)|-([0-9]++)) *+(,|\Z)")


class RangeConf(Conf):
    """No directives: "max_ranges" is the core module's."""


range_ = Module("range", RangeConf)


class Boundaries:
    """Numbers for multipart boundaries, never the same twice in a process."""

    __slots__ = ("numbers",)

    def __init__(self) -> None:
        self.numbers: count[int] = count(1)

    def next(self) -> str:
        return f"{next(self.numbers):020d}"


@range_.cuts
def filter_ranges(conf: RangeConf, level: Level) -> HeaderFilter | None:
    most = level[CoreConf].max_ranges
    boundaries = level.scope.shared(Boundaries)
    if not most:
        return None

    def filter_header(r: Request) -> None:
        if r.status != 200 or r.content_length < 0 or r.http_version < 1000:
            return
        if r.parent is not None:
            if r.is_sliced and r.main.byte_range is not None:
                _cut(r, *r.main.byte_range)
            return
        if "range" in r.index and _if_range(r):
            field = r.first_line("range") or ""
            ranges = parse_ranges(field, r.content_length, 1 if r.single_range else most)
            if ranges == []:
                _not_satisfiable(r)
            if ranges:
                _send_parts(r, ranges, boundaries)
                return
        if r.sent_header("accept-ranges") is None:
            r.headers_out.append(("Accept-Ranges", "bytes"))

    return filter_header


def _if_range(r: Request) -> bool:
    condition = r.index.get("if-range")
    if condition is None:
        return True
    if len(condition) >= 2 and condition.endswith('"'):
        return condition == (r.etag or r.sent_header("etag"))
    modified = modified_at(r)
    return modified >= 0 and parse_http_time(condition) == modified


def parse_ranges(text: str, length: int, most: int) -> list[Range] | None:
    """The ranges to send, [] if they cannot be satisfied, None if all is to be sent
    (ngx_http_range_parse)."""
    if text[:6].lower() != "bytes=" or len(text) < 7:
        return None
    ranges: list[Range] = []
    at, comma = 6, ","
    while comma:
        match = _RANGE.match(text, at)
        if not match:
            return []
        at, comma = match.end(), match[4]
        bounds = _bounds(match, length)
        if bounds is None:
            return []
        start, end = bounds
        if start < end:
            ranges.append(bounds)
            if len(ranges) > most:
                return None
        elif start == 0:
            return None
    return None if _too_much(ranges, length, most) else ranges


def _bounds(match: re.Match[str], length: int) -> Range | None:
    """None for numbers that no file can have."""
    first, last, suffix = match[1], match[2], match[3]
    if max(number_of(text or "") for text in (first, last, suffix)) > MAX:
        return None
    if suffix is not None:
        return max(length - number_of(suffix), 0), length
    return number_of(first), min(number_of(last) + 1, length) if last else length


def _too_much(ranges: list[Range], length: int, most: int) -> bool:
    """Several ranges must not be longer than the whole, nor small and many."""
    if len(ranges) < 2:
        return False
    size = sum(end - start for start, end in ranges)
    if size > length:
        return True
    return most >= NO_LIMIT and size + len(ranges) * OVERHEAD > length + 4096


def _not_satisfiable(r: Request) -> None:
    r.status = 416
    r.clear_header("content-range")
    r.headers_out.append(("Content-Range", f"bytes */{r.content_length}"))
    r.content_length = -1
    raise HeaderRefused(416)


# -- 206 ------------------------------------------------------------------------------------


def _send_parts(r: Request, ranges: list[Range], boundaries: Boundaries) -> None:
    r.status, r.status_line = 206, None
    r.clear_header("content-range")
    length = r.content_length
    if len(ranges) == 1:
        start, end = ranges[0]
        r.headers_out.append(("Content-Range", f"bytes {start}-{end - 1}/{length}"))
        segments: list[Segment] = [(b"", start, end)]
    else:
        segments = _multipart(r, ranges, boundaries.next())
    r.content_length = sum(len(prefix) + end - start for prefix, start, end in segments)
    if r.file_segments is not None:
        r.file_segments = tuple(_of_file(r.file_segments, segments))
    elif len(ranges) == 1:
        _cut(r, *ranges[0])
    else:
        r.body_filters = (SomeParts(segments), *r.body_filters)


def _of_file(whole: tuple[Segment, ...], wanted: list[Segment]) -> Iterator[Segment]:
    """What is wanted of a body, as parts of the file that it is made of."""
    for prefix, start, end in wanted:
        parts = cut(whole, start, end) or [(b"", 0, 0)]
        yield prefix + parts[0][0], *parts[0][1:]
        yield from parts[1:]


def _cut(r: Request, start: int, end: int) -> None:
    """Sends a single range of a stream, which may be one of several that make up the body."""
    r.body_filters = (OnePart(start, end, r.content_offset), *r.body_filters)
    if r.is_sliced:
        r.byte_range = start, end


def _multipart(r: Request, ranges: list[Range], boundary: str) -> list[Segment]:
    charset = f"; charset={r.charset}" if r.charset else ""
    kind = f"Content-Type: {r.content_type}{charset}\r\n" if r.content_type else ""
    head = f"\r\n--{boundary}\r\n{kind}Content-Range: bytes "
    segments = [
        (f"{head}{start}-{end - 1}/{r.content_length}\r\n\r\n".encode("latin-1"), start, end)
        for start, end in ranges
    ]
    segments.append((f"\r\n--{boundary}--\r\n".encode("latin-1"), 0, 0))
    r.content_type, r.charset = f"multipart/byteranges; boundary={boundary}", ""
    return segments


class OnePart:
    """The body filter for a single range of a stream."""

    def __init__(self, start: int, end: int, offset: int) -> None:
        self.start, self.end_, self.offset = start, end, offset

    def feed(self, data: bytes) -> bytes:
        offset = self.offset
        self.offset += len(data)
        return data[max(self.start - offset, 0) : max(self.end_ - offset, 0)]

    def end(self) -> bytes:
        return b""


class SomeParts:
    """The body filter for several ranges, in any order: keeps the body, which is in memory
    as a whole anyway where nginx can do this."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments, self.data = segments, bytearray()

    def feed(self, data: bytes) -> bytes:
        self.data += data
        return b""

    def end(self) -> bytes:
        return b"".join(prefix + self.data[start:end] for prefix, start, end in self.segments)
