"""The engine of all dialects: finds a level's token, has it verified, holds it against demands.

What a dialect makes of that is data, its ``Plan``: there is one verifier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import time

from ...http.request import OK, Request, Status
from ...jwt import Reason, Refusal, Token, Verified, Verifier, read
from ...log import Level as LogLevel
from .demands import Demand
from .keyring import Keyring
from .settings import JwtConf
from .sources import Failure
from .variables import KEY, remember
from .wire import Challenger, FindToken
from .words import Words, log_refusal

Answer = Awaitable[Status | None] | Status | None

NO_TOKEN = Refusal(Reason.MISSING, "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a level wants of a token, in its dialect."""

    find_token: FindToken
    keyring: Keyring | None
    challenge: Challenger
    words: Words
    demands: tuple[Demand, ...] = ()
    enforced: bool = True
    success: Status | None = OK  # None: other access modules have their say, too
    no_token: Callable[[Request], Refusal] = lambda r: NO_TOKEN
    broken_keys: Status = 500  # answers if keys cannot be had
    no_keys: str = "no keys are configured"
    # Whether the level cares about this request at all; None: about all of them.
    applies: Callable[[Request], bool] | None = None
    # Methods whose requests pass with whatever token, which is looked at nonetheless.
    excused: frozenset[str] = frozenset()
    lasting: bool = False  # whether variables tell of the token in other locations, too
    before: Callable[[Request], None] | None = None  # runs for each request
    accepted: Callable[[Request, Verified], None] | None = None
    # What answers instead of a refusal's status.
    answer: Callable[[Request, Status], Status] | None = None
    # Which of several reasons the log is told.
    explain: Callable[[Request, str, Refusal], Refusal] | None = None


