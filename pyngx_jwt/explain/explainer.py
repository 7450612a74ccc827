"""Explains requests to a configuration."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from ..compile import load
from ..conf.hosts import NOWHERE, no_network
from ..conf.printed import PrintedFiles
from ..dns import NOT_FOUND, Addresses, Resolvers, Services
from ..http.request import Request, Status
from ..log import FileTarget, Log, OpenFile, Severity
from ..modules.auth_jwt import DialectChoice
from ..modules.auth_jwt.sources import Sources
from ..options import Options
from .carriers import BEARER, carrier_of, put_token
from .request import RequestSpec, RequestSpecError, make_request
from .trace import Trace
from .trip import Trip, final_status

ADMITTED, REFUSED, UNKNOWN = "admitted", "refused", "unknown"
_CONTROL = re.compile("[\0-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which the request may be handled: the facts, and the request with its response."""

    trip: Trip
    r: Request

    @property
    def status(self) -> Status | None:
        """The status that the client gets; None from an upstream or if it closes."""
        return final_status(self.r, self.trip)

    @property
    def body(self) -> bytes:
        """The body of a response that is made here, unless it is too long."""
        body: bytes = getattr(self.r.sink, "body", b"")
        return body

    @property
    def is_refused(self) -> bool:
        """Whether a check refuses the request, and no error page passes it to an upstream."""
        return self.trip.refused is not None and self.trip.upstream is None

    @property
    def end(self) -> tuple[bool, Status | None, bytes]:
        head = b"" if self.trip.upstream is None else self.trip.upstream.head
        return self.is_refused, self.status, head


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to report.

    `denied` is the outcome if what cannot be known offline turns out against the request, None
    where that makes no difference."""

    options: Options
    choice: DialectChoice
    spec: RequestSpec
    now: float
    way: Outcome
    denied: Outcome | None = None
    remarks: tuple[str, ...] = ()  # about the configuration
    knows_tokens: bool = True  # the configuration has directives about tokens

    @property
    def trip(self) -> Trip:
        return self.way.trip

    @property
    def r(self) -> Request:
        return self.way.r

    @property
    def verdict(self) -> str:
        if self.way.is_refused:
            return REFUSED
        return ADMITTED if self.denied is None else UNKNOWN


class _ImpatientLoop(asyncio.SelectorEventLoop):
    """A loop whose timers, such as that of "auth_delay", expire at once."""

    def call_at(  # type: ignore[override]
        self, when: float, *args: Any, **more: Any
    ) -> asyncio.TimerHandle:
        return super().call_at(self.time(), *args, **more)


class _Nowhere:
    """Resolves every name, to an address that no host has."""

    async def resolve(self, name: str, timeout: float) -> Addresses:
        return Addresses((NOWHERE,), 0)

    async def resolve_service(self, host: str, service: str, timeout: float) -> Services:
        return Services((), 0, error=NOT_FOUND)


class Explainer:
    """Explains requests to a configuration; raises ConfError if that cannot be loaded.

    `now` is the time of the request, and `keys` the response to key requests.  With `files`, all
    configuration files come from a dump, perhaps of another machine: then `keys` also stand for
    key files that this machine does not have."""

    def __init__(
        self,
        options: Options,
        now: float,
        keys: bytes | None = None,
        files: PrintedFiles | None = None,
    ) -> None:
        self._trace = Trace(is_elsewhere=files is not None)
        with no_network(any_name=True):
            log = Log(FileTarget(OpenFile(""), Severity.ERR))
            sources = Sources()
            sources.sets.lacks_files = files is not None
            self._cycle = load(
                options,
                log,
                things=[sources, Resolvers(_Nowhere())],
                watch=self._trace,
                files=files,
            )
        self._trace.prepare(self._cycle, now, keys)
        self._options, self._now = options, now

    def explain(self, spec: RequestSpec, token: str) -> Explanation:
        """Follows a request; raises RequestSpecError, and KeySetError for invalid keys.

        The token is put where the location that serves the request looks for it."""
        if _CONTROL.search(token):
            raise RequestSpecError("the token contains a line break or another control character")
        request = put_token(spec, token, BEARER)
        way = self._go(request, token, grants=True)
        if way.trip.gated is not None:
            again = put_token(spec, token, carrier_of(way.trip.gated))
            if again != request:
                request, way = again, self._go(again, token, grants=True)
        denied = self._go(request, token, grants=False) if way.trip.questions else None
        if denied is not None and denied.end == way.end:
            denied = None
        choice: DialectChoice = self._cycle.scope.things[DialectChoice]
        remarks = tuple(self._trace.remarks)
        return Explanation(
            self._options,
            choice,
            spec,
            self._now,
            way,
            denied,
            remarks,
            self._trace.knows_tokens,
        )

    def _go(self, spec: RequestSpec, token: str, *, grants: bool) -> Outcome:
        arrival = make_request(self._cycle, spec)
        self._trace.grants = grants
        with no_network(any_name=True), asyncio.Runner(loop_factory=_ImpatientLoop) as runner:
            return Outcome(runner.run(self._trace.go(arrival, token)), arrival.r)
