"""The trace that a request is part of, and the fields that carry it from server to server.

W3C Trace Context: "traceparent" names the trace and the span that asked, "tracestate" is what
tracing systems want to keep for themselves.
"""

from __future__ import annotations

import os
import re

from ...http.request import Request
from ..headers_more import set_request_header

KEY = "otel"  # in r.lasting
PARENT, STATE = "traceparent", "tracestate"
# What follows the flags is for versions to come, and not looked at.
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|\Z)", re.I)
_TRACE, _SPAN = 16, 8  # bytes of ids


class Trace:
    """What a request is in a trace.  Ids are bytes, b"" where there is none."""

    __slots__ = ("id", "parent_id", "parent_sampled", "sampled", "span_id", "state")

    def __init__(self) -> None:
        drawn = os.urandom(_TRACE + _SPAN)
        self.id, self.span_id = drawn[:_TRACE], drawn[_TRACE:]
        self.parent_id, self.parent_sampled, self.state = b"", False, ""
        self.sampled = False

    def follow(self, parent: str, state: str) -> None:
        """Goes on with the trace that a client names, unless that is not well-formed."""
        match = _PARENT.match(parent)
        if match is None:
            return
        trace, span, flags = (bytes.fromhex(part) for part in match.groups())
        if any(trace) and any(span):
            self.id, self.parent_id, self.state = trace, span, state
            self.parent_sampled = bool(flags[0] & 1)

    @property
    def parent(self) -> str:
        """The field "traceparent" for those that this request asks."""
        return f"00-{self.id.hex()}-{self.span_id.hex()}-{self.sampled:02d}"


def trace_of(r: Request, *, extract: bool) -> Trace:
    """The trace of a client's request, which its subrequests share; it begins with the first
    look, and `extract` says whether it may be the client's."""
    main = r.main
    if main.lasting is None:
        main.lasting = {}
    trace: Trace | None = main.lasting.get(KEY)
    if trace is None:
        trace = main.lasting[KEY] = Trace()
        if extract:
            trace.follow(main.first_line(PARENT) or "", main.first_line(STATE) or "")
    return trace


def inject(r: Request, trace: Trace) -> None:
    """Puts the trace in the place of what the client sent, for upstreams and subrequests."""
    set_request_header(r, PARENT, [trace.parent])
    set_request_header(r, STATE, [trace.state])
