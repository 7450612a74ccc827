"""Bodies that are made of a whole other one, for body filters."""

from __future__ import annotations

from typing import NoReturn

from .held_head import HeldHead
from .request import HeaderRefused, Request


def has_body(r: Request) -> bool:
    """Whether there is a body to make another one of: a subrequest may be for the head alone,
    which is then the one that came, as in nginx."""
    return not (r.header_only and r.parent is not None)


class WholeBody:
    """A body filter that makes another body of a whole one; the head is that of the new one.

    It needs the body for that even if only the head was asked for."""

    def __init__(self, r: Request, most: int) -> None:
        self.r, self.most = r, most
        self.outer = r.sink
        r.sink, r.header_only = HeldHead(r.sink), False
        self.parts: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        self.size += len(data)
        if self.size > self.most:
            self.too_big()
        self.parts.append(data)
        return b""

    def end(self) -> bytes:
        data, self.parts = b"".join(self.parts), []
        body = self.transform(data)
        if self.r.content_encoding is None:  # else it becomes another one still
            self.r.content_length = len(body)
        return body

    def transform(self, data: bytes) -> bytes:
        """The new body; may change the response's head, or refuse it."""
        raise NotImplementedError

    def too_big(self) -> NoReturn:
        """Refuses a body that is larger than it may be."""
        raise NotImplementedError

    def refuse(self, status: int) -> NoReturn:
        """Answers with an error in the place of the response (ngx_http_filter_finalize_request)."""
        r = self.r
        r.clear_validators()
        r.headers_out, r.content_type, r.charset = [], None, ""
        r.own_server = r.own_date = False
        r.content_encoding, r.location_out = None, None
        r.sink, r.postponed, r.body_filters = self.outer, None, ()
        r.header_sent = r.response_done = False
        r.file_segments = None
        raise HeaderRefused(status)
