"""Responses of CGI: a head with a "Status" field, and a body that most often the close ends."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..log import Severity
from ..upstream.body import Counted, Decoder, UntilClose
from ..upstream.errors import BadResponse
from ..upstream.head import (
    HTTP_10,
    SWITCHING_PROTOCOLS,
    PeerResponse,
    apply_framing,
    parse_fields,
    parse_status,
)
from ..upstream.layer import Layer
from ..upstream.reader import AFTER_LENGTH
from .answer import ACCEL

HIDDEN = ACCEL | {"status"}
_END = re.compile(rb"(?:\A|(?<=\n))\r?\n").search
_STATUS = re.compile(r"[0-9]{3}").match
_SAYS_MORE = re.compile(r"[0-9]{3}[ .]").match


class CgiReader:
    """What SCGI and the like answer; one connection serves one request.

    `is_head`: an application may send a body all the same, or only its length.
    """

    new_layer: Callable[[], Layer] | None = None

    def __init__(self, *, is_head: bool = False) -> None:
        self.is_head = is_head
        self.excess_level = Severity.WARN

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        """ngx_http_scgi_process_status_line and _process_header."""
        return parse_cgi(data, buffer_size, at, has_status_line=True)

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        raw = self.is_head or response.status == SWITCHING_PROTOCOLS
        return UntilClose() if raw or response.length < 0 else Counted(response.length)

    def excess(self, response: PeerResponse) -> str:
        return AFTER_LENGTH


CGI, CGI_HEAD = CgiReader(), CgiReader(is_head=True)


def parse_cgi(
    data: bytes, buffer_size: int, at: int, *, has_status_line: bool
) -> PeerResponse | None:
    """The head that begins at `at`, None while it is not whole; `has_status_line`: one of HTTP
    may stand before the fields.  Raises BadResponse."""
    if at or len(data) > buffer_size:
        data = data[at : at + buffer_size]
    end = _END(data)
    if end is None:
        if len(data) == buffer_size:
            raise BadResponse("upstream sent too big header")
        return None
    lines = data[: end.start()].decode("latin-1").split("\n")[:-1]
    start = parse_status(lines[0]) if lines and has_status_line else None
    headers = parse_fields(lines[1:] if start else lines)
    names = [name.lower() for name, _ in headers]
    status, line = start[:2] if start else (0, "")
    response = PeerResponse(status, line, HTTP_10, headers, names, end.end(), close=True)
    if not start:
        _take_status(response)
    if response.status < 200 and response.status != SWITCHING_PROTOCOLS:
        line = response.status_line or f"{response.status:03}"
        raise BadResponse(f'upstream sent invalid status "{line}"')
    apply_framing(response)
    response.chunked = False  # the body goes on as it is
    return response


def _take_status(response: PeerResponse) -> None:
    """The status that the fields give."""
    names, headers = response.names, response.headers
    if "status" in names:
        line = headers[names.index("status")][1]
        if not _STATUS(line):
            raise BadResponse(f'upstream sent invalid status "{line}"')
        response.status = int(line[:3])
        response.status_line = line if _SAYS_MORE(line) else ""
    elif "location" in names:
        response.status, response.status_line = 302, "302 Moved Temporarily"
    else:
        response.status, response.status_line = 200, "200 OK"
