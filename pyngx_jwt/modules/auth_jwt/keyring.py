"""The keys of a level: all its sources together, as a verifier by its policy."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable

from ...errors import ConfError
from ...http.level import Level
from ...http.request import Request
from ...http.subrequest import no_request
from ...jwt import (
    KeySet,
    Reason,
    Token,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verifier,
    prepare,
    read,
)
from ...log import Severity
from .blocks import opened_at, place_of
from .contexts import LACKING, choosing_keys
from .key_file import KeyFile
from .key_request import KeyRequest
from .key_sets import Failure, KeyName
from .settings import JwtConf
from .sources import FixedKeys, Source

FindSource = Callable[[Request], Source]
VERIFIERS = 64  # that are kept where variables choose the keys
VARIABLE_SOURCES = 1000  # sources that are kept of those with variables in their names
ATTRIBUTES = (
    "_bindings",
    "_bound",
    "_constant",
    "_find",
    "_lenient",
    "_memory",
    "_policy",
    "_reads",
    "_sets",
    "_verifiers",
    "since",
    "until",
    "verifier",
)  # of a keyring


class Keyring:
    """The verifier counts from `since` until `until` without another look at the sources.

    If it is `lenient`, sources that cannot be had are logged and left out; otherwise one of
    them is as bad as all.  If it `reads` tokens, what they say of themselves can choose the
    sources: then a token is held against those that it has chosen, and no others."""

    __slots__ = ATTRIBUTES

    def __init__(
        self,
        level: Level,
        policy: TokenPolicy,
        sources: Iterable[FindSource],
        *,
        reads: bool = False,
        lenient: bool = False,
    ) -> None:
        prepare()
        self._policy, self._find = policy, tuple(sources)
        self._memory = level.scope.shared(TokenMemory)
        self._constant = not any(isinstance(find, VariableSource) for find in self._find)
        self._reads, self._lenient = reads, lenient
        self._bindings = level[JwtConf].key_issuers
        self._bound: dict[tuple[KeySet, frozenset[str]], KeySet] = {}
        self._check_bindings(level)
        self._sets: tuple[KeySet, ...] = ()
        self._verifiers: dict[tuple[KeySet, ...], Verifier] = {}
        self.verifier = Verifier(policy, ())
        self.since = self.until = 0.0

    @property
    def policy(self) -> TokenPolicy:
        """What tokens are held against."""
        return self._policy

    @property
    def constant_sources(self) -> tuple[Source, ...]:
        """Where the keys come from, if that is the same for all requests; else nothing."""
        r = no_request()
        return tuple(find(r) for find in self._find) if self._constant else ()

    def at_hand(self, r: Request, token: str, now: float) -> Verifier | Failure | None:
        """The verifier, or why there is none; None if keys have to be fetched."""
        sets: list[KeySet] = []
        until = math.inf
        r.contexts.pop(LACKING, None)
        for source in self.sources(r, token):
            keys = _at_hand(r, source, now)
            if not isinstance(keys, KeySet) and not self._concerns(source, token):
                continue
            if keys is None:
                return None
            if not self._take(r, source, keys, sets):
                assert isinstance(keys, Failure)
                return keys
            until = min(until, source.until)
        verifier = self._verifier(sets)
        if self._constant and len(sets) == len(self._find):
            self.since, self.until = now, until
        return verifier

    async def fetched(
        self, r: Request, token: str, refresh: TokenRefusal | None = None
    ) -> Verifier | Failure:
        """As at_hand(), after fetching keys that are not, once for a request.  With `refresh`, a
        refusal for which there may be newer keys, all are fetched that have not been fetched a
        moment ago."""
        sets: list[KeySet] = []
        r.contexts.pop(LACKING, None)
        for source in self.sources(r, token):
            now = time.time()
            keys = _at_hand(r, source, now)
            if source.is_bound and not self._concerns(source, token):
                if isinstance(keys, KeySet):
                    sets.append(keys)
                continue
            if isinstance(source, KeyRequest):
                by_kid = _names_kid(refresh)
                refreshes = refresh is not None and source.may_refresh(now, by_kid=by_kid)
                if (refreshes or keys is None) and _asks_for_keys(r):
                    return _cycle(source)
                if refreshes:
                    keys = await source.refresh(r, by_kid=by_kid)
                elif keys is None:
                    keys = await source.fetch(r)
                if isinstance(keys, KeySet) or refresh is None:
                    r.contexts[source.key] = keys
            assert keys is not None
            if not self._take(r, source, keys, sets):
                assert isinstance(keys, Failure)
                return keys
        return self._verifier(sets)

    def newer(self, r: Request, token: str, now: float) -> Verifier | Failure | None:
        """As at_hand(), after a look at all files."""
        for source in self.sources(r, token):
            if isinstance(source, KeyFile):
                source.look_again()
        return self.at_hand(r, token, now)

    def may_refresh(self, r: Request, token: str, now: float, refusal: TokenRefusal) -> bool:
        """Whether fetching again may bring keys for which the token is not refused."""
        sources, by_kid = self.sources(r, token), _names_kid(refusal)
        return not _asks_for_keys(r) and any(
            isinstance(s, KeyRequest)
            and s.may_refresh(now, by_kid=by_kid)
            and self._concerns(s, token)
            for s in sources
        )

    @property
    def has_sources(self) -> bool:
        return bool(self._find)

    def lacks(self, verifier: Verifier) -> bool:
        """Whether it has the keys of some sources only."""
        return len(verifier.key_sets) < len(self._find)

    def sources(self, r: Request, token: str) -> list[Source]:
        """Where the keys for a token come from.  The same for all of a request: a subrequest for
        keys may change variables."""
        if self._constant:
            return [find(r) for find in self._find]
        chosen: tuple[str, list[Source]] | None = r.contexts.get(self)
        if chosen is None or chosen[0] != token:
            chosen = r.contexts[self] = token, self._choose(r, token)
        return chosen[1]

    def _choose(self, r: Request, token: str) -> list[Source]:
        """None for a token that chooses and cannot be read, or says what cannot be meant: it
        will be refused without them."""
        unverified = self._read(token) if self._reads else None
        if isinstance(unverified, TokenRefusal):
            return []
        try:
            with choosing_keys(r, unverified):
                return [find(r) for find in self._find]
        except UnfitName as error:
            r.log(Severity.WARN, f"auth_jwt: {error}")
            return []

    def _read(self, token: str) -> Token | TokenRefusal:
        return read(token, self._policy.limits, padded=self._policy.padded)

    def _concerns(self, source: Source, token: str) -> bool:
        """Whether the keys could verify the token, as far as it says itself who has issued it."""
        if not source.is_bound:
            return True
        unverified = self._read(token)
        if isinstance(unverified, TokenRefusal):
            return False
        assert isinstance(source, KeyRequest)
        return source.concerns(unverified.claims.get("iss"))

    def _take(self, r: Request, source: Source, keys: KeySet | Failure, sets: list[KeySet]) -> bool:
        """Adds the keys; False if that is the end of it."""
        if isinstance(keys, KeySet):
            bind = self._bindings and not source.is_bound
            sets.append(self._bind(r, source, keys) if bind else keys)
            return True
        if isinstance(source, KeyRequest) and not keys.withdraws:
            r.contexts[LACKING] = keys
        if self._lenient and not (keys.fatal or keys.unavailable):
            if keys not in r.contexts:
                r.contexts[keys] = True
                r.log(Severity.ERR, f"auth_jwt: {keys.sentence} ({keys.text})")
            return True
        return False

    def _bind(self, r: Request, source: Source, key_set: KeySet) -> KeySet:
        """The keys, for tokens of their issuers only; if these are not known, for none."""
        issuers = self._issuers_of(source)
        if not issuers:
            r.log(Severity.ERR, f"auth_jwt: {source.place} has no pyngx_jwt_key_issuer")
        bound = self._bound.get((key_set, issuers))
        if bound is None:
            bound = key_set.bound_to(issuers)
            if len(self._bound) >= VERIFIERS:
                del self._bound[next(iter(self._bound))]
            self._bound[key_set, issuers] = bound
        return bound

    def _issuers_of(self, source: Source) -> frozenset[str]:
        lists = [one.issuers for one in self._bindings if source.name in one.names]
        return frozenset().union(*lists)

    def _check_bindings(self, level: Level) -> None:
        """A name with a mistake in it must not leave keys unbound."""
        for source in self.constant_sources if self._bindings else ():
            if not source.is_bound and not self._issuers_of(source):
                text = f'{source.place} has no "pyngx_jwt_key_issuer" in {place_of(level)}'
                raise ConfError(f"{text}, and others have").at(*opened_at(level))

    def _verifier(self, sets: list[KeySet]) -> Verifier:
        key_sets = tuple(sets)
        if key_sets != self._sets:  # compared by identity
            self._sets, self.verifier = key_sets, self._known(key_sets)
            self.since = self.until = 0.0
        return self.verifier

    def _known(self, sets: tuple[KeySet, ...]) -> Verifier:
        """Requests that choose their keys take turns with a few sets."""
        verifier = self._verifiers.pop(sets, None) or Verifier(self._policy, sets, self._memory)
        if len(self._verifiers) >= (1 if self._constant else VERIFIERS):
            del self._verifiers[next(iter(self._verifiers))]
        self._verifiers[sets] = verifier  # the latest stands last
        return verifier


def _at_hand(r: Request, source: Source, now: float) -> KeySet | Failure | None:
    keys = source.current(r, now)
    if keys is None and isinstance(source, KeyRequest):
        keys = r.contexts.get(source.key)
    return keys


def _names_kid(refusal: TokenRefusal | None) -> bool:
    return refusal is not None and refusal.reason is Reason.UNKNOWN_KID


def _cycle(source: KeyRequest) -> Failure:
    uri, form = source.key
    text = f"{source.place} is asked for while keys are: cycle"
    return Failure(text, f'failed to load {form}: "{uri}"', fatal=True)


def _asks_for_keys(r: Request) -> bool:
    """Whether a token waits for what the request comes to."""
    at: Request | None = r
    while at is not None and not at.asks_for_keys:
        at = at.parent
    return at is not None


class UnfitName(Exception):
    """A token that chooses keys says what is no part of a name."""


class VariableSource:
    """Finds a source with variables in its name; those used last are kept.

    Those that have had keys are kept apart: clients that make up names, as many as they like, must
    not have these forgotten, and with them the keys that outlast an issuer that is down."""

    __slots__ = ("_known", "_make", "_name", "_of_token", "_proven", "_tell")

    def __init__(self, name: KeyName, level: Level, make: Callable[[KeyName, str], Source]) -> None:
        self._name, self._make = name, make
        self._tell = name.text.bind(level.variables)
        self._of_token = [
            (variable, level.variables.resolve(variable))
            for variable in name.text.names
            if variable.startswith("jwt_")
        ]
        self._known: dict[str, Source] = {}
        self._proven: dict[str, Source] = {}

    def __call__(self, r: Request) -> Source:
        for name, get in self._of_token:
            if _UNFIT.search(get(r) or ""):
                raise UnfitName(f'"${name}" of the token is no part of "{self._name.text.text}"')
        text = self._tell(r)
        source = self._proven.pop(text, None) or self._known.pop(text, None)
        if source is None:
            source = self._make(self._name, text)
        has_keys = not isinstance(source, FixedKeys) and source.state is not None
        kept = self._proven if has_keys else self._known
        if len(kept) >= VARIABLE_SOURCES:
            del kept[next(iter(kept))]
        kept[text] = source  # the latest stands last
        return source


# Values that lead out of a directory, or end the name: any client can make up a token.
_UNFIT = re.compile(r"(?:^|/)\.\.(?:/|\Z)|[?#]")
