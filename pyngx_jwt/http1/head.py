"""The head of an HTTP/1 request: request line and header lines.

``find_head_end`` says where a head ends, ``parse_head`` reads a whole one, and a
``PartialHead`` watches one that arrives in pieces. None of them touches a socket.
Sources: ngx_http_parse_request_line, ngx_http_parse_header_line,
ngx_http_process_request_line, ngx_http_process_request_headers and what they call.

Stricter than nginx
-------------------
- A header line that ends in more than one carriage return is refused.
- "close" in any of several Connection header lines closes; nginx takes the last line
  that says "close" or "keep-alive".

Otherwise than nginx
--------------------
- A wrong header line is answered when the head is complete (or too large), not when
  the line has come. A wrong request line is answered at its end.
- Of several things that are wrong, another one may be logged.
- A pipelined request may use all large buffers, whatever the one before it used.
"""

from __future__ import annotations

from typing import Any

from ..http.head import RequestHead, new_head
from .head_types import DEFAULTS, HeadOptions, Refusal, RefusedHead, refuse
from .header_lines import (
    KNOWN,
    LINES,
    MAX_LINE,
    TOO_MANY,
    join_repeated,
    read_odd_header,
    remember_line,
    too_long,
    wrong_header,
)
from .host import validate_host
from .request_line import INVALID_METHOD, method_beginning, read_request_line, read_usual_line

__all__ = [
    "HeadOptions",
    "PartialHead",
    "RefusedHead",
    "RequestHead",
    "find_head_end",
    "parse_head",
    "skip_empty_lines",
    "validate_host",
]


def skip_empty_lines(buffer: bytes | bytearray, start: int = 0) -> int:
    """The index of the first byte that is neither CR nor LF."""
    end = len(buffer)
    while start < end and buffer[start] in b"\r\n":
        start += 1
    return start


def find_head_end(buffer: bytes | bytearray, start: int = 0, most: int = 1 << 62) -> int:
    """The index after the empty line that ends the head, -1 while there is none.

    A first line that names no protocol ends the head too: HTTP/0.9, or an error.  No more
    than `most` bytes are looked at: what follows the head is not searched for its end.
    """
    if start < len(buffer) and buffer[start] < 14:
        start = skip_empty_lines(buffer, start)
    stop = min(start + most, len(buffer))
    end = buffer.find(b"\n\r\n", start, stop)
    lone = buffer.find(b"\n\n", start, stop if end < 0 else end + 1)
    if lone >= 0:
        return lone + 2
    if end >= 0:
        return end + 3
    end = buffer.find(b"\n", start, stop) + 1
    return end if end and buffer.find(b" HTTP/", start, end) < 0 else -1


def parse_head(
    data: bytes | bytearray, options: HeadOptions = DEFAULTS, before: HeadOptions | None = None
) -> RequestHead | RefusedHead:
    """Reads the head at the beginning of ``data``, which holds a whole one; ``before`` are the
    options up to the line that names the host, and for sizes, if they are not the same.

    ``find_head_end`` says so; or ``data`` is all that came and ends in CRLF CRLF: then what
    is behind ``Head.length`` is body or the next request. Empty lines alone are no head:
    take them off with ``skip_empty_lines``.
    """
    whole = bytes(data)
    head = parse_plain(whole, options, before)
    if head is not None:
        return head
    # once more, strictly: it finds out what is wrong
    return _parse_odd(whole.decode("latin-1"), options, before)


def parse_plain(
    data: bytes, options: HeadOptions = DEFAULTS, before: HeadOptions | None = None
) -> RequestHead | None:
    """Reads ``data`` if it is one whole head, and nothing about it is odd; otherwise None."""
    text = data.decode("latin-1")
    length = len(text)
    # A line keeps the LF of the one before, as its name does in KNOWN: a bare CR or LF
    # shows without a search, and so does the end of another head.
    lines = text.split("\r")
    if lines.pop() != "\n" or lines.pop() != "\n" or "\0" in text:
        return None
    sizes = before or options
    if length > sizes.client_header_buffer_size and not _fits(length, sizes):
        return None
    head = _parse_lines(lines, length, options, None, before)
    return head if isinstance(head, RequestHead) and head.http_version != 9 else None


