"""How much of a response goes to the client, for every front end (ngx_http_header_filter)."""

from __future__ import annotations

from typing import Final

from ..http.request import Request

DATED: Final = frozenset({200, 206, 304})


def drop_body(r: Request) -> bool:
    """Whether the status says that there is none (RFC 9110, 6.4.1); then its headers go, too."""
    if r.last_modified >= 0 and r.status not in DATED:
        r.last_modified = -1  # an error page's file is not what was asked for
    if r.status in (204, 304) or 100 <= r.status < 200:
        r.header_only = True
        if r.status != 304:
            r.content_length = r.last_modified = -1
            if r.status_line is None:  # an upstream's is passed on
                r.content_type = None
        return True
    return False


def delimit(r: Request) -> None:
    """Decides how the end of the body is told in HTTP/1: by its length, by chunks, or by the end
    of the connection."""
    if drop_body(r) or r.header_only or not (r.content_length < 0 or r.expect_trailers):
        return
    if r.upgraded:  # what follows is not HTTP
        return
    if r.http_version > 1000 and r.location.core.chunked_transfer_encoding:
        r.chunked_out, r.content_length = True, -1
    elif r.content_length < 0:
        r.keep_alive = False
