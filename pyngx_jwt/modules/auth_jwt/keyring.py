"""The keys of a level: all its sources together, as a verifier by its policy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from ...conf.directive import SERVER
from ...http.level import Level
from ...http.request import Request
from ...jwt import KeySet, Memory, Policy, Verifier
from ...log import Level as LogLevel
from .conf import KeyName, TokenConf
from .sources import Failure, KeyFile, KeyRequest, Source, Sources

FindSource = Callable[[Request], Source]
TOLD = 1000  # sources that are kept of those whose names variables tell


class Keyring:
    """The verifier counts from `since` until `until` without another look at the sources.

    If it is `lenient`, sources that cannot be had are logged and left out; otherwise one of
    them is as bad as all."""

    __slots__ = (
        "_constant",
        "_find",
        "_lenient",
        "_memory",
        "_policy",
        "_sets",
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
        constant: bool = True,
        lenient: bool = False,
    ) -> None:
        self._policy, self._find = policy, tuple(sources)
        self._memory = level.scope.shared(Memory)
        self._constant, self._lenient = constant, lenient
        self._sets: tuple[KeySet, ...] = ()
        self.verifier = Verifier(policy, ())
        self.since = self.until = 0.0

    @property
    def policy(self) -> Policy:
        """What tokens are held against."""
        return self._policy

    @property
    def constant_sources(self) -> tuple[Source, ...]:
        """Where the keys come from, if that is the same for all requests; else nothing."""
        r = Request()
        return tuple(find(r) for find in self._find) if self._constant else ()

    def at_hand(self, r: Request, now: float) -> Verifier | Failure | None:
        """The verifier, or why there is none; None if keys have to be fetched."""
        sets: list[KeySet] = []
        until = math.inf
        for source in self.sources(r):
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

    async def fetched(self, r: Request, *, refresh: bool = False) -> Verifier | Failure:
        """As at_hand(), after fetching what is not, once for a request; with `refresh` what is,
        too, as far as it has not been fetched anew a moment ago."""
        sets: list[KeySet] = []
        for source in self.sources(r):
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

    def newer(self, r: Request, now: float) -> Verifier | Failure | None:
        """As at_hand(), after a look at all files."""
        for source in self.sources(r):
            if isinstance(source, KeyFile):
                source.look_again()
        return self.at_hand(r, now)

    def may_refresh(self, r: Request, now: float) -> bool:
        """Whether fetching anew may bring keys that are not known yet."""
        sources = self.sources(r)
        return not _asks_for_keys(r) and any(
            isinstance(s, KeyRequest) and s.may_refresh(now) for s in sources
        )

    @property
    def has_sources(self) -> bool:
        return bool(self._find)

    def lacks(self, verifier: Verifier) -> bool:
        """Whether it has the keys of some sources only."""
        return len(verifier.key_sets) < len(self._find)

    def sources(self, r: Request) -> list[Source]:
        """Where keys come from.  The same for all of a request: a subrequest for keys may change
        variables."""
        if self._constant:
            return [find(r) for find in self._find]
        found: list[Source] | None = r.contexts.get(self)
        if found is None:
            found = r.contexts[self] = [find(r) for find in self._find]
        return found

    def _take(self, r: Request, found: KeySet | Failure, sets: list[KeySet]) -> bool:
        """Adds the keys; False if that is the end of it."""
        if isinstance(found, KeySet):
            sets.append(found)
            return True
        if self._lenient and not found.fatal:
            if found not in r.contexts:
                r.contexts[found] = True
                r.log(LogLevel.ERR, f"auth_jwt: {found.sentence} ({found.text})")
            return True
        return False

    def _verifier(self, sets: list[KeySet]) -> Verifier:
        found = tuple(sets)
        if found != self._sets:  # compared by identity
            self._sets, self.verifier = found, Verifier(self._policy, found, self._memory)
            self.since = self.until = 0.0
        return self.verifier


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
    conf: TokenConf, level: Level, policy: Policy, *, cache: float = 0, lenient: bool = False
) -> Keyring | None:
    """The keys of the level's files and requests, files first; None if it has none."""
    found = sources_of(conf, level, cache)
    constant = all(n.text.is_constant for n in (*conf.key_files, *conf.key_requests))
    return Keyring(level, policy, found, constant=constant, lenient=lenient) if found else None


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
    tell, known = name.text.bind(level.variables), dict[str, Source]()

    def find(r: Request) -> Source:
        told = tell(r)
        source = known.get(told)
        if source is None:
            if len(known) >= TOLD:
                del known[next(iter(known))]
            source = known[told] = make(name, told)
        return source

    return find