class Gate:
    """The compiled plan of a level.  `handle` is a plain function as long as the keys are at
    hand, which they are but for the first request."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

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
            return self._refuse(r, token, 401, Refusal(Reason.NO_SOURCE, plan.no_keys))
        now = time()
        if keyring.since <= now < keyring.until:
            return self._judge(r, token, keyring.verifier, now)
        verifier = keyring.at_hand(r, token, now)
        if verifier is None:
            return self._fetch(r, token, keyring)
        return self._judge(r, token, verifier, now)

    async def _fetch(self, r: Request, token: str, keyring: Keyring) -> Status | None:
        verifier = await keyring.fetched(r, token)
        answer = self._judge(r, token, verifier, time())
        return answer if answer is None or isinstance(answer, int) else await answer

    def _judge(self, r: Request, token: str, verifier: Verifier | Failure, now: float) -> Answer:
        if isinstance(verifier, Failure):
            return self._give_up(r, token, verifier)
        outcome = verifier.verify(token, now)
        if type(outcome) is Verified:
            return self._accept(r, token, outcome)
        assert isinstance(outcome, Refusal)
        if outcome.reason is Reason.UNKNOWN_KID:
            return self._look_again(r, token, verifier, outcome)
        if outcome.reason is Reason.NO_KEY and not verifier.key_sets:
            outcome = Refusal(Reason.NO_SOURCE, self.plan.no_keys)
        return self._refuse(r, token, 401, outcome)

    def _give_up(self, r: Request, token: str, failure: Failure) -> Status | None:
        status = self.plan.broken_keys
        if status != 401:
            r.log(LogLevel.ERR, f"auth_jwt: {failure.text}")
            return status
        r.log(LogLevel.ERR, f"auth_jwt: {failure.sentence} ({failure.text})")
        return self._refuse(r, token, 401, Refusal(Reason.NO_SOURCE, failure.text))

    def _look_again(self, r: Request, token: str, verifier: Verifier, refusal: Refusal) -> Answer:
        """Perhaps the keys have changed: of an unknown kid nothing else can be told."""
        keyring, now = self.plan.keyring, time()
        assert keyring is not None
        newer = keyring.newer(r, token, now)
        if isinstance(newer, Verifier) and newer is not verifier:
            outcome = newer.verify(token, now)
            if isinstance(outcome, Verified):
                return self._accept(r, token, outcome)
            refusal = outcome
        if refusal.reason is Reason.UNKNOWN_KID and keyring.may_refresh(r, token, now):
            return self._refresh(r, token, keyring, refusal)
        return self._refuse(r, token, 401, refusal)

    async def _refresh(
        self, r: Request, token: str, keyring: Keyring, refusal: Refusal
    ) -> Status | None:
        newer = await keyring.fetched(r, token, refresh=True)
        if isinstance(newer, Verifier):
            outcome = newer.verify(token, time())
            if isinstance(outcome, Verified):
                return self._accept(r, token, outcome)
            refusal = outcome
        return self._refuse(r, token, 401, refusal)

    def _accept(self, r: Request, token: str, verified: Verified) -> Status | None:
        plan = self.plan
        r.contexts[KEY] = (r.location, verified)
        if plan.lasting:
            remember(r, verified)
        for demand in plan.demands:
            denial = demand(r, verified)
            if denial is not None:
                if denial.refusal.reason is not Reason.CONDITION:
                    self._forget(r)
                return self._refuse(r, token, *denial)
        if plan.accepted is not None:
            plan.accepted(r, verified)
        return None if plan.excused and r.method in plan.excused else plan.success

    def _forget(self, r: Request) -> None:
        r.contexts[KEY] = (r.location, None)
        if self.plan.lasting:
            remember(r, None)

    def _refuse(self, r: Request, token: str, status: Status, refusal: Refusal) -> Status | None:
        plan = self.plan
        found = r.contexts.get(KEY)
        if found is None or found[0] is not r.location:
            self._forget(r)
        if plan.explain is not None and token and r.location.log.level >= LogLevel.ERR:
            refusal = plan.explain(r, token, refusal)
        log_refusal(r, token, refusal, plan.words)
        if r.method in plan.excused:
            return None
        if plan.answer is not None:
            status = plan.answer(r, status)
        if field := plan.challenge(r, token, status):
            r.add_header("WWW-Authenticate", field)
        return status

    # -- without enforcement ---------------------------------------------------------------

    async def prepare(self, r: Request) -> None:
        """Fetches the keys with which the variables of a token are verified."""
        keyring = self.plan.keyring
        if keyring is not None and (token := self.plan.find_token(r)):
            found = await keyring.fetched(r, token)
            if isinstance(found, Failure):
                r.log(LogLevel.ERR, f"auth_jwt: {found.text}")

    def peek(self, r: Request) -> Verified | Token | None:
        """The token as far as variables may tell of it, without waiting for anything.

        Where nothing is enforced and no keys are configured it is not verified."""
        plan = self.plan
        if plan.applies is not None and not plan.applies(r):
            return None
        text = plan.find_token(r)
        if not text:
            return None
        keyring = plan.keyring
        if keyring is None:
            limits = r.location.conf(JwtConf).limits
            return None if plan.enforced else _kept(r, read(text, limits))
        now = time()
        hot = keyring.since <= now < keyring.until
        verifier = keyring.verifier if hot else keyring.at_hand(r, text, now)
        if not isinstance(verifier, Verifier):
            return None
        return self._fit(r, _kept(r, verifier.verify(text, now)))

    def _fit(self, r: Request, token: Verified | Token | None) -> Verified | Token | None:
        """The token, unless more than a signature is wanted of it and is not there."""
        if isinstance(token, Verified):
            for demand in self.plan.demands:
                denial = demand(r, token)
                if denial is not None and denial.refusal.reason is not Reason.CONDITION:
                    r.contexts[KEY] = (r.location, None)
                    return None
        return token


def _kept(r: Request, outcome: Verified | Token | Refusal) -> Verified | Token | None:
    found = None if isinstance(outcome, Refusal) else outcome
    r.contexts[KEY] = (r.location, found)
    return found
