"""The engine of all dialects: finds a level's token, has it verified, holds it against demands.

What a dialect makes of that is data, its ``Plan``: there is one verifier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import time
from typing import Protocol, TypeGuard

from ...http.request import Request, Status
from ...jwt import Reason, Token, TokenRefusal, Verified, Verifier
from ...log import Severity
from .contexts import KEY, LACKING, note_refusal, remember, remembered
from .key_sets import Failure
from .keyring import Keyring
from .plan import Plan
from .words import log_refusal

Answer = Awaitable[Status | None] | Status | None

# Reasons to look for newer keys: an unknown kid, new keys without kid, a new key with an old kid.
OUTDATED = (Reason.NO_KEY, Reason.UNKNOWN_KID, Reason.SIGNATURE, Reason.DECRYPTION)
# Reasons that would perhaps not apply if there were more keys.
KEYLESS = (*OUTDATED, Reason.NO_SOURCE)

RETRY_AFTER = "5"  # seconds

Outcome = Verified | TokenRefusal | Failure
# Says what an outcome comes to; the verifier is what it is of.
Decide = Callable[[Request, str, Outcome, "Verifier | Failure"], "Status | None"]


def _is_outdated(outcome: Verified | TokenRefusal) -> TypeGuard[TokenRefusal]:
    """Whether newer keys may lead to another outcome."""
    return isinstance(outcome, TokenRefusal) and outcome.reason in OUTDATED


class OutcomeCounts(Protocol):
    """Counts what requests come to."""

    def accepted(self) -> None:
        """A request passes."""

    def refused(self, reason: Reason) -> None:
        """A request does not pass for a reason that is the token's."""

    def unavailable(self, reason: Reason) -> None:
        """A request cannot be decided about."""


