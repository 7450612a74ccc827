"""Splits a request into subrequests, each of which gets one slice of the response.

Large responses are cached in pieces: pass the variable $slice_range to the upstream as the Range
header, and make it part of the key of the cache.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from ..conf.directive import Conf, size
from ..http.contexts import EVERYWHERE
from ..http.digits import number_of
from ..http.level import Level
from ..http.module import Module
from ..http.postpone import Part, Postponed, postpone
from ..http.request import HeaderFilter, Request
from ..http.subrequest import ask_again, copy_of
from ..log import Severity

KEY = "slice"
MAX_OFFSET = 2**63 - 1
_START = re.compile(r"bytes= *+([0-9]++)[^,]*+\Z", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes  *([0-9]+) *- *([0-9]+) */ *([0-9]+|\*) *\Z")


class SliceConf(Conf):
    slice = size(
        0,
        EVERYWHERE,
        "Sets the size of a slice. 0 disables splitting. Sizes that are too small cause many "
        "requests and many files in the cache.",
        shown="0",
    )


slice_ = Module("slice", SliceConf)


class Slices:
    """How far a response in slices has come; offsets are bytes of the whole body.

    `start` is the first byte of the slice that is asked for, then that of the next one, `end` the
    end of the last; `answered`: the slice that was asked for is on its way."""

    __slots__ = ("answered", "end", "etag", "size", "start")

    def __init__(self, size: int, start: int) -> None:
        self.size = size
        self.start = start
        self.end = 0
        self.etag: str | None = None
        self.answered = False

    @property
    def range(self) -> str:
        """What is asked for."""
        return f"bytes={self.start}-{self.start + self.size - 1}"


@slice_.variable("slice_range")
def slice_range(r: Request) -> str | None:
    """The range of the current slice as the value of a Range header: "bytes=0-1048575"."""
    slices: Slices | None = r.contexts.get(KEY)
    if slices is None:
        size: int = r.location.conf(SliceConf).slice
        if r.parent is not None or r.status or not size:
            return None
        slices = r.contexts[KEY] = Slices(size, _start(r) // size * size)
    return slices.range


def _start(r: Request) -> int:
    """The first byte that the client wants, 0 if that is not known yet."""
    text = r.first_line("range")
    if text is None or "if-range" in r.index:
        return 0
    match = _START.match(text)
    start = number_of(match[1]) if match else 0
    return start if start <= MAX_OFFSET else 0


class ContentRange(NamedTuple):
    """Where a part stands in the whole; `length` is that of the whole, None if it is not known."""

    start: int
    end: int
    length: int | None


def parse_content_range(text: str | None) -> ContentRange | None:
    """The value of a Content-Range header, None if it makes no sense."""
    match = _CONTENT_RANGE.match(text or "")
    if match is None:
        return None
    start, last = number_of(match[1]), number_of(match[2])
    length = None if match[3] == "*" else number_of(match[3])
    if max(start, last, length or 0) > MAX_OFFSET:
        return None
    return ContentRange(start, last + 1, length)


@slice_.opens
def open_slice(conf: SliceConf, level: Level) -> HeaderFilter | None:
    """Makes the head of the whole of that of its slice (ngx_http_slice_header_filter)."""
    if not conf.slice:
        return None

    def filter_header(r: Request) -> None:
        slices: Slices | None = r.contexts.get(KEY)
        if slices is None:
            return
        if r.status != 206:
            if r.parent is None:
                del r.contexts[KEY]
                return
            _fail(r, f"unexpected status code {r.err_status or r.status} in slice response")
        _check_etag(r, slices)
        start, end, length = _checked_range(r, slices)
        slices.start, slices.answered = end, True
        _describe_whole(r, start, length)
        if r.parent is None:
            slices.end = length
            output = postpone(r)
            output.before_end = Continuation(r, slices, output).begin

    return filter_header


def _fail(r: Request, text: str) -> NoReturn:
    """The response is cut, as it cannot be made whole."""
    r.log(Severity.ERR, text)
    raise ConnectionResetError


def _check_etag(r: Request, slices: Slices) -> None:
    """All slices must be of the same response."""
    etag = r.etag or r.sent_header("etag")
    if slices.etag is not None and etag != slices.etag:
        _fail(r, "etag mismatch in slice response")
    slices.etag = etag or slices.etag


def _checked_range(r: Request, slices: Slices) -> tuple[int, int, int]:
    part = parse_content_range(r.sent_header("content-range"))
    if part is None:
        _fail(r, "invalid range in slice response")
    if part.length is None:
        _fail(r, "no complete length in slice response")
    end = min(part.start + slices.size, part.length)
    if (part.start, part.end) != (slices.start, end):
        _fail(
            r,
            f"unexpected range in slice response: {part.start}-{part.end}, "
            f"expected: {slices.start}-{end}",
        )
    return part.start, end, part.length


def _describe_whole(r: Request, offset: int, length: int) -> None:
    r.status, r.status_line = 200, None
    r.content_length, r.content_offset = length, offset
    r.clear_header("content-range")
    r.clear_header("accept-ranges")
    r.allow_ranges = r.is_sliced = r.single_range = True


class Continuation:
    """Asks for the other slices, one after the other (ngx_http_slice_body_filter)."""

    def __init__(self, r: Request, slices: Slices, output: Postponed) -> None:
        self.r, self.slices, self.output = r, slices, output

    def begin(self) -> None:
        """After the first slice, when it is known what the client gets of the whole."""
        r, slices = self.r, self.slices
        if r.header_only or r.contexts.get(KEY) is not slices or r.status not in (200, 206):
            return  # nothing of it is sent: a 304 is, for one, or a page of an error
        if r.byte_range is not None:
            start, slices.end = r.byte_range
            if slices.start + slices.size <= start:
                slices.start = start // slices.size * slices.size
        self.go_on()

    def go_on(self) -> None:
        """After each slice."""
        r, slices = self.r, self.slices
        if not slices.answered:
            r.log(Severity.ERR, "missing slice response")
            self.output.cut()
        elif slices.start < slices.end:
            slices.answered = False
            self.output.add_part(self._ask)
            self.output.then(self.go_on)

    async def _ask(self, part: Part) -> None:
        sub = copy_of(self.r, part)
        sub.contexts[KEY] = self.slices
        await ask_again(sub)
