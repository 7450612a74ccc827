"""Response heads, read as nginx reads them.

A head that is written as nearly all are is divided into lines, most of which have been read
before: servers send much the same from one response to the next.  Whatever is unusual in it
goes line by line through the exact rules, which allow a lone LF, a missing reason, names
without a colon, and so on.
"""

from __future__ import annotations

import re
import sys
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from ..log import Severity
from .errors import BadResponse

HTTP_09: Final = 9  # as nginx numbers versions
HTTP_10: Final = 1000
HTTP_11: Final = 1001
SWITCHING_PROTOCOLS: Final = 101
EARLY_HINTS: Final = 103
MAX_LENGTH: Final = 2**63 - 1

Headers: TypeAlias = list[tuple[str, str]]
Start: TypeAlias = tuple[int, str, int]  # status, status line, version

_STATUS = re.compile(
    r"HTTP/([1-9][0-9]{0,2})\.([0-9]{1,3}) ((?: *[0-9]){3}(?:[ .][^\r\n]*)?)\r?"
).fullmatch
_COMMON: Final[dict[str, Start]] = {
    f"HTTP/1.1 {code.value} {code.phrase}\r": (code.value, f"{code.value} {code.phrase}", HTTP_11)
    for code in HTTPStatus
}
# What the beginning of a status line may look like.
_STATUS_START = re.compile(
    rb"(?:H(?:T(?:TP?)?)?)?|HTTP/(?:[1-9][0-9]{0,2}(?:\.(?:[0-9]{1,3}"
    rb"(?: (?: *[0-9]){0,3} *(?:(?<=[0-9])[ .][^\r\n]*)?\r?)?)?)?)?"
).fullmatch
_FIELD = re.compile(r"([!-9;-~\x80-\xff]+): *+([^\r\n\0]*)\r").fullmatch
_LINE = re.compile(r"([!-9;-~\x80-\xff]+)(?:: *([^\r\n\0]*))?").match
_BLANK_LINE = re.compile(rb"\n\r?\n").search
_FRAMING: Final = frozenset(("content-length", "transfer-encoding", "connection"))
ACCEL_PREFIX = "x-accel-"


class PeerResponse:
    """The head of a response, and of its body what came with it.

    An answer that is not HTTP has status 0: it is not a verdict, and must not be taken for one.
    """

    __slots__ = (
        *("body", "chunked", "close", "headers", "length", "may_steer", "names", "raw", "remark"),
        *("size", "status", "status_line", "trailed", "trailers", "version", "warning"),
    )

    def __init__(
        self,
        status: int,
        status_line: str,
        version: int,
        headers: Headers,
        names: list[str],
        size: int,
        *,
        length: int = -1,
        close: bool = False,
        trailed: bool = False,
        remark: tuple[Severity, str] | None = None,
        may_steer: bool = True,
    ) -> None:
        self.status = status
        self.status_line = status_line  # "404 Not Found"; "" for HTTP/0.9
        self.version = version  # 1001, 1000, 9: an answer without a head, all of it is body
        self.headers = headers  # as sent
        self.names = names  # of the same fields, in lower case
        self.size = size  # bytes of the head
        self.length = length  # Content-Length, -1 if there is none
        self.chunked = False
        self.close = close  # the connection ends with this response
        self.trailed = trailed  # something stands behind the body, and belongs to it
        self.may_steer = may_steer  # there may be fields X-Accel-... among the others
        self.body: bytes | None = None  # the whole body if it is here, None: it is to be read()
        self.trailers: Headers = []  # filled when the body has ended
        self.warning = ""  # an oddity after the body that nginx warns of
        self.remark = remark  # an oddity of the head, for the log
        self.raw = b""  # the head as it came, if that was asked for

    @property
    def is_interim(self) -> bool:
        """Whether another response follows (RFC 9110, section 15.2)."""
        return 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS

    @property
    def reason(self) -> str:
        return self.status_line[4:]


