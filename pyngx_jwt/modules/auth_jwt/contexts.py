"""The state of a request: the token that its location has looked at, and the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...http.request import Request
from ...jwt import Token, TokenRefusal, Verified

KEY = "auth_jwt"  # in r.contexts: the location that looked at the token, and the outcome
REFUSAL = "auth_jwt refusal"  # in r.lasting: why the last location with a demand has refused
LACKING = "auth_jwt lacking"  # in r.contexts: why keys that were asked for cannot be had
NOW = "auth_jwt now"  # in r.contexts: the time that applies, if that is not the clock's


@contextmanager
def choosing_keys(r: Request, token: Token | None) -> Iterator[None]:
    """Meanwhile variables have the values of a token that is not verified: they choose the keys
    that it is verified with, and nothing else."""
    before = r.contexts.get(KEY)
    r.contexts[KEY] = (r.location, token)
    try:
        yield
    finally:
        if before is None:
            del r.contexts[KEY]
        else:
            r.contexts[KEY] = before


def remember(r: Request, token: Verified | Token | None) -> None:
    """Keeps the token for look_lasting(); None if it was refused."""
    if r.lasting is None:
        r.lasting = {}
    r.lasting[KEY] = token


def remembered(r: Request) -> dict[str, Any] | None:
    """Where that is kept, of the request or else of that whose subrequest it is; None if no
    location has looked at a token."""
    at: Request | None = r
    while at is not None:
        lasting: dict[str, Any] | None = at.lasting
        if lasting is not None and KEY in lasting:
            return lasting
        at = at.parent
    return None


def note_refusal(r: Request, refusal: TokenRefusal) -> None:
    """Keeps the reason for refusal_of()."""
    if r.lasting is None:
        r.lasting = {}
    r.lasting[REFUSAL] = refusal


def refusal_of(r: Request) -> TokenRefusal | None:
    """Why the request, or else that whose subrequest it is, was refused; None if it was not."""
    at: Request | None = r
    while at is not None:
        lasting: dict[str, Any] | None = at.lasting
        if lasting is not None and REFUSAL in lasting:
            refusal: TokenRefusal = lasting[REFUSAL]
            return refusal
        at = at.parent
    return None


def now_of(r: Request) -> float:
    """Seconds since the epoch."""
    now: float | None = r.contexts.get(NOW)
    return time.time() if now is None else now
