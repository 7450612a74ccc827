"""Fetches keys before a request needs them, and again before they are too old.

A worker does so by requests of no client, at the server whose configuration names the keys.  The
first worker begins at once, the others find on the shelf what it has fetched.
"""

from __future__ import annotations

import asyncio
import random

from ...conf.scope import Scope
from ...core.readiness import Readiness
from ...core.worker import WorkerLife
from ...gateway.checks import NoClient
from ...gateway.health import CheckRequest
from ...http.engine import log_failure
from ...http.head import new_head
from ...http.ports import Built
from ...http.request import Request, Server
from ...http.subrequest import Kept
from ...zones import Zones
from .key_request import KeyRequest, retry_delay
from .settings import JwtConf, jwt_settings
from .shelf import ZONE, ZONE_SIZE, ZONE_TAG
from .sources import Sources

JITTER = 0.1  # of a pause
LATER = 0.5  # seconds until workers other than the first begin, at most


@jwt_settings.after_read
def prepare(scope: Scope) -> None:
    """Declares the zone if keys are fetched."""
    sources = scope.shared(Sources)
    for number, (level, _) in enumerate(scope.shared(Built).servers):
        for request in sources.servers.get(id(level), ()):
            if not request.is_bound:
                request.server = number
            sources.shelf.store = scope.shared(Zones).add(ZONE, ZONE_SIZE, ZONE_TAG).dictionary()


@jwt_settings.worker_starts
def begin(scope: Scope, life: WorkerLife) -> None:
    sources, wanted = scope.shared(Sources), scope.shared(Readiness).wanted
    for level, server in scope.shared(Built).servers:
        mine = sources.servers.get(id(level), ())
        early = wanted or level[JwtConf].pyngx_jwt_prefetch
        for request in (one for one in mine if early or one.is_bound):
            life.until_quit(keep_fetched(request, server, life.number))


async def keep_fetched(request: KeyRequest, server: Server, number: int) -> None:
    """Fetches keys again and again, until cancelled, or until it turns out that not all requests
    share them."""
    if number:
        await asyncio.sleep(random.uniform(0, LATER))
    failures = 0
    while True:
        r = _request(server)
        try:
            await request.fetch_early(r)
        except Exception as error:
            log_failure(r, error)
        if request.is_shared is False:
            return
        state = request.state
        failures = 0 if state is not None and not request.is_failing else failures + 1
        if failures:
            await asyncio.sleep(retry_delay(failures))
        else:
            pause = request.pause
            await asyncio.sleep(random.uniform((1 - JITTER) * pause, pause))


def _request(server: Server) -> Request:
    head = new_head(0, "")
    head.method, head.http_version = "GET", 1001
    return CheckRequest(head, NoClient(), Kept(0), server)
