"""Why a name has no addresses."""

from __future__ import annotations

import errno

FORMAT_ERROR = 1
NOT_FOUND = 3
REFUSED = 5  # the greatest code that a server's answer can have
TIMED_OUT = errno.ETIMEDOUT

_TEXTS = {
    1: "Format error",
    2: "Server failure",
    3: "Host not found",
    4: "Unimplemented",
    5: "Operation refused",
    TIMED_OUT: "Operation timed out",
}


def error_text(code: int) -> str:
    """As logs have it: "3: Host not found" (ngx_resolver_strerror)."""
    return f"{code}: {_TEXTS.get(code, 'Unknown error')}"


class ResolveError(Exception):
    """A name could not be resolved; `valid` is until when that is so, in Unix time."""

    def __init__(self, code: int, valid: int = 0) -> None:
        super().__init__(error_text(code))
        self.code, self.valid = code, valid
