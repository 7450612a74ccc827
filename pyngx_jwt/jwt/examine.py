"""What a verifier makes of a token, check by check, for somebody who wants to know why.

Nothing is decided here: each check is the verifier's own, asked one at a time.  Checks that the
verifier would not come to any more are made all the same, of contents that nothing vouches for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .claims import Members
from .key import Key
from .keys import KeySet
from .policy import Form, Presence
from .refusal import Reason, TokenRefusal
from .requirements import TokenDemand
from .token import Encrypted, Signed, parse_claims, parse_encrypted, parse_signed
from .trial import check_signature, open_encrypted, select
from .verified import Verified
from .verify import Verifier, period_of

_STEPS = {  # of the refusals of a trial of keys: the check that failed
    Reason.ALGORITHM: "algorithm",
    Reason.UNKNOWN_KID: "key",
    Reason.NO_KEY: "key",
    Reason.SIGNATURE: "signature",
    Reason.DECRYPTION: "decryption",
}


class Trial(NamedTuple):
    """How the keys did on a token, or on the one inside of it."""

    header: Members
    candidates: tuple[Key, ...]  # those that its kid leads to, in the verifier's order
    tried: tuple[Key, ...]  # those of them that have its algorithm
    key: Key | None = None  # the one that verifies or decrypts it
    key_set: KeySet | None = None  # where that is from


class Check(NamedTuple):
    """One check: "form", "algorithm", "key", "signature", "decryption", "claims", "exp", "nbf"
    or "demand"; `refusal` is None if it was passed, or was not made."""

    name: str
    refusal: TokenRefusal | None = None
    made: bool = True
    demand: TokenDemand | None = None
    trial: Trial | None = None  # of algorithm, key, signature and decryption


@dataclass(slots=True)
class Examination:
    """All checks in their order, and what the token says.

    The first refusal among the checks is the verifier's.  `vouched` says whether a key vouches
    for header and claims."""

    checks: list[Check] = field(default_factory=list)
    header: Members = field(default_factory=dict)  # the outermost one
    claims: Members = field(default_factory=dict)
    payload: bytes = b""
    vouched: bool = False

    @property
    def refusal(self) -> TokenRefusal | None:
        return next((c.refusal for c in self.checks if c.refusal is not None), None)

    def _add(self, name: str, refusal: TokenRefusal | None = None, **more: Any) -> bool:
        self.checks.append(Check(name, refusal, **more))
        return refusal is None


def examine(verifier: Verifier, text: str, now: float) -> Examination:
    """The checks of ``verifier.verify(text, now)``."""
    found = Examination()
    form = verifier.policy.form
    claims_set = _signed(verifier, text, found) if form is Form.SIGNED else None
    if form is not Form.SIGNED:
        claims_set = _encrypted(verifier, text, found)
    if claims_set is None:
        return found
    claims = parse_claims(claims_set, verifier.policy.limits)
    if not found._add("claims", claims if isinstance(claims, TokenRefusal) else None):
        return found
    assert not isinstance(claims, TokenRefusal)
    found.claims, found.payload = claims, claims_set
    _times(verifier, found, now)
    for demand in verifier.policy.demands:
        found._add("demand", demand.refusal(found.header, claims), demand=demand)
    return found


def _signed(verifier: Verifier, text: str, found: Examination) -> bytes | None:
    """The payload of a JWS, if it has the form of one."""
    policy = verifier.policy
    token = parse_signed(text, policy.limits)
    if isinstance(token, TokenRefusal):
        found._add("form", token)
        return None
    found._add("form")
    found.header = found.header or token.header
    refusal = check_signature(token, verifier.key_sets, policy)
    trial = _look_at_keys(verifier, token)
    _add_trial(found, refusal, "signature", trial, made=policy.check_signature)
    return token.payload


def _encrypted(verifier: Verifier, text: str, found: Examination) -> bytes | None:
    """The claims set of a JWE, if it can be decrypted."""
    policy = verifier.policy
    token = parse_encrypted(text, policy.limits)
    if isinstance(token, TokenRefusal):
        found._add("form", token)
        return None
    found._add("form")
    found.header = token.header
    plaintext = open_encrypted(token, verifier.key_sets, policy)
    refusal = plaintext if isinstance(plaintext, TokenRefusal) else None
    _add_trial(found, refusal, "decryption", _look_at_keys(verifier, token))
    if isinstance(plaintext, TokenRefusal):
        return None
    if policy.form is Form.ENCRYPTED:
        return plaintext
    return _signed(verifier, plaintext.decode("latin-1"), found)


def _look_at_keys(verifier: Verifier, token: Signed | Encrypted) -> Trial:
    """Which keys were tried, and which of them did it."""
    candidates = tuple(select(verifier.key_sets, token.kid))
    signed, policy = isinstance(token, Signed), verifier.policy
    tried = tuple(k for k in candidates if token.alg in (k.checks if signed else k.decrypts))
    if signed and not policy.check_signature:
        return Trial(token.header, candidates, tried)
    for key in tried:
        alone = [KeySet.of([key], "")]
        if isinstance(token, Signed):
            good = check_signature(token, alone, policy) is None
        else:
            good = isinstance(open_encrypted(token, alone, policy), bytes)
        if good:
            key_set = next(s for s in verifier.key_sets if key in s.keys)
            return Trial(token.header, candidates, tried, key, key_set)
    return Trial(token.header, candidates, tried)


def _add_trial(
    found: Examination, refusal: TokenRefusal | None, last: str, trial: Trial, *, made: bool = True
) -> None:
    """Algorithm, key and signature: one question to the engine, three to people."""
    failed = _STEPS[refusal.reason] if refusal is not None else ""
    for name in ("algorithm", "key", last):
        wrong = refusal if name == failed else None
        found._add(name, wrong, made=made or name == "algorithm", trial=trial)
        if wrong is not None:
            break
    found.vouched = refusal is None and made


def _times(verifier: Verifier, found: Examination, now: float) -> None:
    policy = verifier.policy
    period = period_of(policy, found.claims)
    if isinstance(period, TokenRefusal):
        made, failed, refusal = False, period.detail.partition(" ")[0], period
    else:
        verified = Verified(found.claims, found.header, b"", *period, b"")
        early, late = now < verified.starts, now >= verified.ends
        made, failed = not early, "nbf" if early else "exp" if late else ""
        refusal = verifier.untimely(verified, now)
    for name, presence in (("nbf", policy.nbf), ("exp", policy.exp)):
        if name == failed:
            found._add(name, refusal)
        else:
            found._add(name, made=made and presence is not Presence.IGNORED)
