"""What is known of a request head, whatever protocol brought it."""

from __future__ import annotations

from collections.abc import Sequence


class RequestHead:
    """A request head; of a refused one, what was understood.  Requests that are repeated to
    the byte share one: it is not changed.

    Class attributes are what most heads do not change. There is no __init__: it would cost
    as much as two header lines.
    """

    length: int  # bytes read, with the empty line at the end
    request_line: str
    headers: list[tuple[str, str]]  # names as sent
    index: dict[str, str]  # names in lower case; repeated ones joined with ", " (Cookie: "; ")
    method = ""
    unparsed_uri = ""
    http_version = 1000  # major * 1000 + minor as in nginx: 9, 1000, 1001, 2000
    uri = ""
    args = ""
    quoted_uri = False  # the path held a "%"
    plus_in_uri = False  # the path held a "+", plain or escaped
    valid_unparsed_uri = True  # False for "http://host?args", which has no path
    host = ""  # lower case, without port and last dot; "" is none
    port = 0  # the one named with the host; 0 is none
    content_length = -1  # -1 is none
    chunked = False
    keep_alive = False
    dropped: Sequence[str] = ()  # lines with invalid names, for the log

    @property
    def expect_continue(self) -> bool:
        expect = self.index.get("expect", "")
        return expect.lower() == "100-continue" and 1000 < self.http_version < 2000


def new_head(length: int, request_line: str) -> RequestHead:
    head = RequestHead()
    head.length, head.request_line = length, request_line
    head.headers, head.index = [], {}
    return head
