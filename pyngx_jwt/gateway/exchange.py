"""One request at an upstream, at as many of its servers as it takes (ngx_http_upstream.c)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ..http.request import Request, Status
from ..upstream.errors import UpstreamError
from .attempts import LOCAL, NEXT_STATUS
from .response_side import Keeper, ResponseSide
from .route import Route
from .state import UpstreamState
from .target import Destination

STATUS_OF: Final = {"timeout": 504, LOCAL: 500}  # failures


class Exchange(ResponseSide):
    """The attempts, until one answers or none is left."""

    def __init__(
        self, route: Route, r: Request, destination: Destination, keeper: Keeper | None = None
    ) -> None:
        super().__init__(route, r, destination)
        self.keeper = keeper

    async def run(self) -> Status:
        """The request's status, once all of a response has been passed on; it closes itself."""
        r = self.r
        try:
            ready = self.prepare(validates=self.keeper is not None and self.keeper.validates)
            if not (ready if isinstance(ready, bool) else await ready):
                return 500
            if r.upstream_states:
                r.upstream_states.append(UpstreamState(""))  # between this and an earlier location
            else:
                r.upstream_states = []
            while True:
                response, failure = await self.attempt()
                if response is not None:
                    kind = f"http_{response.status}" if response.status in NEXT_STATUS else ""
                    if not kind or not self.wants_next(kind):
                        rc = self.respond(response)
                        return rc if isinstance(rc, int) else await rc
                    self.leave(failed=response.status not in (403, 404), final=False)
                elif not self.goes_on(failure):
                    return await self._give_up(STATUS_OF.get(failure, 502), failure)
        finally:
            self.close()

    def failed(self, error: UpstreamError) -> str:
        if self.keeper is not None and self.connection is not None and self.state.response is None:
            self.keeper.broken_off(self.connection.begun_head)
        return super().failed(error)

    async def _give_up(self, status: Status, failure: str) -> Status:
        """No server has answered."""
        if self.keeper is not None:
            return await self.keeper.give_up(self, status, failure)
        return status

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""
        if self.sender is not None:
            self.stop_sending(self.sender)
        if self.peer is not None:
            self.abandon()
        if self.spool is not None:
            self.spool.close()
        if self.keeper is not None:
            self.keeper.close()


class Gateway(Route):
    """A location's content handler."""

    new_keeper: Callable[[Request], Keeper] | None = None  # stores responses

    def admits(self, r: Request) -> Status:
        """0, or the status of a request that is not for this gateway."""
        return 0

    def new_exchange(self, r: Request, destination: Destination) -> Exchange:
        return Exchange(self, r, destination)

    def pass_on(self, r: Request) -> Awaitable[Status] | Status:
        """To the upstream, past any cache; what cannot be answered is a status."""
        if refused := self.admits(r):
            return refused
        r.ignore_abort = self.ignore_client_abort
        if r.cache_status is not None:
            r.forget_cache()
        destination = self.find(r)
        if isinstance(destination, Destination):
            return self._exchange_at(r, destination).run()
        return destination if isinstance(destination, int) else self._pass_on_to(r, destination)

    async def _pass_on_to(self, r: Request, found: Awaitable[Destination | Status]) -> Status:
        """The same where the address has to be found out."""
        destination = await found
        if isinstance(destination, int):
            return destination
        return await self._exchange_at(r, destination).run()

    def _exchange_at(self, r: Request, destination: Destination) -> Exchange:
        exchange = self.new_exchange(r, destination)
        if self.new_keeper is not None:
            exchange.keeper = self.new_keeper(r)
        return exchange
