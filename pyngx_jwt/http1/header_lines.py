"""Header lines (ngx_http_parse_header_line, ngx_http_process_request_headers)."""

from __future__ import annotations

import re
from typing import Any, Final

from ..http.head import RequestHead
from ..http.names import ascii_lower
from .head_types import HeadOptions, Refusal


def read_odd_header(head: RequestHead, line: str, options: HeadOptions) -> Refusal | None:
    """Reads a line whose name is not among the usual ones, or that is wrong."""
    if line.rfind("\n") != 0 or line == "\n":
        return _UNSPLIT
    name, _, value = line[1:].partition(":")
    key = ODD.get(name)
    if key is None:
        key = ascii_lower(name)
        if _SIMPLE_NAME(name):
            _remember_name(name, key)
        elif not name or _NOT_IN_NAME(name):
            return wrong_header(line[1:])
        elif options.ignore_invalid_headers and not (
            options.underscores_in_headers and _NAME_WITH_UNDERSCORE(name)
        ):
            if isinstance(head.dropped, list):
                head.dropped.append(line[1:])
            else:
                head.dropped = [line[1:]]
            return None
    head.index[key] = value = value.strip(" ")
    head.headers.append((name, value))
    return TOO_MANY if len(head.headers) > options.max_headers else None


def join_repeated(head: RequestHead, max_headers: int) -> Refusal | None:
    """Makes the index again when a name came more than once."""
    values: dict[str, list[str]] = {}
    for name, value in head.headers[:max_headers]:
        key = ascii_lower(name)
        previous = values.setdefault(key, [])
        previous.append(value)
        if len(previous) == 2 and (key == "host" or key in _UNIQUE):
            sent = next(sent for sent, _ in head.headers if ascii_lower(sent) == key)
            head.index[key] = previous[0]
            what = "host header" if key == "host" else "header line"
            return 400, (
                f'client sent duplicate {what}: "{name}: {value}", '
                f'previous value: "{sent}: {previous[0]}"'
            )
    for key, several in values.items():
        head.index[key] = ("; " if key == "cookie" else ", ").join(several)
    return None


def wrong_header(line: str) -> Refusal:
    """The line is shown up to the character that is wrong."""
    stranger = _NOT_IN_NAME(line.partition(":")[0]) or _NOT_IN_VALUE(line)
    end = stranger.start() if stranger and line[0] != ":" else 0
    return 400, f'client sent invalid header line: "{line[:end]}\\x{ord(line[end]):02x}..."'


def too_long(line: str, is_header: bool) -> Refusal:
    if not is_header:
        return 414, "client sent too long URI"
    return 494, f'client sent too long header line: "{line[:_MAX_SHOWN]}..."'


TOO_MANY: Final = (494, "client sent too many header lines")
_UNSPLIT: Final = (400, "")  # a CR or LF inside a line: not shown, the head is read again
_MAX_SHOWN: Final = 1748  # what nginx has room for in a line of its log
_SIMPLE_NAME: Final = re.compile("[A-Za-z0-9-]+").fullmatch
_NAME_WITH_UNDERSCORE: Final = re.compile("[A-Za-z0-9_-]+").fullmatch
_NOT_IN_NAME: Final = re.compile(r"[\x00- \x7f]").search
_NOT_IN_VALUE: Final = re.compile(r"[\x00\r]").search
_UNIQUE: Final = frozenset(
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


# Of those, the ones whose values many clients send alike, and that hold no secrets.
_ALIKE_NAMES = """
accept accept-charset accept-encoding accept-language cache-control connection content-type dnt host
keep-alive origin pragma priority sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest
sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc te upgrade upgrade-insecure-requests user-agent
x-forwarded-proto x-requested-with
"""
_ALIKE: Final = frozenset(_ALIKE_NAMES.split())
MAX_LINES: Final = 1024  # that are remembered
MAX_LINE: Final = 200  # characters of one


class HeaderLine:
    """A line that has been read: name in lower case, value, and the name as sent with the value."""

    __slots__ = ("key", "pair", "value")

    def __init__(self, key: str, name: str, value: str) -> None:
        self.key, self.value = key, value
        self.pair: Any = (name, value)  # compiled code makes another of what it knows as a tuple


class HeaderName:
    """A name as it was sent, and in lower case."""

    __slots__ = ("is_alike", "key", "name")

    def __init__(self, name: str) -> None:
        self.name, self.key = name, name.lower()
        self.is_alike = self.key in _ALIKE


def _known_names(names: list[str]) -> dict[str, HeaderName]:
    """By their spellings behind an LF."""
    spellings = {*names, *map(str.lower, names), *map(str.title, names)}
    return {f"\n{name}": HeaderName(name) for name in spellings}


KNOWN: Final = _known_names(_USUAL_NAMES.split())
LINES: Final[dict[str, HeaderLine]] = {}  # by the line behind an LF, whoever sent it


ODD: Final[dict[str, str]] = {}  # other names of letters, digits and hyphens, in lower case
MAX_NAMES: Final = 256  # of those
MAX_NAME: Final = 64  # characters of one


def _remember_name(name: str, key: str) -> None:
    """Spares the next request with a name that is not among the usual ones to look at it."""
    if len(name) <= MAX_NAME:
        if len(ODD) >= MAX_NAMES:
            ODD.clear()
        ODD[name] = key


def remember_line(line: str, name: HeaderName, value: str) -> None:
    """Spares the next request with the line to take it apart."""
    if len(line) <= MAX_LINE:
        if len(LINES) >= MAX_LINES:
            LINES.clear()
        LINES[line] = HeaderLine(name.key, name.name, value)
