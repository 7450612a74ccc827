"""The outcome of each check of a verifier, to explain why a token was refused.

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
from .trial import check_signature, foreign_key, open_encrypted, select
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
    """One check: "form", "algorithm", "key", "signature", "decryption", "claims", "issuer",
    "exp", "nbf" or "demand"; `refusal` is None if it was passed, or was not made."""

    name: str
    refusal: TokenRefusal | None = None
    was_run: bool = True
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
    exam = Examination()
    form = verifier.policy.form
    claims_set = _signed(verifier, text, exam) if form is Form.SIGNED else None
    if form is not Form.SIGNED:
        claims_set = _encrypted(verifier, text, exam)
    if claims_set is None:
        return exam
    exam.payload = claims_set
    claims = parse_claims(claims_set, verifier.policy.limits)
    if not exam._add("claims", claims if isinstance(claims, TokenRefusal) else None):
        return exam
    assert not isinstance(claims, TokenRefusal)
    exam.claims = claims
    _issuer(exam)
    _times(verifier, exam, now)
    for demand in verifier.policy.demands:
        exam._add("demand", demand.refusal(exam.header, claims), demand=demand)
    return exam


def _signed(verifier: Verifier, text: str, exam: Examination) -> bytes | None:
    """The payload of a JWS, if it has the form of one."""
    policy = verifier.policy
    token = parse_signed(text, policy.limits, padded=policy.padded)
    if isinstance(token, TokenRefusal):
        exam._add("form", token)
        return None
    exam._add("form")
    exam.header = exam.header or token.header
    refusal = check_signature(token, verifier.key_sets, policy)
    trial = _look_at_keys(verifier, token)
    _add_trial(exam, refusal, "signature", trial, was_run=policy.check_signature)
    return token.payload


def _encrypted(verifier: Verifier, text: str, exam: Examination) -> bytes | None:
    """The claims set of a JWE, if it can be decrypted."""
    policy = verifier.policy
    token = parse_encrypted(text, policy.limits, padded=policy.padded)
    if isinstance(token, TokenRefusal):
        exam._add("form", token)
        return None
    exam._add("form")
    exam.header = token.header
    plaintext = open_encrypted(token, verifier.key_sets, policy)
    refusal = plaintext if isinstance(plaintext, TokenRefusal) else None
    _add_trial(exam, refusal, "decryption", _look_at_keys(verifier, token))
    if isinstance(plaintext, TokenRefusal):
        return None
    if policy.form is Form.ENCRYPTED:
        return plaintext
    return _signed(verifier, plaintext.decode("latin-1"), exam)


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
    exam: Examination,
    refusal: TokenRefusal | None,
    last: str,
    trial: Trial,
    *,
    was_run: bool = True,
) -> None:
    """Algorithm, key and signature: one question to the engine, three to people."""
    failed = _STEPS[refusal.reason] if refusal is not None else ""
    for name in ("algorithm", "key", last):
        wrong = refusal if name == failed else None
        exam._add(name, wrong, was_run=was_run or name == "algorithm", trial=trial)
        if wrong is not None:
            break
    exam.vouched = refusal is None and was_run


def _issuer(exam: Examination) -> None:
    """Of keys that are bound to issuers."""
    keys = {check.trial.key for check in exam.checks if check.trial is not None}
    bound = [key for key in keys if key is not None and key.issuers is not None]
    if bound:
        exam._add("issuer", foreign_key(bound, exam.claims))


def _times(verifier: Verifier, exam: Examination, now: float) -> None:
    policy = verifier.policy
    period = period_of(policy, exam.claims)
    if isinstance(period, TokenRefusal):
        was_run, failed, refusal = False, period.detail.partition(" ")[0], period
    else:
        verified = Verified(exam.claims, exam.header, b"", *period, b"")
        early, late = now < verified.starts, now >= verified.ends
        was_run, failed = not early, "nbf" if early else "exp" if late else ""
        refusal = verifier.untimely(verified, now)
    for name, presence in (("nbf", policy.nbf), ("exp", policy.exp)):
        if name == failed:
            exam._add(name, refusal)
        else:
            exam._add(name, was_run=was_run and presence is not Presence.IGNORED)
