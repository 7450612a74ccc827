"""Why a token is refused: a value, as refusing is an ordinary outcome."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from .encoding import Json

NO_FACTS: Mapping[str, Json] = MappingProxyType({})


class Reason(StrEnum):
    """Which check failed; the text is what belongs into a log line."""

    MISSING = "no token"
    MALFORMED = "malformed token"
    UNSUPPORTED = "unsupported header"  # a header that must be understood and is not
    ALGORITHM = "algorithm not allowed"
    UNKNOWN_KID = "unknown kid"  # in no key set: newer key sets may have it
    NO_SOURCE = "no keys"  # nowhere to be had
    NO_KEY = "no matching key"
    SIGNATURE = "invalid signature"
    DECRYPTION = "cannot be decrypted"  # never which part of it was bad
    DATE = "invalid time claim"  # missing though required, or not a usable number
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    ISSUER = "key of another issuer"
    CLAIM = "claim mismatch"
    REVOKED = "revoked"
    CONDITION = "condition not met"  # one that is not about the token alone

    @property
    def code(self) -> str:
        """A word for programs: "unknown_kid"."""
        return self.name.lower()


class TokenRefusal(NamedTuple):
    """The failed check, and its particulars in printable ASCII.

    The particulars never contain the token, a key or the value of a claim other than time.
    The facts may: they are the values that were compared, for logs that name them.
    """

    reason: Reason
    detail: str
    facts: Mapping[str, Json] = NO_FACTS

    @property
    def text(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)
