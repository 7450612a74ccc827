"""A gate that reports what it did: its own code and its own plan, observed.

A plan is data and functions.  Here each function is wrapped into one that notes what it came
to, so that the report is what was decided, and a gate that is not watched pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeGuard

from ...http.request import Request, Status
from ...jwt import KeySet, KeySetError, TokenPolicy, TokenRefusal, Verified, Verifier
from .contexts import NOW
from .demands import Denial, RequestDemand
from .gate import Gate
from .key_file import KeyFile
from .key_request import KeyRequest
from .key_sets import Failure
from .keyring import ATTRIBUTES, Keyring
from .plan import Plan
from .sources import Source
from .words import LogLines, Words


@dataclass(slots=True)
class GateReport:
    """What a gate did with a request, as far as it came."""

    applied: bool = True
    token: str | None = None  # None: it was not looked for
    keys: Verifier | Failure | None = None  # None: there are none, or no token to use them on
    sources: tuple[Source, ...] = ()
    fetched: tuple[KeyRequest | KeyFile, ...] = ()  # sources that are not here
    would_refresh: bool = False  # an unknown kid would have had these fetched again
    verified: Verified | None = None
    denials: tuple[tuple[RequestDemand, Denial | None], ...] = ()
    refusal: TokenRefusal | None = None
    rc: Status | None = None


class _AtATime(Verifier):
    """Verifies at a time that stands still."""

    __slots__ = ("now",)

    def __init__(self, policy: TokenPolicy, key_sets: Iterable[KeySet], now: float) -> None:
        super().__init__(policy, key_sets)
        self.now = now

    def verify(self, text: str, now: float) -> Verified | TokenRefusal:
        return super().verify(text, self.now)


def _is_elsewhere(source: Source) -> TypeGuard[KeyRequest | KeyFile]:
    is_elsewhere = isinstance(source, KeyFile) and source.is_elsewhere
    return is_elsewhere or isinstance(source, KeyRequest)


class OfflineKeyring(Keyring):
    """The keys of a level at the time `now`, where key requests are answered by a text, or by
    no keys."""

    __slots__ = ("_answer", "_now", "_report")

    def __init__(
        self, keyring: Keyring, now: float, answer: bytes | None, report: Callable[[], GateReport]
    ) -> None:
        for name in ATTRIBUTES:
            setattr(self, name, getattr(keyring, name))
        self._now, self._answer, self._report = now, answer, report

    def at_hand(self, r: Request, token: str, now: float) -> Verifier | Failure | None:
        report = self._report()
        report.sources = tuple(self.sources(r, token))
        report.fetched = tuple(s for s in report.sources if _is_elsewhere(s))
        for source in report.fetched:
            source.stand_in(self._answer)
        verifier = super().at_hand(r, token, now)
        self.since = self.until = 0.0  # next time, too, it is asked
        if isinstance(verifier, Verifier):
            verifier = _AtATime(verifier.policy, verifier.key_sets, self._now)
        report.keys = verifier
        return verifier

    async def fetched(
        self, r: Request, token: str, refresh: TokenRefusal | None = None
    ) -> Verifier | Failure:
        raise KeySetError("keys cannot be fetched")  # at_hand() has stood in for them

    def may_refresh(self, r: Request, token: str, now: float, refusal: TokenRefusal) -> bool:
        self._report().would_refresh = bool(self._report().fetched)
        return False


class GateWatch:
    """Watches a gate.  ``now`` is the time that counts; ``answer`` what key requests bring."""

    def __init__(self, gate: Gate, now: float, answer: bytes | None) -> None:
        self.plan = gate.plan
        self.report = GateReport()
        self._now, self._gate = now, gate
        gate.plan = self._watched(gate.plan, answer)

    async def handle(self, r: Request) -> Status | None:
        """What the gate does with the request."""
        self.report = GateReport()
        r.contexts[NOW] = self._now
        answer = self._gate.handle(r)
        self.report.rc = answer if answer is None or isinstance(answer, int) else await answer
        return self.report.rc

    def accept(self, r: Request, token: Verified) -> Status | None:
        """What the gate does with a request whose token is taken to be good."""
        self.report.rc = self._gate.accept(r, self.report.token or "", token)
        return self.report.rc

    def deny(self, r: Request, token: Verified) -> tuple[tuple[RequestDemand, Denial | None], ...]:
        """What each demand beyond the token's own says, whatever the others do."""
        return tuple((demand, demand.check(r, token)) for demand in self.plan.demands)

    def _watched(self, plan: Plan, answer: bytes | None) -> Plan:
        keyring = plan.keyring
        if keyring is not None:
            keyring = OfflineKeyring(keyring, self._now, answer, lambda: self.report)
        applies = None if plan.applies is None else self._applies
        return replace(
            plan,
            find_token=self._find_token,
            keyring=keyring,
            words=self._words(plan.words),
            applies=applies,
            accepted=self._accepted,
            demands=tuple(self._demand(demand) for demand in plan.demands),
            explain=None if plan.explain is None else self._explain,
        )

    def _applies(self, r: Request) -> bool:
        assert self.plan.applies is not None
        self.report.applied = self.plan.applies(r)
        return self.report.applied

    def _find_token(self, r: Request) -> str:
        self.report.token = self.plan.find_token(r)
        return self.report.token

    def _demand(self, demand: RequestDemand) -> RequestDemand:
        def check(r: Request, token: Verified) -> Denial | None:
            self.report.verified = token
            denial = demand.check(r, token)
            self.report.denials += ((demand, denial),)
            if denial is not None:
                self.report.refusal = denial.refusal
            return denial

        return demand._replace(check=check)

    def _accepted(self, r: Request, token: Verified) -> None:
        self.report.verified = token
        if self.plan.accepted is not None:
            self.plan.accepted(r, token)

    def _explain(self, r: Request, token: str, refusal: TokenRefusal) -> TokenRefusal:
        """The log may have another reason than the one that decided."""
        self.report.refusal = refusal
        assert self.plan.explain is not None
        return self.plan.explain(r, token, refusal)

    def _words(self, words: Words) -> Words:
        def note(refusal: TokenRefusal) -> LogLines:
            if self.report.refusal is None:
                self.report.refusal = refusal
            return words(refusal)

        return note
