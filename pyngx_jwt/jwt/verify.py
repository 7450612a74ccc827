"""Is this token good, by these keys and this policy?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

from .encoding import Json, quote
from .keys import Key, KeySet
from .memory import Memory
from .policy import Policy, Presence
from .refusal import Reason, Refusal
from .token import Token, read


class Verified(NamedTuple):
    """An accepted token.  It may be shared between requests: nobody changes its contents."""

    claims: dict[str, Json]
    header: dict[str, Json]
    payload: bytes  # the claims as they were signed
    starts: float  # accepted in starts <= now < ends: "nbf" and "exp" with leeway and all
    ends: float


class Verifier:
    """Checks tokens by one policy and the keys of some sets; one is cheap to make.

    Two verifiers share what a memory holds only if their policies are equal and their key
    sets are of the same generations, in the same order.
    """

    __slots__ = ("_id", "_memory", "key_sets", "policy")

    def __init__(
        self, policy: Policy, key_sets: Iterable[KeySet], memory: Memory | None = None
    ) -> None:
        self.policy = policy
        self.key_sets = tuple(key_sets)
        parts = (policy.id, *(key_set.generation for key_set in self.key_sets))
        self._id = hashlib.sha256(repr(parts).encode()).hexdigest()
        self._memory = memory

    def verify(self, text: str, now: float) -> Verified | Refusal:
        """What is in the token if it is good at ``now``, in seconds since the epoch.

        The order is that of RFC 7519, section 7.2: form, algorithm, key, signature, then
        times and claims.  A token in memory skips all but the times.
        """
        memory = self._memory
        if memory is None:
            return self._examine(text, now)
        question = (self._id, text)
        verified = memory.get(question, now)
        if verified is not None:
            if verified.starts <= now < verified.ends:
                return verified
            return self._untimely(verified, now)
        outcome = self._examine(text, now)
        if isinstance(outcome, Verified):
            memory.put(question, outcome, now)
        return outcome

    def _examine(self, text: str, now: float) -> Verified | Refusal:
        token = read(text)
        if isinstance(token, Refusal):
            return token
        refusal = self._check_signature(token)
        if refusal is not None:
            return refusal
        period = _period(self.policy, token.claims)
        if isinstance(period, Refusal):
            return period
        starts, ends = period
        verified = Verified(token.claims, token.header, token.payload, starts, ends)
        if not starts <= now < ends:
            return self._untimely(verified, now)
        for requirement in self.policy.claims:
            if not requirement.met(token.claims):
                return _mismatch(requirement.name, token.claims)
        return verified

    def _check_signature(self, token: Token) -> Refusal | None:
        alg, kid = token.alg, token.kid
        if alg not in self.policy.algorithms:
            return Refusal(Reason.ALGORITHM, quote(alg))
        if not self.policy.check_signature:
            return None
        tried = 0
        for key in select(self.key_sets, kid):
            check = key.checks.get(alg)
            if check is not None:
                if check(token.signature, token.signed):
                    return None
                tried += 1
        wanted = f"alg {alg}" if kid is None else f"kid {quote(kid)} and alg {alg}"
        if kid is not None and not any(kid in key_set.by_kid for key_set in self.key_sets):
            return Refusal(Reason.UNKNOWN_KID, f"{wanted}, {tried} keys without kid tried")
        if not tried:
            return Refusal(Reason.NO_KEY, wanted)
        return Refusal(Reason.SIGNATURE, f"{wanted}, {tried} keys tried")

    def _untimely(self, verified: Verified, now: float) -> Refusal:
        early = now < verified.starts
        name = "nbf" if early else "exp"
        reason = Reason.NOT_YET_VALID if early else Reason.EXPIRED
        particulars = f"{name}={verified.claims.get(name)} now={now} leeway={self.policy.leeway}"
        return Refusal(reason, particulars)


def verify(text: str, key_sets: Iterable[KeySet], policy: Policy, now: float) -> Verified | Refusal:
    """``Verifier.verify`` for a single token, without memory."""
    return Verifier(policy, key_sets).verify(text, now)


def select(key_sets: Iterable[KeySet], kid: str | None) -> list[Key]:
    """The keys to try, in order.

    With a kid: in sets that have keys of that kid, those and no others; after them, of sets
    that do not, the keys without kid.  Without: all keys.
    """
    if kid is None:
        return [key for key_set in key_sets for key in key_set.keys]
    owned: list[Key] = []
    others: list[Key] = []
    for key_set in key_sets:
        keys = key_set.by_kid.get(kid)
        if keys is None:
            others += key_set.unlabelled
        else:
            owned += keys
    return owned + others


def _period(policy: Policy, claims: dict[str, Json]) -> tuple[float, float] | Refusal:
    """When the token may be accepted: [starts, ends) in seconds since the epoch."""
    starts = _date(claims, "nbf", policy.nbf, -math.inf)
    if isinstance(starts, Refusal):
        return starts
    ends = _date(claims, "exp", policy.exp, math.inf)
    if isinstance(ends, Refusal):
        return ends
    ends += policy.leeway
    if policy.exp_inclusive:
        ends = math.nextafter(ends, math.inf)
    return starts - policy.leeway, ends


def _date(claims: dict[str, Json], name: str, presence: Presence, absent: float) -> float | Refusal:
    """A NumericDate (RFC 7519, section 2): a number that a double holds to the second."""
    if presence is Presence.IGNORED:
        return absent
    if name not in claims:
        if presence is Presence.REQUIRED:
            return Refusal(Reason.DATE, f"{name} is missing")
        return absent
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Refusal(Reason.DATE, f"{name} is not a number")
    if not -(2**53) < value < 2**53:
        return Refusal(Reason.DATE, f"{name} is out of range")
    return float(value)


def _mismatch(name: str, claims: dict[str, Json]) -> Refusal:
    fault = "has none of the values asked for" if name in claims else "is missing"
    return Refusal(Reason.CLAIM, f"{quote(name)} {fault}")
