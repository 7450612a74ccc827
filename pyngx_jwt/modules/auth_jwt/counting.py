"""Counts tokens, fetches of keys and hits of the memory of tokens for statistics, and says
whether keys are at hand.

Labels come from the configuration and from the reasons of refusals, never from a token.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...conf.scope import Scope
from ...core.logs import Logs
from ...core.readiness import Readiness
from ...core.worker import WorkerLife
from ...http.level import Level
from ...jwt import Reason, TokenMemory
from ...metrics import Row, Tallies
from ...metrics.kinds import KEY_FETCHES, KEYS, TOKEN_MEMORY, TOKENS
from ...metrics.tallies import Reported
from .dialect import dialect_of
from .key_file import KeyFile
from .key_request import KeyRequest
from .settings import JwtConf, jwt_settings
from .sources import Sources

ACCEPTED, REFUSED, UNAVAILABLE = "accepted", "refused", "unavailable"
LABEL = 200  # characters of the name of a source


class TokenCounts:
    """The outcomes of one dialect."""

    __slots__ = ("_accepted", "_dialect", "_rows", "_tallies")

    def __init__(self, tallies: Tallies, dialect: str) -> None:
        self._tallies, self._dialect = tallies, dialect
        self._accepted = tallies.row(TOKENS, dialect, ACCEPTED, "")
        self._rows: dict[tuple[str, Reason], Row] = {}

    def accepted(self) -> None:
        """A request passes."""
        self._accepted.add(0)

    def refused(self, reason: Reason) -> None:
        """A request does not pass for a reason that is the token's."""
        self._count(REFUSED, reason)

    def unavailable(self, reason: Reason) -> None:
        """A request cannot be decided about."""
        self._count(UNAVAILABLE, reason)

    def _count(self, outcome: str, reason: Reason) -> None:
        row = self._rows.get((outcome, reason))
        if row is None:
            row = self._tallies.row(TOKENS, self._dialect, outcome, reason.code)
            self._rows[outcome, reason] = row
        row.add(0)


@jwt_settings.counts
def count_tokens(conf: JwtConf, level: Level) -> None:
    """Has the gate of a location count; nothing is left to do once a request is over."""
    tallies = level.scope.shared(Tallies)
    if tallies.wanted:
        dialect = dialect_of(level.scope)
        gate = level[dialect.conf].gate
        if gate is not None and gate.counts is None:
            gate.counts = TokenCounts(tallies, dialect.name)


@jwt_settings.worker_starts
def follow_keys(scope: Scope, life: WorkerLife) -> None:
    """Reports fetches of keys, their age, and what the memory of tokens is good for."""
    tallies = scope.shared(Tallies)
    if not tallies.wanted:
        return
    memory, sources = scope.shared(TokenMemory), scope.shared(Sources)
    tallies.follow(tallies.row(TOKEN_MEMORY), lambda: (memory.hits, memory.misses))
    for request in sources.requests:
        name = request.name[:LABEL]
        tallies.follow(tallies.row(KEY_FETCHES, name), Fetched(request))
    tallies.reporters.append(lambda: _report_keys(sources, scope.shared(Logs)))


class Fetched:
    """The numbers of a request for keys, to be followed."""

    __slots__ = ("_request",)

    def __init__(self, request: KeyRequest) -> None:
        self._request = request

    def __call__(self) -> tuple[int, int, int]:
        request = self._request
        return request.fetches, request.failed_fetches, int(request.fetch_seconds * 1e6)


@jwt_settings.worker_starts
def watch_keys(scope: Scope, life: WorkerLife) -> None:
    """The server is ready if there are keys of all sources."""
    sources, logs = scope.shared(Sources), scope.shared(Logs)
    scope.shared(Readiness).add(lambda: _missing_keys(sources, logs))


def _missing_keys(sources: Sources, logs: Logs) -> Iterator[str]:
    _look_at_files(sources, logs)
    fetched: list[KeyFile | KeyRequest] = [*sources.files, *sources.requests]
    for source in fetched:
        if source.state is None and source.is_awaited:
            yield f"no keys of {source.place}"


def _look_at_files(sources: Sources, logs: Logs) -> None:
    """As requests do: a worker that is not ready does not get any."""
    now = time.time()
    for file in sources.files:
        file.look(now, logs.main.write)


def _report_keys(sources: Sources, logs: Logs) -> Iterator[Reported]:
    """The keys of each source as this worker has them; times are in milliseconds."""
    _look_at_files(sources, logs)
    for request in sources.requests:
        if (state := request.state) is not None:
            yield KEYS, (request.name[:LABEL],), _row(state)
    for file in sources.files:
        if (state := file.state) is not None:
            yield KEYS, (file.name[:LABEL],), _row(state)


def _row(state: tuple[int, float, float]) -> tuple[int, int, int]:
    keys, since, until = state
    return keys, int(since * 1000), int(min(until, 1e12) * 1000)
