"""The head of a response, in nginx's order and words (ngx_http_header_filter)."""

from __future__ import annotations

import time
from typing import Any, Final

from ..http.date import http_date
from ..http.redirect import absolute_location
from ..http.request import Request
from ..http.status import REASONS

MAX_PLAIN: Final = 256  # heads that are kept for a second
MAX_FILES: Final = 256  # files whose fields are kept
_now: Final = time.time
_of_files: Final[dict[Any, str]] = {}  # by all that is in the fields


class DateClock:
    """The Date field and the heads of this second."""

    __slots__ = ("_heads", "_second", "blocks", "date", "plain")

    def __init__(self) -> None:
        self._second = 0
        self._heads: dict[tuple[int, str, str], str] = {}
        self.date = ""
        # Whole heads, and header blocks of HTTP/2 and HTTP/3, by what is in them.
        self.plain: dict[tuple[int, int, str | None, str, str], bytes] = {}
        self.blocks: dict[tuple[int, int, str | None, str, int], bytes] = {}

    def tick(self) -> None:
        """Forgets what was made in an earlier second."""
        second = int(_now())
        if second != self._second:
            self._second, self.date = second, http_date(second)
            self._heads.clear()
            self.plain.clear()
            self.blocks.clear()

    def head(self, status: int, line: str, signature: str) -> str:
        """Status line, Server and Date; `line` is the status with its reason, if it is not ours."""
        key = status, line, signature
        head = self._heads.get(key)
        if head is None:
            line = line or own_line(status)
            head = f"HTTP/1.1 {line}\r\nServer: {signature}\r\nDate: {self.date}\r\n"
            if len(self._heads) < MAX_PLAIN:
                self._heads[key] = head
        return head


def own_line(status: int) -> str:
    return f"{status:03d} {REASONS.get(status, '')}"


def build_head(r: Request, clock: DateClock, connection: str) -> bytes:
    """The bytes of the head; `connection` is the Connection field's line with what follows."""
    clock.tick()
    if r.headers_out or not is_plain(r):
        return _build(r, clock, connection)
    key = (r.status, r.content_length, r.content_type, connection, r.location.signature)
    head = clock.plain.get(key)
    if head is None:
        head = _build(r, clock, connection)
        if len(clock.plain) < MAX_PLAIN:
            clock.plain[key] = head
    return head


def is_plain(r: Request) -> bool:
    """Whether status, length and type are all that is told: then many heads are alike."""
    return (
        r.last_modified < 0
        and r.etag is None
        and r.location_out is None
        and r.status_line is None
        and not (r.chunked_out or r.charset or r.gzip_vary or r.own_server or r.own_date)
    )


def _build(r: Request, clock: DateClock, connection: str) -> bytes:
    if r.own_server or r.own_date:
        start = _own_start(r, clock, r.location.signature)
    else:
        start = clock.head(r.status, r.status_line or "", r.location.signature)
    if r.file_segments is not None and r.status == 200:
        fields = _file_fields(r, connection)
    else:
        fields = _fields(r, connection)
    return (start + fields).encode("latin-1", "replace")


def _file_fields(r: Request, connection: str) -> str:
    """The files that are asked for are few, compared to the requests."""
    headers = r.headers_out
    if len(headers) > 1 or r.own_last_modified or r.location_out is not None or r.chunked_out:
        return _fields(r, connection)
    header: Any = headers[0] if headers else None  # nearly always Accept-Ranges
    key: Any = (
        r.last_modified,
        r.content_length,
        r.content_type,
        r.charset,
        r.etag,
        r.gzip_vary,
        header,
        connection,
    )
    fields = _of_files.get(key)
    if fields is None:
        if len(_of_files) >= MAX_FILES:
            _of_files.clear()
        fields = _of_files[key] = _fields(r, connection)
    return fields


def _fields(r: Request, connection: str) -> str:
    """What follows the Date, up to the empty line."""
    parts: list[str] = []
    if r.content_type:
        parts.append("Content-Type: ")
        parts.append(_one_line(r.content_type))
        if r.charset:
            parts.append("; charset=")
            parts.append(_one_line(r.charset))
        parts.append("\r\n")
    if r.content_length >= 0:
        parts.append("Content-Length: ")
        parts.append(str(r.content_length))
        parts.append("\r\n")
    if r.last_modified >= 0 and not r.own_last_modified:
        parts.append("Last-Modified: ")
        parts.append(http_date(r.last_modified))
        parts.append("\r\n")
    if r.location_out is not None:
        parts.append(f"Location: {_one_line(absolute_location(r))}\r\n")
    if r.chunked_out:
        parts.append("Transfer-Encoding: chunked\r\n")
    parts.append(connection)
    if r.gzip_vary:
        parts.append("Vary: Accept-Encoding\r\n")
    if r.etag is not None:
        parts.append("ETag: ")
        parts.append(_one_line(r.etag))
        parts.append("\r\n")
    for name, value in r.headers_out:
        parts.append(_one_line(name))
        parts.append(": ")
        parts.append(_one_line(value))
        parts.append("\r\n")
    parts.append("\r\n")
    return "".join(parts)


def _one_line(text: str) -> str:
    """A variable in a value may hold a line break, with which a client could write fields of
    its own into the answer."""
    return text.replace("\r", " ").replace("\n", " ") if "\n" in text else text


def _own_start(r: Request, clock: DateClock, signature: str) -> str:
    line = r.status_line or own_line(r.status)
    server = "" if r.own_server else f"Server: {signature}\r\n"
    date = "" if r.own_date else f"Date: {clock.date}\r\n"
    return f"HTTP/1.1 {line}\r\n{server}{date}"
