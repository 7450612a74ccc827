"""How large tokens and key sets may be: what is beyond is refused before it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields

KEY_WORK = 100  # of the slowest elliptic curve


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of text.  Raises ValueError for a limit that is not positive."""

    token_size: int = 16 * 1024
    header_size: int = 8 * 1024  # of the token's first segment
    depth: int = 10  # of a value inside its JSON document, which itself has depth 0
    set_size: int = 256 * 1024  # of a JWK Set, or of other text with keys
    set_keys: int = 64  # keys in it, usable or not

    @property
    def set_work(self) -> int:
        """How long all its keys may take to try on a token, in units of ``Key.work``: 64 take 32
        milliseconds at most, which is less than clients would notice who wait meanwhile."""
        return KEY_WORK * max(self.set_keys, 64)

    def __post_init__(self) -> None:
        for limit in fields(self):
            if getattr(self, limit.name) <= 0:
                raise ValueError(f"{limit.name} is not positive")


LIMITS = Limits()