def parse_head(data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
    """Reads the head that begins at `at`; None if the data do not hold all of it.

    Raises BadResponse: a field cannot be, fields contradict each other, or the head is
    longer than the buffer.  Data that do not begin as HTTP become an HTTP/0.9 response.
    """
    window = data[at : at + buffer_size]
    whole = window.decode("latin-1")
    end = whole.find("\r\n\r\n")
    if end < 0:
        return _parse_unusual(window, buffer_size)
    # To divide a text at one character takes much less than at two: a CR is left at each end.
    lines = whole[: end + 1].split("\n")
    first = lines[0]
    start = _COMMON.get(first)
    if start is None and first.endswith("\r"):
        start = parse_status(first)
    if start is None:
        return _parse_unusual(window, buffer_size)
    headers: list[Any] = []
    names: list[str] = []
    framing: list[int] = []
    steers = False
    for index in range(1, len(lines)):
        text = lines[index]
        line = _LINES.get(text) or _read_line(text)
        if line is None:
            return _parse_unusual(window, buffer_size)
        headers.append(line.field)
        names.append(line.name)
        if line.steers:
            steers = True
        if line.frames:
            framing.append(index - 1)
    return _response(start, headers, names, framing, end + 4, may_steer=steers)


class _Line:
    """A header line that has been read."""

    __slots__ = ("field", "frames", "name", "steers")

    def __init__(self, name: str, value: str) -> None:
        # One object for all responses: compiled code would make a tuple of this type anew each
        # time it is looked at.
        self.field: Any = (name, value)
        self.name = _common(name.lower())
        self.frames = self.name in _FRAMING
        self.steers = self.name.startswith(ACCEL_PREFIX)


# What a line means depends on nothing but its text.  Long ones are hardly ever repeated.
_LINES: Final[dict[str, _Line]] = {}
MOST_LINES: Final = 1024
LONGEST_LINE: Final = 96


# Names that are looked up in tables of names: interned, which is for good in some versions of
# Python, so that there must not be many.
_NAMES: Final[dict[str, str]] = {}
MOST_NAMES: Final = 256


def _common(name: str) -> str:
    known = _NAMES.get(name)
    if known is None:
        if len(_NAMES) >= MOST_NAMES:
            return name
        known = _NAMES[name] = sys.intern(name)
    return known


def _read_line(text: str) -> _Line | None:
    """Reads a line, with a CR at its end, that is written as nearly all are; None if it is not."""
    match = _FIELD(text)
    if match is None or text.endswith(" \r"):  # a blank to be cut off
        return None
    line = _Line(match[1], match[2])
    if len(text) <= LONGEST_LINE:
        if len(_LINES) >= MOST_LINES:
            _LINES.clear()
        _LINES[text] = line
    return line


def parse_fields(lines: list[str]) -> Headers:
    """Reads header lines that lost their LF (ngx_http_parse_header_line)."""
    headers: Headers = []
    for line in lines:
        if line.startswith("HTTP/"):  # IIS may repeat the status line
            continue
        match = _LINE(line)
        if match is None or line[match.end() :].strip("\r"):
            raise BadResponse(_invalid_line(line, match))
        headers.append((match[1], (match[2] or "").rstrip(" ")))
    return headers


def parse_begun(data: bytes) -> Headers:
    """The fields of a head that has broken off, or is wrong, as far as they have an effect: those
    that have come whole, and before what is wrong."""
    headers: Headers = []
    is_framed = False
    for line in data.decode("latin-1").split("\n")[1:-1]:
        try:
            for header in parse_fields([line]):
                if header[0].lower() in ("content-length", "transfer-encoding"):
                    if is_framed:
                        return headers
                    _check_framing(header)
                    is_framed = True
                headers.append(header)
        except BadResponse:
            break
    return headers


def _check_framing(header: tuple[str, str]) -> None:
    """Raises BadResponse if a field does not give a length."""
    name, value = header
    if name.lower() == "content-length":
        _content_length(header)
    elif value.lower() != "chunked":
        raise BadResponse(f'upstream sent unknown "Transfer-Encoding": "{value}"')


def _parse_unusual(data: bytes, buffer_size: int) -> PeerResponse | None:
    first, line_end, _ = data.partition(b"\n")
    start = parse_status(first.decode("latin-1")) if line_end else None
    if start is None and (line_end or not _STATUS_START(data)):
        remark = (Severity.ERR, "upstream sent no valid HTTP/1.0 header")
        return PeerResponse(0, "", HTTP_09, [], [], 0, close=True, remark=remark)
    blank = _BLANK_LINE(data)
    if start is None or blank is None:
        if len(data) == buffer_size:
            raise BadResponse("upstream sent too big header")
        return None
    text = data[len(first) + 1 : blank.start() + 1].decode("latin-1")
    headers = parse_fields(text.split("\n")[:-1])
    names = [name.lower() for name, _ in headers]
    return _response(start, headers, names, _framing(names), blank.end())


def parse_status(line: str) -> Start | None:
    """Reads a status line of HTTP/1; None if it is none (ngx_http_parse_status_line)."""
    match = _STATUS(line)
    if match is None:
        return None
    text = match[3].lstrip(" ")
    digits = text.replace(" ", "")[:3]
    return int(digits), text, int(match[1]) * 1000 + int(match[2])


def _response(
    start: Start,
    headers: Headers,
    names: list[str],
    framing: list[int],
    size: int,
    *,
    may_steer: bool = True,
) -> PeerResponse:
    status, line, version = start
    response = PeerResponse(status, line, version, headers, names, size, may_steer=may_steer)
    if version < HTTP_11:
        if status == EARLY_HINTS:
            raise BadResponse("upstream sent HTTP/1.0 response with early hints")
        response.close = True
    if status != EARLY_HINTS:
        _frame(response, framing)
    return response


def apply_framing(response: PeerResponse) -> None:
    """Takes in the fields that say where the response ends; raises BadResponse."""
    _frame(response, _framing(response.names))


def _framing(names: list[str]) -> list[int]:
    """Where those fields are."""
    return [at for at, name in enumerate(names) if name in _FRAMING]


def _frame(response: PeerResponse, framing: list[int]) -> None:
    headers, names = response.headers, response.names
    framed = -1  # where the field is that gives a length
    for at in framing:
        if names[at] == "connection":
            if "close" in headers[at][1].lower():
                response.close = True
        elif framed >= 0:
            raise BadResponse(_contradiction(headers, names))
        else:
            framed = at
    if framed < 0:
        return
    if names[framed] == "content-length":
        response.length = _content_length(headers[framed])
        return
    _check_framing(headers[framed])
    response.chunked = True


def _contradiction(headers: Headers, names: list[str]) -> str:
    """nginx's sentence on the second of the fields that give a length.

    There may be one of one kind: a server that reads two differently can be smuggled to.
    """
    marks = ("content-length", "transfer-encoding")
    first, second = [at for at, name in enumerate(names) if name in marks][:2]
    if names[first] != names[second]:
        return 'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time'
    return (
        f'upstream sent duplicate header line: "{_line(headers[second])}", '
        f'previous value: "{_line(headers[first])}"'
    )


def _content_length(header: tuple[str, str]) -> int:
    value = header[1]
    length = int(value) if value.isascii() and value.isdigit() and len(value) < 4096 else -1
    if not 0 <= length <= MAX_LENGTH:
        raise BadResponse(f'upstream sent invalid "Content-Length" header: "{_line(header)}"')
    return length


def _line(header: tuple[str, str]) -> str:
    return f"{header[0]}: {header[1]}"


def _invalid_line(line: str, match: re.Match[str] | None) -> str:
    """nginx's sentence: what was good of the line, and the code of the first bad character."""
    good = match.end() if match else 0
    return f'upstream sent invalid header: "{line[:good]}\\x{ord(line[good]):02x}..."'
