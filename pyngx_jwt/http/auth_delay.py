"""auth_delay: refusals take their time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..log import Severity
from .request import Handler, Request, Status

REFUSALS = frozenset({401, 407})


def delayed(handler: Handler, seconds: float) -> Handler:
    """An access handler whose refusals are answered later (ngx_http_core_auth_delay)."""

    def handle(r: Request) -> Awaitable[Status | None] | Status | None:
        rc = handler(r)
        if rc in REFUSALS or not (rc is None or isinstance(rc, int)):
            return wait(r, rc)
        return rc

    async def wait(r: Request, rc: Awaitable[Status | None] | Status | None) -> Status | None:
        if rc is not None and not isinstance(rc, int):
            rc = await rc
        if rc in REFUSALS:
            r.log(Severity.INFO, "delaying unauthorized request")
            await asyncio.sleep(seconds)
        return rc

    return handle
