"""Why a token is refused: a value, as refusing is an ordinary outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Which check failed; the text is what belongs into a log line."""

    MALFORMED = "malformed token"
    UNSUPPORTED = "unsupported header"  # a header that must be understood and is not
    ALGORITHM = "algorithm not allowed"
    UNKNOWN_KID = "unknown kid"  # in no key set: newer key sets may have it
    NO_KEY = "no matching key"
    SIGNATURE = "invalid signature"
    DECRYPTION = "cannot be decrypted"  # never which part of it was bad
    DATE = "invalid time claim"  # missing though required, or not a usable number
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    CLAIM = "claim mismatch"


class Refusal(NamedTuple):
    """The failed check, and its particulars in printable ASCII.

    The particulars never contain the token, a key or the value of a claim other than time.
    """

    reason: Reason
    detail: str

    @property
    def text(self) -> str:
        return f"{self.reason}: {self.detail}"
