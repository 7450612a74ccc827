"""The keys of a level: all its sources together, as a verifier by its policy."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable

from ...http.contexts import SERVER
from ...http.level import Level
from ...http.request import Request
from ...http.subrequest import no_request
from ...jwt import KeySet, Memory, Policy, Refusal, Verifier, read
from ...log import Severity
from .conf import KeyName, TokenConf
from .sources import Failure, KeyFile, KeyRequest, Source, Sources
from .variables import choosing_keys

FindSource = Callable[[Request], Source]
VERIFIERS = 64  # that are kept where variables choose the keys
TOLD = 1000  # sources that are kept of those whose names variables tell


class Keyring:
    """The verifier counts from `since` until `until` without another look at the sources.

    If it is `lenient`, sources that cannot be had are logged and left out; otherwise one of
    them is as bad as all.  If it `reads` tokens, what they say of themselves can choose the
    sources: then a token is held against those that it has chosen, and no others."""

    __slots__ = (
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
    )

    def __init__(
        self,
        level: Level,
        policy: Policy,
        sources: Iterable[FindSource],
        *,
        reads: bool = False,
        lenient: bool = False,
    ) -> None:
        self._policy, self._find = policy, tuple(sources)
        self._memory = level.scope.shared(Memory)
        self._constant = not any(isinstance(find, _Told) for find in self._find)
        self._reads, self._lenient = reads, lenient
        self._sets: tuple[KeySet, ...] = ()
        self._verifiers: dict[tuple[KeySet, ...], Verifier] = {}
        self.verifier = Verifier(policy, ())
        self.since = self.until = 0.0

    @property
    def policy(self) -> Policy:
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
        for source in self.sources(r, token):
            found = _at_hand(r, source, now)
            if found is None:
                return None
            if not self._take(r, found, sets):
                assert isinstance(found, Failure)
                return found
            until = min(until, source.until)
        verifier = self._verifier(sets)
        if self._constant and len(sets) == len(self._find):
            self.since, self.until = now, until
        return verifier

    async def fetched(self, r: Request, token: str, *, refresh: bool = False) -> Verifier | Failure:
        """As at_hand(), after fetching what is not, once for a request; with `refresh` what is,
        too, as far as it has not been fetched anew a moment ago."""
        sets: list[KeySet] = []
        for source in self.sources(r, token):
            now = time.time()
            found = _at_hand(r, source, now)
            if isinstance(source, KeyRequest):
                refreshes = refresh and source.may_refresh(now)
                if (refreshes or found is None) and _asks_for_keys(r):
                    return _cycle(source)
                if refreshes:
                    found = await source.refresh(r)
                elif found is None:
                    found = await source.fetch(r)
                if isinstance(found, KeySet) or not refresh:
                    r.contexts[source.asked] = found
            assert found is not None
            if not self._take(r, found, sets):
                assert isinstance(found, Failure)
                return found
        return self._verifier(sets)

    def newer(self, r: Request, token: str, now: float) -> Verifier | Failure | None:
        """As at_hand(), after a look at all files."""
        for source in self.sources(r, token):
            if isinstance(source, KeyFile):
                source.look_again()
        return self.at_hand(r, token, now)

    def may_refresh(self, r: Request, token: str, now: float) -> bool:
        """Whether fetching anew may bring keys that are not known yet."""
        sources = self.sources(r, token)
        return not _asks_for_keys(r) and any(
            isinstance(s, KeyRequest) and s.may_refresh(now) for s in sources
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
        seen = read(token, self._policy.limits) if self._reads else None
        if isinstance(seen, Refusal):
            return []
        try:
            with choosing_keys(r, seen):
                return [find(r) for find in self._find]
        except UnfitName as error:
            r.log(Severity.WARN, f"auth_jwt: {error}")
            return []

    def _take(self, r: Request, found: KeySet | Failure, sets: list[KeySet]) -> bool:
        """Adds the keys; False if that is the end of it."""
        if isinstance(found, KeySet):
            sets.append(found)
            return True
        if self._lenient and not found.fatal:
            if found not in r.contexts:
                r.contexts[found] = True
                r.log(Severity.ERR, f"auth_jwt: {found.sentence} ({found.text})")
            return True
        return False

    def _verifier(self, sets: list[KeySet]) -> Verifier:
        found = tuple(sets)
        if found != self._sets:  # compared by identity
            self._sets, self.verifier = found, self._known(found)
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
    found = source.current(r, now)
    if found is None and isinstance(source, KeyRequest):
        found = r.contexts.get(source.asked)
    return found


def _cycle(source: KeyRequest) -> Failure:
    uri, form = source.asked
    text = f"{source.place} is asked for while keys are: cycle"
    return Failure(text, f'failed to load {form}: "{uri}"', fatal=True)


def _asks_for_keys(r: Request) -> bool:
    """Whether a token waits for what the request comes to."""
    at: Request | None = r
    while at is not None and not at.asks_for_keys:
        at = at.parent
    return at is not None


def keyring_of(
    conf: TokenConf,
    level: Level,
    policy: Policy,
    *,
    cache: float = 0,
    reads: bool = False,
    lenient: bool = False,
) -> Keyring | None:
    """The keys of the level's files and requests, files first; None if it has none."""
    found = sources_of(conf, level, cache)
    return Keyring(level, policy, found, reads=reads, lenient=lenient) if found else None


def sources_of(conf: TokenConf, level: Level, cache: float = 0) -> tuple[FindSource, ...]:
    """The level's files and requests."""
    sources, full = level.scope.shared(Sources), level.scope.conf_name
    server = level
    while server.context is not SERVER and server.outer is not None:
        server = server.outer

    def file(name: KeyName, told: str) -> Source:
        if name.text.is_constant:
            return sources.file(full(told), name.form)
        return KeyFile(full(told), sources.sets, name.form)

    def location(name: KeyName, told: str) -> Source:
        if name.text.is_constant:
            return sources.request(id(server), told, cache, name.form)
        return KeyRequest(told, 0, sources.sets, name.form)

    return (
        *(_finder(name, level, file) for name in conf.key_files),
        *(_finder(name, level, location) for name in conf.key_requests),
    )


def _finder(name: KeyName, level: Level, make: Callable[[KeyName, str], Source]) -> FindSource:
    if name.text.is_constant:
        source = make(name, name.text.text)
        return lambda r: source
    return _Told(name, level, make)


class UnfitName(Exception):
    """A token that chooses keys says what is no part of a name."""


class _Told:
    """Finds a source whose name variables tell; those used last are kept."""

    __slots__ = ("_known", "_make", "_name", "_of_token", "_tell")

    def __init__(self, name: KeyName, level: Level, make: Callable[[KeyName, str], Source]) -> None:
        self._name, self._make = name, make
        self._tell = name.text.bind(level.variables)
        self._of_token = [
            (told, level.variables.resolve(told))
            for told in name.text.names
            if told.startswith("jwt_")
        ]
        self._known: dict[str, Source] = {}

    def __call__(self, r: Request) -> Source:
        for name, get in self._of_token:
            if _UNFIT.search(get(r) or ""):
                raise UnfitName(f'"${name}" of the token is no part of "{self._name.text.text}"')
        told, known = self._tell(r), self._known
        source = known.pop(told, None)
        if source is None:
            if len(known) >= TOLD:
                del known[next(iter(known))]
            source = self._make(self._name, told)
        known[told] = source  # the latest stands last
        return source


# What leads out of a folder, or ends the name: anybody can make up a token.
_UNFIT = re.compile(r"(?:^|/)\.\.(?:/|\Z)|[?#]")
