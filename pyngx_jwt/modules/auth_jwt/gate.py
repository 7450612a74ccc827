"""What guards a level: finds the token, has it verified, and holds it against demands."""

from __future__ import annotations

from collections.abc import Awaitable
from time import time

from ...http.level import Level
from ...http.request import OK, Request, Status
from ...jwt import Reason, Refusal, Token, Verified, Verifier, read
from ...log import Level as LogLevel
from .conf import KEY, AuthJwtConf, Switch
from .demands import compile_demands
from .keyring import Keyring
from .sources import Failure
from .wire import bearer, compile_realm, log_refusal

Answer = Awaitable[Status | None] | Status | None

NO_KEYS = "no auth_jwt_key_file or auth_jwt_key_request is configured"


class Gate:
    """The compiled auth_jwt of a level.  `handle` is a plain function as long as the keys are
    at hand, which they are but for the first request."""

    __slots__ = ("_demands", "_find_token", "_keyring", "_realm", "_switch")

    def __init__(self, conf: AuthJwtConf, switch: Switch, level: Level) -> None:
        self._switch = switch
        self._find_token = switch.token.bind(level.variables) if switch.token else bearer
        self._realm = compile_realm(switch, level)
        self._demands = compile_demands(conf, level)
        has_keys = conf.key_files or conf.key_requests
        self._keyring = Keyring(conf, level) if has_keys else None

    # -- the access phase ------------------------------------------------------------------

    def handle(self, r: Request) -> Answer:
        """Lets a request with a valid token pass."""
        token = self._find_token(r)
        keyring = self._keyring
        if not token:
            return self._refuse(r, "", 401, "no token")
        if keyring is None:
            return self._refuse(r, token, 401, NO_KEYS)
        now = time()
        if keyring.since <= now < keyring.until:
            return self._judge(r, token, keyring.verifier, now)
        verifier = keyring.at_hand(r, now)
        if verifier is None:
            return self._fetch(r, token, keyring)
        return self._judge(r, token, verifier, now)

    async def _fetch(self, r: Request, token: str, keyring: Keyring) -> Status | None:
        verifier = await keyring.fetched(r)
        answer = self._judge(r, token, verifier, time())
        return answer if answer is None or isinstance(answer, int) else await answer

    def _judge(self, r: Request, token: str, verifier: Verifier | Failure, now: float) -> Answer:
        if isinstance(verifier, Failure):
            r.log(LogLevel.ERR, f"auth_jwt: {verifier.text}")
            return 500
        outcome = verifier.verify(token, now)
        if type(outcome) is Verified:
            return self._accept(r, token, outcome)
        assert isinstance(outcome, Refusal)
        if outcome.reason is Reason.UNKNOWN_KID:
            return self._look_again(r, token, verifier, outcome)
        return self._refuse(r, token, 401, outcome.text)

    def _look_again(self, r: Request, token: str, verifier: Verifier, refusal: Refusal) -> Answer:
        """Perhaps the keys have changed: of an unknown kid nothing else can be told."""
        keyring, now = self._keyring, time()
        assert keyring is not None
        newer = keyring.newer(r, now)
        if isinstance(newer, Verifier) and newer is not verifier:
            outcome = newer.verify(token, now)
            if isinstance(outcome, Verified):
                return self._accept(r, token, outcome)
            refusal = outcome
        if refusal.reason is Reason.UNKNOWN_KID and keyring.may_refresh(r, now):
            return self._refresh(r, token, keyring, refusal)
        return self._refuse(r, token, 401, refusal.text)

    async def _refresh(
        self, r: Request, token: str, keyring: Keyring, refusal: Refusal
    ) -> Status | None:
        newer = await keyring.fetched(r, refresh=True)
        if isinstance(newer, Verifier):
            outcome = newer.verify(token, time())
            if isinstance(outcome, Verified):
                return self._accept(r, token, outcome)
            refusal = outcome
        return self._refuse(r, token, 401, refusal.text)

    def _accept(self, r: Request, token: str, verified: Verified) -> Status:
        r.contexts[KEY] = (r.location, verified)
        for demand in self._demands:
            refusal = demand(r, verified)
            if refusal is not None:
                return self._refuse(r, token, *refusal)
        return OK

    def _refuse(self, r: Request, token: str, status: Status, reason: str) -> Status:
        if status == 401:
            error = ', error="invalid_token"' if token else ""
            r.add_header("WWW-Authenticate", f'Bearer realm="{self._realm(r)}"{error}')
        r.contexts.setdefault(KEY, (r.location, None))
        log_refusal(r, token, reason)
        return status

    # -- without enforcement ---------------------------------------------------------------

    async def prepare(self, r: Request) -> None:
        """Fetches the keys with which the variables of a token are verified."""
        keyring = self._keyring
        if keyring is not None and self._find_token(r):
            found = await keyring.fetched(r)
            if isinstance(found, Failure):
                r.log(LogLevel.ERR, f"auth_jwt: {found.text}")

    def peek(self, r: Request) -> Verified | Token | None:
        """The token as far as variables may tell of it, without waiting for anything.

        Where nothing is enforced and no keys are configured it is not verified."""
        text = self._find_token(r)
        if not text:
            return None
        keyring = self._keyring
        if keyring is None:
            return None if self._switch.enforced else _kept(r, read(text))
        now = time()
        hot = keyring.since <= now < keyring.until
        verifier = keyring.verifier if hot else keyring.at_hand(r, now)
        if not isinstance(verifier, Verifier):
            return None
        return _kept(r, verifier.verify(text, now))


def _kept(r: Request, outcome: Verified | Token | Refusal) -> Verified | Token | None:
    found = None if isinstance(outcome, Refusal) else outcome
    r.contexts[KEY] = (r.location, found)
    return found
