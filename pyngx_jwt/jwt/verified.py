"""An accepted token."""

from __future__ import annotations

from typing import NamedTuple

from .claims import Members


class Verified(NamedTuple):
    """An accepted token.  Requests share it: its contents are never changed."""

    claims: Members  # the innermost ones
    header: Members  # the outermost one
    payload: bytes  # what was signed or encrypted: of a nested token, the inner one
    starts: float  # accepted in starts <= now < ends: "nbf" and "exp" with leeway and all
    ends: float
    claims_set: bytes  # the claims as JSON; the payload, but of a nested token
