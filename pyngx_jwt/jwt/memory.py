"""Tokens that were found good a moment ago."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from cachetools import LRUCache

from .verified import Verified

Question = tuple[str, str]  # (who asks: policy and key sets, token)

OVERHEAD = 1500  # bytes of an entry apart from what grows with the token
PER_VALUE = 110  # bytes that a JSON value can cost beyond its characters
PER_OBJECT = 100
PER_HEADER_BYTE = 26  # bytes that one of a base64url header can cost, whatever is in it


class _Entry(NamedTuple):
    verified: Verified
    since: float
    size: int


class _Cache(LRUCache[Question, _Entry | None]):
    def __missing__(self, question: Question) -> None:
        """Instead of a KeyError, which takes a microsecond."""


class TokenMemory:
    """Remembers accepted tokens, the least recently used being forgotten first.

    Only accepted ones: what is refused costs the sender's connection, not our space.  The
    bound on their number is kept by counting small entries as ``size / entries`` bytes.
    Time claims are not a matter of memory; who asks has to look at them each time.
    """

    __slots__ = ("_before", "_cache", "_least", "_lifetime", "_recent", "_window", "hits", "misses")

    def __init__(
        self, entries: int = 8192, size: int = 32 * 1024 * 1024, lifetime: float = 300
    ) -> None:
        """At most ``entries`` tokens, taking ``size`` bytes, each for ``lifetime`` seconds."""
        self._cache = _Cache(size, attrgetter("size"))
        self._least = -(-size // entries)
        self._lifetime = lifetime
        # Hashes of what was asked about lately, in two halves of which the older one is dropped.
        self._recent, self._before = set[int](), set[int]()
        self._window = max(entries // 2, 1)
        self.hits = self.misses = 0  # for statistics

    @property
    def count(self) -> int:
        """How many tokens are remembered."""
        return len(self._cache)

    @property
    def size(self) -> int:
        """Bytes taken, at the most."""
        return int(self._cache.currsize)

    def get(self, question: Question, now: float) -> Verified | None:
        """What was found for the same question, if that is not too long ago."""
        entry = self._cache[question]
        if entry is None:
            self.misses += 1
            return None
        if 0 <= now - entry.since < self._lifetime:  # a clock set back ends it too
            self.hits += 1
            return entry.verified
        self.misses += 1
        del self._cache[question]
        return None

    def asked_before(self, question: Question) -> bool:
        """Whether the same was asked among the last questions, as many as there are entries.

        Only then it is worth remembering: what would be forgotten before it is asked for again
        costs more to keep than some signatures to verify."""
        mark = hash(question)
        if mark in self._recent or mark in self._before:
            return True
        if len(self._recent) >= self._window:
            self._recent, self._before = set(), self._recent
        self._recent.add(mark)
        return False

    def put(self, question: Question, verified: Verified, now: float) -> None:
        """Remembers the answer, unless it takes more than all of the space."""
        size = max(self._least, footprint(question[1], verified))
        if size <= self._cache.maxsize:
            self._cache[question] = _Entry(verified, now, size)

    def clear(self) -> None:
        self._cache.clear()
        self._recent, self._before = set(), set()


def footprint(token: str, verified: Verified) -> int:
    """An upper bound of the bytes that a remembered token takes, from its text alone."""
    claims = verified.claims_set
    # One character beyond U+FFFF makes Python hold the whole string in four bytes each.
    width = 1 if claims.isascii() and b"\\" not in claims else 4
    objects = claims.count(b"{")
    values = claims.count(b",") + claims.count(b":") + claims.count(b"[")
    text = len(token) + len(claims) * (1 + width) + token.find(".") * PER_HEADER_BYTE
    if verified.payload is not claims:
        text += len(verified.payload)
    return OVERHEAD + text + objects * PER_OBJECT + values * PER_VALUE