def parse_next(
    line: bytes, previous: RequestHead, options: HeadOptions = DEFAULTS
) -> RequestHead | None:
    """Reads the head of a client that repeats itself: another request line, with its CRLF,
    before the very header lines of `previous`.  None where that takes all of parse_head.

    `headers` and `index` are shared with the previous head; they are not changed.
    """
    text = line.decode("latin-1")
    head = RequestHead()
    head.length = previous.length + len(text) - len(previous.request_line) - 2
    head.request_line = text[:-2]
    head.headers, head.index = previous.headers, previous.index
    head.host, head.port, head.keep_alive = previous.host, previous.port, previous.keep_alive
    head.content_length = previous.content_length
    fits = head.length <= options.client_header_buffer_size or _fits(head.length, options)
    if text[-2:] != "\r\n" or not fits:
        return None
    if not read_usual_line(head, options) or head.http_version != previous.http_version:
        return None
    return head


class PartialHead:
    """A head that arrives in pieces, from its first byte on; no byte is read twice.

    It finds the end, and what can be refused before: a wrong method or request line, a line
    too long for the buffers, a control character.
    """

    __slots__ = ("_large", "_line", "_options", "_room", "_searched")

    def __init__(self, options: HeadOptions = DEFAULTS) -> None:
        self._options = options
        self._line = self._searched = 0  # where the line begins; what is known to hold no LF
        self._room = options.client_header_buffer_size  # in the buffer that is being filled
        self._large = options.large_client_header_buffers[0]  # buffers that are left

    def feed(self, buffer: bytes | bytearray) -> int | RefusedHead:
        """Takes all that has come so far; the index of the head's end, -1 while it is open."""
        while True:
            start = self._line
            newline = buffer.find(b"\n", self._searched)
            end = len(buffer) if newline < 0 else newline
            if start and newline >= 0 and buffer[start:end] in (b"", b"\r"):
                return newline + 1
            if not self._fits(end + 1 - start, keep=newline >= 0) or self._is_wrong(buffer, end):
                refused = _parse_odd(bytes(buffer).decode("latin-1"), self._options)
                if isinstance(refused, RefusedHead):
                    return refused
            if newline < 0:
                self._searched = end
                return -1
            self._line = self._searched = newline + 1
            if not start:
                head = self._read_request_line(buffer[:newline])
                if head is None:
                    continue
                return newline + 1 if isinstance(head, RequestHead) else head

    def _fits(self, needed: int, *, keep: bool) -> bool:
        """Whether the buffers hold the line; one that does not fit moves to the next."""
        room, large = self._room, self._large
        size = self._options.large_client_header_buffers[1]
        if needed > room:
            if needed > size or not large:
                return False
            large, room = large - 1, size
        if keep:
            self._room, self._large = room - needed, large
        return True

    def _is_wrong(self, buffer: bytes | bytearray, end: int) -> bool:
        """Whether the line, as far as it has come, has a character that cannot be there."""
        start = self._line
        if not start:
            return end == len(buffer) and not method_beginning(buffer[:end].decode("latin-1"))
        return buffer.find(b"\0", start, end) >= 0 or 0 <= buffer.find(b"\r", start, end) < end - 1

    def _read_request_line(self, line: bytes | bytearray) -> RequestHead | RefusedHead | None:
        """A refusal, or the head where the request line is all of it (HTTP/0.9)."""
        text = line.decode("latin-1").removesuffix("\r")
        head = new_head(len(line) + 1, text)
        wrong = read_request_line(head, self._options)
        if wrong is not None:
            return refuse(wrong, "line", head)
        return head if head.http_version == 9 else None


def _fits(length: int, options: HeadOptions) -> bool:
    number, size = options.large_client_header_buffers
    return number > 0 and length <= size


def _parse_odd(
    text: str, options: HeadOptions, before: HeadOptions | None = None
) -> RequestHead | RefusedHead:
    """Reads a head with lone LFs, empty lines before it, or something to refuse."""
    lines, refusal, length = _split_lines(text, before or options)
    if not lines and refusal:
        head = new_head(length, text.lstrip("\r\n").partition("\n")[0])
        head.method = head.request_line.partition(" ")[0]
        is_method = method_beginning(head.request_line)
        return refuse(refusal if is_method else INVALID_METHOD, "line", head)
    return _parse_lines(lines, length, options, refusal, before)