class Gate:
    """The compiled plan of a level.  `handle` is a plain function as long as the keys are at
    hand, which they are but for the first request."""

    __slots__ = ("counts", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.counts: OutcomeCounts | None = None  # for statistics

    # -- the access phase ------------------------------------------------------------------

    def handle(self, r: Request) -> Answer:
        """Lets a request with a valid token pass."""
        plan = self.plan
        if plan.before is not None:
            plan.before(r)
        if plan.applies is not None and not plan.applies(r):
            r.contexts[KEY] = (r.location, None)
            return None
        token = plan.find_token(r)
        keyring = plan.keyring
        if not token:
            return self._refuse(r, "", 401, plan.no_token(r))
        if keyring is None:
            return self._refuse(r, token, 401, TokenRefusal(Reason.NO_SOURCE, plan.no_keys))
        now = time()
        if keyring.since <= now < keyring.until:
            verifier = keyring.verifier
            outcome = verifier.verify(token, now)
            if type(outcome) is Verified:
                return self.accept(r, token, outcome)
            return self._weigh(r, token, outcome, verifier, now, self._decide)
        return self._find_out(r, token, keyring, self._decide)

    def _decide(
        self, r: Request, token: str, outcome: Outcome, verifier: Verifier | Failure
    ) -> Status | None:
        if type(outcome) is Verified:
            return self.accept(r, token, outcome)
        if isinstance(outcome, Failure):
            return self._give_up(r, token, outcome)
        assert isinstance(outcome, TokenRefusal) and isinstance(verifier, Verifier)
        lacking: Failure | None = r.contexts.get(LACKING)
        if lacking is not None and self.plan.unavailable != 401 and outcome.reason in KEYLESS:
            return self._give_up(r, token, lacking)
        if outcome.reason is Reason.NO_KEY and not verifier.key_sets:
            outcome = TokenRefusal(Reason.NO_SOURCE, self.plan.no_keys)
        return self._refuse(r, token, 401, outcome)

    def _give_up(self, r: Request, token: str, failure: Failure) -> Status | None:
        status = self._status_without(r, failure)
        if status != 401:
            self._forget(r)
            note_refusal(r, TokenRefusal(Reason.NO_SOURCE, failure.text))
            if self.counts is not None:
                self.counts.unavailable(Reason.NO_SOURCE)
            r.log(Severity.ERR, f"auth_jwt: {failure.text}")
            if r.method in self.plan.excused:
                return None
            if status == 503:
                r.add_header("Retry-After", RETRY_AFTER)
            return status
        r.log(Severity.ERR, f"auth_jwt: {failure.sentence} ({failure.text})")
        return self._refuse(r, token, 401, TokenRefusal(Reason.NO_SOURCE, failure.text))

    def _status_without(self, r: Request, failure: Failure) -> Status:
        """What answers if keys cannot be had.  With "satisfy any" another permission may be as
        good, which any other status than 401 would rule out."""
        plan = self.plan
        if failure.unavailable:
            return 503
        if LACKING not in r.contexts:
            return plan.broken_keys
        if plan.unavailable == 503 and r.location.core.satisfy == "any":
            return 401
        return plan.unavailable

    def accept(self, r: Request, token: str, verified: Verified) -> Status | None:
        """Holds a verified token against the demands."""
        plan = self.plan
        r.contexts[KEY] = (r.location, verified)
        if plan.lasting:
            remember(r, verified)
        for demand in plan.demands:
            denial = demand.check(r, verified)
            if denial is not None:
                return self._refuse(r, token, *denial)
        if self.counts is not None:
            self.counts.accepted()
        if plan.accepted is not None:
            plan.accepted(r, verified)
        return None if plan.excused and r.method in plan.excused else plan.success

    def _forget(self, r: Request) -> None:
        r.contexts[KEY] = (r.location, None)
        if self.plan.lasting:
            remember(r, None)

    def _refuse(
        self, r: Request, token: str, status: Status, refusal: TokenRefusal
    ) -> Status | None:
        plan = self.plan
        if refusal.reason is not Reason.CONDITION:
            self._forget(r)
        if plan.explain is not None and token and r.location.log.level >= Severity.ERR:
            refusal = plan.explain(r, token, refusal)
        note_refusal(r, refusal)
        if self.counts is not None:
            self._count(refusal.reason)
        log_refusal(r, token, refusal, plan.words)
        if r.method in plan.excused:
            return None
        if plan.answer is not None:
            status = plan.answer(r, status)
        if field := plan.challenge(r, token, status):
            r.add_header("WWW-Authenticate", field)
        return status

    def _count(self, reason: Reason) -> None:
        assert self.counts is not None
        if reason is Reason.NO_SOURCE:
            self.counts.unavailable(reason)
        else:
            self.counts.refused(reason)

    # -- keys ------------------------------------------------------------------------------

    def _find_out(self, r: Request, token: str, keyring: Keyring, decide: Decide) -> Answer:
        """Verifies the token, and has decided what comes of it."""
        now = time()
        if keyring.since <= now < keyring.until:
            return self._judge(r, token, keyring.verifier, now, decide)
        verifier = keyring.at_hand(r, token, now)
        if verifier is None:
            return self._fetch(r, token, keyring, decide)
        return self._judge(r, token, verifier, now, decide)

    async def _fetch(
        self, r: Request, token: str, keyring: Keyring, decide: Decide
    ) -> Status | None:
        verifier = await keyring.fetched(r, token)
        answer = self._judge(r, token, verifier, time(), decide)
        return answer if answer is None or isinstance(answer, int) else await answer

    def _judge(
        self, r: Request, token: str, verifier: Verifier | Failure, now: float, decide: Decide
    ) -> Answer:
        if isinstance(verifier, Failure):
            return decide(r, token, verifier, verifier)
        return self._weigh(r, token, verifier.verify(token, now), verifier, now, decide)

    def _weigh(
        self,
        r: Request,
        token: str,
        outcome: Verified | TokenRefusal,
        verifier: Verifier,
        now: float,
        decide: Decide,
    ) -> Answer:
        """Other keys may lead to another outcome."""
        if _is_outdated(outcome):
            outcome, verifier = self._look_again(r, token, verifier, outcome, now)
            keyring = self.plan.keyring
            assert keyring is not None
            if _is_outdated(outcome) and keyring.may_refresh(r, token, now, outcome):
                return self._refresh(r, token, keyring, outcome, verifier, decide)
        return decide(r, token, outcome, verifier)

    def _look_again(
        self,
        r: Request,
        token: str,
        verifier: Verifier,
        outcome: Verified | TokenRefusal,
        now: float,
    ) -> tuple[Verified | TokenRefusal, Verifier]:
        """The keys may have changed: files are read again first."""
        keyring = self.plan.keyring
        assert keyring is not None
        newer = keyring.newer(r, token, now)
        if isinstance(newer, Verifier) and newer is not verifier:
            return newer.verify(token, now), newer
        return outcome, verifier

    async def _refresh(
        self,
        r: Request,
        token: str,
        keyring: Keyring,
        refusal: TokenRefusal,
        verifier: Verifier,
        decide: Decide,
    ) -> Status | None:
        outcome: Outcome = refusal
        newer = await keyring.fetched(r, token, refusal)
        if isinstance(newer, Verifier):
            outcome, verifier = newer.verify(token, time()), newer
        return decide(r, token, outcome, verifier)

    # -- before the access phase, and without enforcement ----------------------------------

    def prepare(self, r: Request) -> Answer:
        """Verifies a token that is not demanded, for variables."""
        return self.settle(r, True)

    def settle(self, r: Request, ends: bool) -> Answer:
        """Verifies the token before it is due, for variables; keys may have to be fetched
        for that.  If they cannot be had it `ends` the request as the access phase
        would: what depends on a claim is not to be decided without it."""
        plan, entry = self.plan, r.contexts.get(KEY)
        if plan.keyring is None or r.asks_for_keys or (entry and entry[0] is r.location):
            return None
        if plan.applies is not None and not plan.applies(r):
            return None
        token = plan.find_token(r) if plan.early or remembered(r) is not None else ""
        if not token:
            return None
        return self._find_out(r, token, plan.keyring, self._end if ends else self._note)

    def _note(
        self, r: Request, token: str, outcome: Outcome, verifier: Verifier | Failure
    ) -> Status | None:
        if not self._lacks_keys(outcome, verifier):
            assert not isinstance(outcome, Failure)
            self._shown(r, outcome)
        return None

    def _end(
        self, r: Request, token: str, outcome: Outcome, verifier: Verifier | Failure
    ) -> Status | None:
        if not self._lacks_keys(outcome, verifier):
            return self._note(r, token, outcome, verifier)
        if self.plan.enforced and not self._is_one_of_several(r, outcome):
            return self._decide(r, token, outcome, verifier)
        self._forget(r)
        if isinstance(outcome, Failure) and not self.plan.enforced:
            r.log(Severity.ERR, f"auth_jwt: {outcome.text}")
        return None

    def _lacks_keys(self, outcome: Outcome, verifier: Verifier | Failure) -> bool:
        """Whether more keys might have led to another outcome."""
        if isinstance(outcome, Failure) or isinstance(verifier, Failure):
            return True
        keyring = self.plan.keyring
        assert keyring is not None
        return (
            isinstance(outcome, TokenRefusal)
            and outcome.reason in KEYLESS
            and keyring.lacks(verifier)
        )

    def _is_one_of_several(self, r: Request, outcome: Outcome) -> bool:
        """Whether another permission would be as good: with "satisfy any", for a plain 401."""
        plan = self.plan
        status = self._status_without(r, outcome) if isinstance(outcome, Failure) else 401
        return r.location.core.satisfy == "any" and status == 401 and plan.answer is None

    def peek(self, r: Request) -> Verified | Token | None:
        """The token as far as variables may have its values, without waiting for anything.

        Where nothing is enforced and no keys are configured it is not verified."""
        plan = self.plan
        if plan.applies is not None and not plan.applies(r):
            return None
        text = plan.find_token(r)
        if not text:
            return None
        keyring = plan.keyring
        if keyring is None:
            return None if plan.enforced else self._shown(r, plan.read(text))
        now = time()
        hot = keyring.since <= now < keyring.until
        verifier = keyring.verifier if hot else keyring.at_hand(r, text, now)
        if not isinstance(verifier, Verifier):
            return None
        outcome = verifier.verify(text, now)
        if _is_outdated(outcome):
            outcome, _ = self._look_again(r, text, verifier, outcome, now)
        return None if self._lacks_keys(outcome, verifier) else self._shown(r, outcome)

    def _shown(
        self, r: Request, outcome: Verified | Token | TokenRefusal
    ) -> Verified | Token | None:
        """The token that variables may have the values of: one that meets all demands on itself."""
        token = None if isinstance(outcome, TokenRefusal) else outcome
        r.contexts[KEY] = (r.location, token)
        if isinstance(token, Verified):
            for demand in self.plan.demands:
                denial = demand.check(r, token)
                if denial is not None and denial.refusal.reason is not Reason.CONDITION:
                    r.contexts[KEY] = (r.location, None)
                    return None
            if self.plan.enforced and self.plan.lasting:
                remember(r, token)
        return token
