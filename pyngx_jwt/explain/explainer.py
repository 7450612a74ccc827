"""Explains requests to a configuration."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from ..compile import load
from ..conf.hosts import no_network
from ..http.request import Request, Status
from ..log import FileTarget, Log, OpenFile, Severity
from ..modules.auth_jwt import Choice
from ..options import Options
from .places import BEARER, place_of_token, put_token
from .request import Ask, AskError, make_request
from .trace import Trace
from .trip import Trip, final_status

ADMITTED, REFUSED, UNKNOWN = "admitted", "refused", "unknown"
_CONTROL = re.compile("[\0-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Way:
    """One way the request may go: its story, and the request with its answer."""

    trip: Trip
    r: Request

    @property
    def status(self) -> Status | None:
        """What the client sees; None where the upstream says it, or the connection is closed."""
        return final_status(self.r, self.trip)

    @property
    def body(self) -> bytes:
        """What the answer that is made here says, if that is not too long."""
        body: bytes = getattr(self.r.sink, "body", b"")
        return body

    @property
    def is_refused(self) -> bool:
        """A check refuses the request, and no error page takes it to an upstream."""
        return self.trip.refused is not None and self.trip.upstream is None

    @property
    def end(self) -> tuple[bool, Status | None, bytes]:
        head = b"" if self.trip.upstream is None else self.trip.upstream.head
        return self.is_refused, self.status, head


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to report; `denied` is the way the request goes if what cannot be known
    here turns out against it, None where that makes no difference."""

    options: Options
    choice: Choice
    ask: Ask
    now: float
    way: Way
    denied: Way | None = None

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


class _Hasty(asyncio.SelectorEventLoop):
    """A loop in which nothing waits for its time, such as that of "auth_delay"."""

    def call_at(  # type: ignore[override]
        self, when: float, *args: Any, **more: Any
    ) -> asyncio.TimerHandle:
        return super().call_at(self.time(), *args, **more)


class Explainer:
    """Explains requests to a configuration; raises ConfError if that cannot be loaded.

    `now` is the time of the request, and `keys` the response to key requests."""

    def __init__(self, options: Options, now: float, keys: bytes | None = None) -> None:
        self._trace = Trace()
        with no_network(any_name=True):
            log = Log(FileTarget(OpenFile(""), Severity.ERR))
            self._cycle = load(options, log, watch=self._trace)
        self._trace.prepare(self._cycle, now, keys)
        self._options, self._now = options, now

    def explain(self, ask: Ask, token: str) -> Explanation:
        """Follows a request; raises AskError, and KeySetError for bad keys.

        The token is put where the location that the request comes to looks for it."""
        if _CONTROL.search(token):
            raise AskError("the token has a line break in it, or another control character")
        asked = put_token(ask, token, BEARER)
        way = self._go(asked, token, grants=True)
        if way.trip.gated is not None:
            again = put_token(ask, token, place_of_token(way.trip.gated))
            if again != asked:
                asked, way = again, self._go(again, token, grants=True)
        denied = self._go(asked, token, grants=False) if way.trip.questions else None
        if denied is not None and denied.end == way.end:
            denied = None
        choice: Choice = self._cycle.scope.things[Choice]
        return Explanation(self._options, choice, ask, self._now, way, denied)

    def _go(self, ask: Ask, token: str, *, grants: bool) -> Way:
        made = make_request(self._cycle, ask)
        self._trace.grants = grants
        with no_network(any_name=True), asyncio.Runner(loop_factory=_Hasty) as runner:
            return Way(runner.run(self._trace.go(made, token)), made.r)
