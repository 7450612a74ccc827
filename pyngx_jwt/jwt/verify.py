"""Is this token good, by these keys and this policy?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

from .claims import Members
from .encoding import Json
from .key import Key
from .keys import KeySet
from .memory import TokenMemory
from .policy import Form, Presence, TokenPolicy
from .refusal import Reason, TokenRefusal
from .token import (
    Headers,
    Signed,
    parse_claims,
    parse_encrypted,
    parse_signed,
    remember_header,
    too_long,
)
from .trial import decrypt_with, find_key, foreign_key
from .verified import Verified

HEADERS = 16  # that a verifier remembers: most tokens of an issuer have the same


class _Opened(NamedTuple):
    """The parts of a token, and the keys that vouch for them."""

    header: Members
    payload: bytes
    claims_set: bytes
    keys: tuple[Key, ...]


class Verifier:
    """Checks tokens by one policy and the keys of some sets; one is cheap to make.

    Two verifiers share what a memory holds only if their policies are equal and their key
    sets are of the same generations, in the same order.
    """

    __slots__ = ("_headers", "_id", "_memory", "key_sets", "policy")

    def __init__(
        self, policy: TokenPolicy, key_sets: Iterable[KeySet], memory: TokenMemory | None = None
    ) -> None:
        self.policy = policy
        self.key_sets = tuple(key_sets)
        parts = (policy.id, *(key_set.generation for key_set in self.key_sets))
        self._id = hashlib.sha256(repr(parts).encode()).hexdigest()
        self._memory = memory
        self._headers: Headers = {}

    def verify(self, text: str, now: float) -> Verified | TokenRefusal:
        """What is in the token if it is good at ``now``, in seconds since the epoch.

        The order is that of RFC 7519, section 7.2: form, algorithm, key, signature, then
        the claims set, times and claims.  A token in memory skips all but the times.
        """
        policy, memory = self.policy, self._memory
        if len(text) > policy.limits.token_size:  # before anything that grows with it
            return too_long(policy.limits)
        if memory is None:
            return self._examine(text, now)
        question = (self._id, text)
        verified = memory.get(question, now)
        if verified is not None:
            if verified.starts <= now < verified.ends:
                return verified
            return self.untimely(verified, now)
        outcome = self._examine(text, now)
        if type(outcome) is Verified and memory.asked_before(question):
            memory.put(question, outcome, now)
        return outcome

    def _examine(self, text: str, now: float) -> Verified | TokenRefusal:
        policy = self.policy
        opened = self._open(text)
        if isinstance(opened, TokenRefusal):
            return opened
        header, payload, claims_set, keys = opened
        claims = parse_claims(claims_set, policy.limits)
        if isinstance(claims, TokenRefusal):
            return claims
        if (refusal := foreign_key(keys, claims)) is not None:
            return refusal
        period = period_of(policy, claims)
        if isinstance(period, TokenRefusal):
            return period
        starts, ends = period
        verified = Verified(claims, header, payload, starts, ends, claims_set)
        if not starts <= now < ends:
            return self.untimely(verified, now)
        for demand in policy.demands:
            if (refusal := demand.refusal(header, claims)) is not None:
                return refusal
        return verified

    def _open(self, text: str) -> _Opened | TokenRefusal:
        policy = self.policy
        if policy.form is Form.SIGNED:
            signed = self._open_signed(text)
            if isinstance(signed, TokenRefusal):
                return signed
            token, keys = signed
            return _Opened(token.header, token.payload, token.payload, keys)
        encrypted = parse_encrypted(text, policy.limits, padded=policy.padded)
        if isinstance(encrypted, TokenRefusal):
            return encrypted
        decrypted = decrypt_with(encrypted, self.key_sets, policy)
        if isinstance(decrypted, TokenRefusal):
            return decrypted
        plaintext, key = decrypted
        if policy.form is Form.ENCRYPTED:
            return _Opened(encrypted.header, plaintext, plaintext, (key,))
        signed = self._open_signed(plaintext.decode("latin-1"))
        if isinstance(signed, TokenRefusal):
            return signed
        token, keys = signed
        return _Opened(encrypted.header, plaintext, token.payload, (key, *keys))

    def _open_signed(self, text: str) -> tuple[Signed, tuple[Key, ...]] | TokenRefusal:
        policy = self.policy
        token = parse_signed(text, policy.limits, self._headers, padded=policy.padded)
        if isinstance(token, TokenRefusal):
            return token
        key = find_key(token, self.key_sets, policy)
        if isinstance(key, TokenRefusal):
            return key
        remember_header(token, self._headers, HEADERS)
        return token, (() if key is None else (key,))

    def untimely(self, verified: Verified, now: float) -> TokenRefusal:
        """The refusal of a token before it starts or after it ends."""
        early = now < verified.starts
        name = "nbf" if early else "exp"
        reason = Reason.NOT_YET_VALID if early else Reason.EXPIRED
        value, leeway = verified.claims.get(name), self.policy.leeway
        facts = {name: value, "now": now, "leeway": leeway}
        return TokenRefusal(
            reason, f"{name}={value} now={_plain(now)} leeway={_plain(leeway)}", facts
        )


def verify(
    text: str, key_sets: Iterable[KeySet], policy: TokenPolicy, now: float
) -> Verified | TokenRefusal:
    """``Verifier.verify`` for a single token, without memory."""
    return Verifier(policy, key_sets).verify(text, now)


def _plain(seconds: float) -> str:
    """Whole seconds without a fraction, be they an int or a float."""
    return str(seconds).removesuffix(".0")


def period_of(policy: TokenPolicy, claims: dict[str, Json]) -> tuple[float, float] | TokenRefusal:
    """When the token may be accepted: [starts, ends) in seconds since the epoch."""
    starts = _date(policy, claims, "nbf", policy.nbf, -math.inf)
    if isinstance(starts, TokenRefusal):
        return starts
    ends = _date(policy, claims, "exp", policy.exp, math.inf)
    if isinstance(ends, TokenRefusal):
        return ends
    ends += policy.leeway
    if policy.exp_inclusive and ends < math.inf:
        ends = math.floor(ends) + 1
    return starts - policy.leeway, ends


def _date(
    policy: TokenPolicy, claims: dict[str, Json], name: str, presence: Presence, absent: float
) -> float | TokenRefusal:
    """A NumericDate (RFC 7519, section 2): a number that a double holds to the second."""
    if presence is Presence.IGNORED:
        return absent
    if name not in claims:
        if presence is Presence.REQUIRED:
            return TokenRefusal(
                Reason.DATE, f"{name} is missing", {"absent": name, "leeway": policy.leeway}
            )
        return absent
    value = claims[name]
    fault = ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        fault = "is not a number"
    elif policy.whole_exp and name == "exp" and isinstance(value, float):
        fault = "is not a whole number"
    elif not -(2**53) < value < 2**53:
        fault = "is out of range"
    else:
        return float(value)
    return TokenRefusal(Reason.DATE, f"{name} {fault}", {name: value})
