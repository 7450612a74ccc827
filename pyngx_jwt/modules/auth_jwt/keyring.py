"""The keys of a level: all its sources together, as a verifier by its policy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ...conf.directive import SERVER
from ...http.level import Level
from ...http.request import Request
from ...http.template import Template
from ...jwt import KeySet, Memory, Policy, Verifier
from .conf import AuthJwtConf
from .sources import Failure, KeyFile, KeyRequest, Source, Sources

FindSource = Callable[[Request], Source]
TOLD = 1000  # sources that are kept of those whose names variables tell


class Keyring:
    """The verifier counts from `since` until `until` without another look at the sources."""

    __slots__ = ("_constant", "_find", "_memory", "_policy", "_sets", "since", "until", "verifier")

    def __init__(self, conf: AuthJwtConf, level: Level) -> None:
        self._policy = policy_of(conf)
        self._memory = level.scope.shared(Memory)
        self._find = compile_sources(conf, level)
        self._constant = all(t.is_constant for t in (*conf.key_files, *conf.key_requests))
        self._sets: tuple[KeySet, ...] = ()
        self.verifier = Verifier(self._policy, ())
        self.since = self.until = 0.0

    def at_hand(self, r: Request, now: float) -> Verifier | Failure | None:
        """The verifier, or why there is none; None if keys have to be fetched."""
        sets: list[KeySet] = []
        until = math.inf
        for find in self._find:
            source = find(r)
            found = source.current(r, now)
            if not isinstance(found, KeySet):
                return found
            sets.append(found)
            until = min(until, source.until)
        verifier = self._verifier(sets)
        if self._constant:
            self.since, self.until = now, until
        return verifier

    async def fetched(self, r: Request, *, refresh: bool = False) -> Verifier | Failure:
        """As at_hand(), after fetching what is not; with `refresh` what is, too, as far as it
        has not been fetched anew a moment ago."""
        sets: list[KeySet] = []
        for find in self._find:
            source, now = find(r), time.time()
            found = source.current(r, now)
            if isinstance(source, KeyRequest):
                if refresh and source.may_refresh(now):
                    found = await source.refresh(r)
                elif found is None:
                    found = await source.fetch(r)
            assert found is not None
            if isinstance(found, Failure):
                return found
            sets.append(found)
        return self._verifier(sets)

    def newer(self, r: Request, now: float) -> Verifier | Failure | None:
        """As at_hand(), after a look at all files."""
        for find in self._find:
            source = find(r)
            if isinstance(source, KeyFile):
                source.look_again()
        return self.at_hand(r, now)

    def may_refresh(self, r: Request, now: float) -> bool:
        """Whether fetching anew may bring keys that are not known yet."""
        sources = [find(r) for find in self._find]
        return any(isinstance(s, KeyRequest) and s.may_refresh(now) for s in sources)

    def _verifier(self, sets: list[KeySet]) -> Verifier:
        found = tuple(sets)
        if found != self._sets:  # compared by identity
            self._sets, self.verifier = found, Verifier(self._policy, found, self._memory)
            self.since = self.until = 0.0
        return self.verifier


def policy_of(conf: AuthJwtConf) -> Policy:
    """What a level demands of a token apart from what variables tell."""
    return Policy(
        algorithms=conf.algorithms,
        leeway=conf.auth_jwt_leeway,
        claims=tuple(demand.constant for demand in conf.claims if demand.constant is not None),
    )


def compile_sources(conf: AuthJwtConf, level: Level) -> tuple[FindSource, ...]:
    """Functions from a request to a source, files first."""
    sources, full = level.scope.shared(Sources), level.scope.conf_name
    server = level
    while server.context is not SERVER and server.outer is not None:
        server = server.outer
    cache = conf.auth_jwt_key_cache

    def file(path: str, constant: bool) -> Source:
        return sources.file(full(path)) if constant else KeyFile(full(path), sources.sets)

    def location(uri: str, constant: bool) -> Source:
        if constant:
            return sources.request(id(server), uri, cache)
        return KeyRequest(uri, 0, sources.sets)

    return (
        *(_finder(path, level, file) for path in conf.key_files),
        *(_finder(uri, level, location) for uri in conf.key_requests),
    )


def _finder(text: Template, level: Level, make: Callable[[str, bool], Source]) -> FindSource:
    if text.is_constant:
        source = make(text.text, True)
        return lambda r: source
    name, known = text.bind(level.variables), dict[str, Source]()

    def find(r: Request) -> Source:
        told = name(r)
        source = known.get(told)
        if source is None:
            if len(known) >= TOLD:
                del known[next(iter(known))]
            source = known[told] = make(told, False)
        return source

    return find
