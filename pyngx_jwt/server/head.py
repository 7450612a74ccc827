"""The head of an HTTP/1 request: request line and header lines.

``find_head_end`` says where a head ends, ``parse_head`` reads a whole one, and
``check_partial`` finds what can be refused before the rest has come. All are pure.
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
- Every limit and switch is the default server's, also after "Host" chose another one.
- A pipelined request may use all large buffers, whatever the one before it used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from .uri import normalize


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """The directives that decide how a head is read, by their names; sizes in bytes."""

    client_header_buffer_size: int = 1024
    large_client_header_buffers: tuple[int, int] = (4, 8192)
    max_headers: int = 1000
    ignore_invalid_headers: bool = True
    underscores_in_headers: bool = False
    merge_slashes: bool = True
    allow_connect: bool = False


DEFAULTS = HeadOptions()


@dataclass(slots=True)
class Head:
    """A request head; of a refused one, what was understood."""

    length: int  # bytes read, with empty lines before and the one at the end
    request_line: str
    method: str = ""
    unparsed_uri: str = ""
    http_version: int = 1000  # major * 1000 + minor as in nginx: 9, 1000, 1001
    uri: str = ""
    args: str = ""
    quoted_uri: bool = False
    plus_in_uri: bool = False
    valid_unparsed_uri: bool = True  # False for "http://host?args", which has no path
    host: str = ""  # lower case, without port and last dot; "" is none
    port: int = 0  # the one named with the host; 0 is none
    headers: list[tuple[str, str]] = field(default_factory=list)  # names as sent
    # by name in lower case; repeated ones are joined with ", " (Cookie: "; ")
    index: dict[str, str] = field(default_factory=dict)
    content_length: int = -1  # -1 is none
    chunked: bool = False
    keep_alive: bool = False
    dropped: tuple[str, ...] = ()  # lines with invalid names, for the log

    @property
    def expect_continue(self) -> bool:
        expect = self.index.get("expect", "")
        return expect.lower() == "100-continue" and self.http_version > 1000


class BadRequest(NamedTuple):
    """A refused head: log the message at level info, answer the status, close."""

    status: int
    message: str
    head: Head


# --- finding the end ---


def skip_empty_lines(buffer: bytes | bytearray, start: int = 0) -> int:
    """The index of the first byte that is neither CR nor LF."""
    end = len(buffer)
    while start < end and buffer[start] in b"\r\n":
        start += 1
    return start


def find_head_end(buffer: bytes | bytearray, start: int = 0) -> int:
    """The index after the empty line that ends the head, -1 while there is none.

    A first line that names no protocol ends the head too: HTTP/0.9, or an error.
    """
    if start < len(buffer) and buffer[start] < 14:
        start = skip_empty_lines(buffer, start)
    found = _EMPTY_LINE(buffer, start)
    if found is not None:
        return found.end()
    end = buffer.find(b"\n", start) + 1
    return end if end and buffer.find(b" HTTP/", start, end) < 0 else -1


_EMPTY_LINE = re.compile(rb"\n\r?\n").search


# --- reading it ---

Refusal = tuple[int, str]  # status and nginx's message, without " while reading ..."


def parse_head(data: bytes | bytearray, options: HeadOptions = DEFAULTS) -> Head | BadRequest:
    """Reads the head at the beginning of ``data``, which holds a whole one.

    ``find_head_end`` says so; or ``data`` is all that came and ends in CRLF CRLF: then what
    is behind ``Head.length`` is body or the next request.
    """
    text = data.decode("latin-1")
    length = len(text)
    # A line keeps the LF of the one before, as its name does in _KNOWN: a bare CR or LF
    # shows without a search.
    lines = text.split("\r")
    if lines.pop() != "\n" or lines.pop() != "\n" or "\0" in text:
        return _parse_odd(text, options)
    if length > options.client_header_buffer_size and not _fits(length, options):
        return _parse_odd(text, options)
    found = _parse_lines(lines, length, options)
    if type(found) is Head and found.http_version != 9:
        return found
    return _parse_odd(text, options)  # once more, strictly: it finds out what is wrong


def check_partial(data: bytes | bytearray, options: HeadOptions = DEFAULTS) -> BadRequest | None:
    """Finds what is wrong with the beginning of a head that is not complete.

    That is a wrong method or request line, or a line too long for the buffers.
    """
    text = data.decode("latin-1").lstrip("\r\n")
    line, end, _ = text.partition("\n")
    if not end and not _METHOD_BEGINNING(line):
        return _refuse_line(Head(0, line), "method")
    lines, refusal, length = _split_lines(text, options)
    if refusal is not None:
        found = _parse_odd(text, options)
    elif end:
        found = _read_request_line(lines[0], length, options)
    else:
        return None
    return found if type(found) is BadRequest else None


def _fits(length: int, options: HeadOptions) -> bool:
    number, size = options.large_client_header_buffers
    return number > 0 and length <= size


def _parse_odd(text: str, options: HeadOptions) -> Head | BadRequest:
    """Reads a head with lone LFs, empty lines before it, or something to refuse."""
    lines, refusal, length = _split_lines(text, options)
    if not lines and refusal:
        line = text.lstrip("\r\n").partition("\n")[0]
        if not _METHOD_BEGINNING(line):
            return _refuse_line(Head(length, line), "method")
        return _refuse(refusal, "line", Head(length, line, line.partition(" ")[0]))
    return _parse_lines(lines, length, options, refusal)


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
                return lines, _too_long(line, bool(lines)), length
            number, room = number - 1, size
        room -= needed
        length += needed
        line = line.removesuffix("\r")
        if lines and not line:
            break
        if lines and ("\r" in line or "\0" in line):
            return lines, _wrong_header(line), length
        lines.append(f"\n{line}" if lines else line)
    return lines, None, min(length, len(text))


def _parse_lines(
    lines: list[str], length: int, options: HeadOptions, refusal: Refusal | None = None
) -> Head | BadRequest:
    """Reads lines without their ends; the refusal is that of the line behind the last one."""
    head = _read_request_line(lines[0], length, options)
    if type(head) is not Head or head.http_version == 9:
        return head
    del lines[0]
    refusal = _read_headers(head, lines, options) or refusal
    if len(head.headers) > options.max_headers:
        refusal = (494, "client sent too many header lines")
    refusal = _process_host(head) or refusal or _process_headers(head, options)
    return head if refusal is None else _refuse(refusal, "headers", head)


def _refuse(refusal: Refusal, part: str, head: Head) -> BadRequest:
    status, message = refusal
    return BadRequest(status, f"{message} while reading client request {part}", head)


# --- the request line ---


def _read_request_line(line: str, length: int, options: HeadOptions) -> Head | BadRequest:
    words = line.split(" ")
    if len(words) == 3:
        method, target, protocol = words
        version = _VERSIONS.get(protocol)
        if version and method in _METHODS and target[:1] == "/" and line.isprintable():
            normal = normalize(target, options.merge_slashes)
            if normal is not None:
                uri, args, quoted, plus = normal
                return Head(length, line, method, target, version, uri, args, quoted, plus)
    return _read_odd_request_line(line, length, options)


_VERSIONS = {"HTTP/1.1": 1001, "HTTP/1.0": 1000}
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))


def _read_odd_request_line(line: str, length: int, options: HeadOptions) -> Head | BadRequest:
    """Any request line: all methods and protocols, absolute and authority form."""
    head = Head(length, line)
    found = _METHOD(line)
    if found is None:
        return _refuse_line(head, "method")
    head.method = found[1]
    found = (_AUTHORITY if head.method == "CONNECT" else _TARGET)(line, found.end())
    if found is None:
        return _refuse_line(head, "request")
    host, target, protocol = found.groups()
    wrong = _read_protocol(head, protocol)
    if wrong:
        return _refuse_line(head, wrong)
    normal = normalize(target if target[:1] == "/" else f"/{target}", options.merge_slashes)
    if normal is None:
        return _refuse_line(head, "request")
    head.uri, head.args, head.quoted_uri, head.plus_in_uri = normal
    head.unparsed_uri = target or "/"
    head.valid_unparsed_uri = target[:1] != "?"
    valid = validate_host(host) if host is not None else ("", 0)
    if valid is None:
        return _refuse_line(head, "host in request line")
    head.host, head.port = valid
    return head


def _read_protocol(head: Head, protocol: str) -> str:
    """Sets the version; answers what is invalid, if anything."""
    if not protocol:
        head.http_version = 9
        return "" if head.method == "GET" else "method in HTTP/0.9 request"
    if _NEW_PROTOCOL(protocol):
        return "version"
    found = _PROTOCOL(protocol)
    if found is None:
        return "request"
    head.http_version = 1000 + int(found[1] or 0)
    return ""


def _refuse_line(head: Head, what: str) -> BadRequest:
    status = 505 if what == "version" else 400
    return _refuse((status, f"client sent invalid {what}"), "line", head)


_METHOD = re.compile("([A-Z_-]+) ").match
_METHOD_BEGINNING = re.compile(r"[A-Z_-]*(?: |\Z)").match
_NAME = r"[A-Za-z0-9.-]*"
_LITERAL = r"\[[A-Za-z0-9:._~!$&'()*+,;=-]*\]"
# each with the groups host, target, protocol
_AUTHORITY = re.compile(rf" *((?:{_NAME}|{_LITERAL}):[0-9]+)() +(.*)", re.DOTALL).match
_TARGET = re.compile(
    rf" *(?:[A-Za-z][A-Za-z0-9+.-]*://((?:{_NAME}|{_LITERAL})(?::[0-9]*)?)(?=[ /?])|(?=/))"
    r"((?:[/?][^\x00- \x7f]*)?)(?: +|\Z)(.*)",
    re.DOTALL,
).match
_NEW_PROTOCOL = re.compile("HTTP/(?:[2-9]|1[0-9])").match
_PROTOCOL = re.compile(r"HTTP/1\.(?=[0-9])0*([0-9]{0,3}) *").fullmatch


# --- header lines ---


def _read_headers(head: Head, lines: list[str], options: HeadOptions) -> Refusal | None:
    headers, index = head.headers, head.index
    for line in lines:
        name, _, value = line.partition(": ")
        known = _KNOWN.get(name)
        if known is None or "\n" in value:
            refusal = _read_odd_header(head, line, options)
            if refusal is not None:
                return refusal
            continue
        name, key = known
        value = value.strip(" ")
        headers.append((name, value))
        if key not in index:
            index[key] = value
        else:
            refusal = _add_repeated(head, name, key, value)
            if refusal is not None:
                return refusal
    return None


def _read_odd_header(head: Head, line: str, options: HeadOptions) -> Refusal | None:
    """Reads a line whose name is not among the usual ones, or that is wrong."""
    if line[:1] != "\n" or line == "\n" or "\n" in line[1:]:
        return _UNSPLIT
    name, _, value = line[1:].partition(":")
    if not _SIMPLE_NAME(name):
        if not name or _NOT_IN_NAME(name):
            return _wrong_header(line[1:])
        if options.ignore_invalid_headers and not (
            options.underscores_in_headers and _NAME_WITH_UNDERSCORE(name)
        ):
            head.dropped += (line[1:],)
            return None
    value = value.strip(" ")
    head.headers.append((name, value))
    key = name.lower()
    if key in head.index:
        return _add_repeated(head, name, key, value)
    head.index[key] = value
    return None


def _add_repeated(head: Head, name: str, key: str, value: str) -> Refusal | None:
    previous = head.index[key]
    if key == "host" or key in _UNIQUE:
        sent = next(sent for sent, _ in head.headers if sent.lower() == key)
        what = "host header" if key == "host" else "header line"
        return 400, (
            f'client sent duplicate {what}: "{name}: {value}", previous value: "{sent}: {previous}"'
        )
    separator = "; " if key == "cookie" else ", "
    head.index[key] = f"{previous}{separator}{value}"
    return None


def _wrong_header(line: str) -> Refusal:
    """The line is shown up to the character that is wrong."""
    found = _NOT_IN_NAME(line.partition(":")[0]) or _NOT_IN_VALUE(line)
    end = found.start() if found and line[0] != ":" else 0
    return 400, f'client sent invalid header line: "{line[:end]}\\x{ord(line[end]):02x}..."'


def _too_long(line: str, is_header: bool) -> Refusal:
    if not is_header:
        return 414, "client sent too long URI"
    return 494, f'client sent too long header line: "{line[:_MAX_SHOWN]}..."'


_UNSPLIT = (400, "")  # a CR or LF inside a line: not shown, _parse_odd has the last word
_MAX_SHOWN = 1748  # what nginx has room for in a line of its log
_SIMPLE_NAME = re.compile("[A-Za-z0-9-]+").fullmatch
_NAME_WITH_UNDERSCORE = re.compile("[A-Za-z0-9_-]+").fullmatch
_NOT_IN_NAME = re.compile(r"[\x00- \x7f]").search
_NOT_IN_VALUE = re.compile(r"[\x00\r]").search
_UNIQUE = frozenset(
    (
        "authorization",
        "content-length",
        "content-range",
        "expect",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "proxy-authorization",
        "transfer-encoding",
    )
)


_USUAL_NAMES = """
Accept Accept-Charset Accept-Encoding Accept-Language Access-Control-Request-Headers
Access-Control-Request-Method Authorization Cache-Control CF-Connecting-IP Connection
Content-Encoding Content-Length Content-Type Cookie DNT Expect Forwarded From Host If-Match
If-Modified-Since If-None-Match If-Range If-Unmodified-Since Keep-Alive Origin Pragma Priority
Proxy-Authorization Range Referer Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest
Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC Sec-WebSocket-Extensions Sec-WebSocket-Key
Sec-WebSocket-Protocol Sec-WebSocket-Version TE Traceparent Tracestate Transfer-Encoding Upgrade
Upgrade-Insecure-Requests User-Agent Via X-Api-Key X-Correlation-Id X-CSRF-Token X-Forwarded-For
X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Real-IP X-Request-ID X-Requested-With
"""


def _known_names(names: list[str]) -> dict[str, tuple[str, str]]:
    """Their spellings behind an LF -> the name as sent, the name in lower case."""
    spellings = {*names, *map(str.lower, names), *map(str.title, names)}
    return {f"\n{name}": (name, name.lower()) for name in spellings}


_KNOWN = _known_names(_USUAL_NAMES.split())


# --- what the headers say ---


def _process_host(head: Head) -> Refusal | None:
    """Takes the host from its header, unless the request line named one."""
    host = head.index.get("host")
    if host is None:
        return None
    valid = validate_host(host)
    if valid is None:
        return 400, "client sent invalid host header"
    if not head.host:
        head.host, head.port = valid
    return None


@lru_cache(maxsize=256)  # few names are asked for again and again
def validate_host(text: str) -> tuple[str, int] | None:
    """Lower-case host without last dot, and port (0 if none); None if it is not valid."""
    found = _HOST(text)
    if found is None or ".." in found[1]:
        return None
    host = found[1].lower().removesuffix(".")
    port = (found[2] or "").lstrip("0")
    if not host or len(port) > 5 or int(port or 0) > 65535:
        return None
    return host, int(port or 0)


_HOST = re.compile(rf"([A-Za-z0-9._~!$&'()*+,;=%-]*|{_LITERAL})(?::([0-9]*))?").fullmatch


def _process_headers(head: Head, options: HeadOptions) -> Refusal | None:
    get = head.index.get
    if head.http_version > 1000 and get("host") is None:
        return 400, 'client sent HTTP/1.1 request without "Host" header'
    length, encoding, connection = (
        get("content-length"),
        get("transfer-encoding"),
        get("connection"),
    )
    if length is not None:
        head.content_length = _atoof(length)
        if head.content_length < 0:
            return 400, 'client sent invalid "Content-Length" header'
    if encoding is not None:
        refusal = _process_encoding(head, encoding)
        if refusal is not None:
            return refusal
    if head.method in _REFUSED_METHODS:
        return _process_method(head, options)
    head.keep_alive = head.http_version > 1000
    if connection is not None:
        connection = connection.lower()
        if "close" in connection:
            head.keep_alive = False
        elif "keep-alive" in connection:
            head.keep_alive = True
    return None


def _atoof(text: str) -> int:
    """A decimal number up to the largest file offset; -1 if it is not one."""
    if not text.isdecimal() or len(text.lstrip("0")) > 19:
        return -1
    number = int(text.lstrip("0") or 0)
    return number if number < 2**63 else -1


def _process_encoding(head: Head, encoding: str) -> Refusal | None:
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


def _process_method(head: Head, options: HeadOptions) -> Refusal | None:
    """CONNECT, which ends with the connection, and TRACE."""
    if head.method == "TRACE":
        return 405, "client sent TRACE method"
    if head.http_version != 1001 or not options.allow_connect:
        return 405, "client sent CONNECT method"
    if head.content_length > 0 or head.chunked:
        return 400, "client sent CONNECT request with body"
    return None


_REFUSED_METHODS = ("CONNECT", "TRACE")