def _split_lines(text: str, options: HeadOptions) -> tuple[list[str], Refusal | None, int]:
    """Cuts a head into lines as parse_head has them, up to one that must be refused.

    Returns the lines, why the next one is refused, and the length of all. Lines are laid
    into the buffers as they come; one that does not fit moves to the next buffer.
    """
    number, size = options.large_client_header_buffers
    length = len(text) - len(text.lstrip("\r\n"))
    room = options.client_header_buffer_size
    room -= length % room
    lines: list[str] = []
    for line in text[length:].split("\n"):
        needed = len(line) + 1
        if needed > room:
            if needed > size or not number:
                return lines, too_long(line.removesuffix("\r"), bool(lines)), length
            number, room = number - 1, size
        room -= needed
        length += needed
        line = line.removesuffix("\r")
        if lines and not line:
            break
        if lines and ("\r" in line or "\0" in line):
            return lines, wrong_header(line), length
        lines.append(f"\n{line}" if lines else line)
    return lines, None, min(length, len(text))


def _parse_lines(
    lines: list[str],
    length: int,
    options: HeadOptions,
    refusal: Refusal | None = None,
    before: HeadOptions | None = None,
) -> RequestHead | RefusedHead:
    """Reads lines without their ends; the refusal is that of the line behind the last one."""
    head = new_head(length, lines[0])
    wrong = read_request_line(head, before or options)
    if wrong is not None:
        return refuse(wrong, "line", head)
    if head.http_version == 9:
        return head
    if head.host:
        before = None  # the request line has named the server
    index, known_lines, known_names = head.index, LINES, KNOWN
    headers: list[Any] = head.headers
    for at in range(1, len(lines)):
        line = lines[at]
        again = known_lines.get(line) if len(line) <= MAX_LINE else None
        if again is not None:
            index[again.key] = again.value
            headers.append(again.pair)
            continue
        name, _, value = line.partition(": ")
        known = known_names.get(name)
        if known is None or "\n" in value:
            applies = before if before is not None and "host" not in index else options
            wrong = read_odd_header(head, line, applies)
            if wrong is not None:
                refusal = wrong
                break
        else:
            index[known.key] = value = value.strip(" ")
            headers.append((known.name, value))
            if known.is_alike:
                remember_line(line, known, value)
    if len(headers) > options.max_headers:
        refusal = TOO_MANY
    if len(index) != len(headers):
        refusal = join_repeated(head, options.max_headers) or refusal
    is_whole = refusal is None
    refusal = _process_headers(head, options, refusal)
    return head if refusal is None else refuse(refusal, "headers", head, is_whole=is_whole)


def _process_headers(
    head: RequestHead, options: HeadOptions, refusal: Refusal | None
) -> Refusal | None:
    """Sets what headers decide; a host that is not valid came before any other refusal."""
    index = head.index
    host = index.get("host")
    if host is not None:
        valid = validate_host(host)
        if valid is None:
            return 400, "client sent invalid host header"
        if not head.host:
            head.host, head.port = valid
    if refusal is not None:
        return refusal
    if host is None and head.http_version > 1000:
        return 400, 'client sent HTTP/1.1 request without "Host" header'
    length, encoding = index.get("content-length"), index.get("transfer-encoding")
    if length is not None:
        head.content_length = read_length(length)
        if head.content_length < 0:
            return 400, 'client sent invalid "Content-Length" header'
    if encoding is not None:
        refusal = _process_encoding(head, encoding)
        if refusal is not None:
            return refusal
    if head.method == "CONNECT" or head.method == "TRACE":
        return _process_method(head, options)
    head.keep_alive = head.http_version > 1000
    connection = index.get("connection")
    if connection is not None:
        connection = connection.lower()
        if "close" in connection:
            head.keep_alive = False
        elif "keep-alive" in connection:
            head.keep_alive = True
    return None


def read_length(text: str) -> int:
    """A decimal number up to the largest file offset; -1 if it is not one."""
    if not text.isdecimal() or len(text.lstrip("0")) > 19:
        return -1
    number = int(text.lstrip("0") or 0)
    return number if number < 2**63 else -1


def _process_encoding(head: RequestHead, encoding: str) -> Refusal | None:
    if head.http_version < 1001:
        return 400, 'client sent HTTP/1.0 request with "Transfer-Encoding" header'
    if encoding.lower() != "chunked":
        return 501, f'client sent unknown "Transfer-Encoding": "{encoding}"'
    if head.content_length >= 0:
        return 400, (
            'client sent "Content-Length" and "Transfer-Encoding" headers at the same time'
        )
    head.chunked = True
    return None


def _process_method(head: RequestHead, options: HeadOptions) -> Refusal | None:
    """CONNECT, which ends with the connection, and TRACE."""
    if head.method == "TRACE":
        return 405, "client sent TRACE method"
    if head.http_version != 1001 or not options.allow_connect:
        return 405, "client sent CONNECT method"
    if head.content_length > 0 or head.chunked:
        return 400, "client sent CONNECT request with body"
    return None
