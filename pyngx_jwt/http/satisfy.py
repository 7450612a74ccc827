"""satisfy any: one permission is enough."""

from __future__ import annotations

from ..log import Severity
from .request import Handler, Request, Status
from .status import OK


def satisfy_any(handlers: tuple[Handler, ...]) -> Handler:
    """Of the refusals a challenge is told first; any other status ends the request at once."""

    async def handle(r: Request) -> Status | None:
        refusal: Status | None = None
        for handler in handlers:
            rc = handler(r)
            if rc is not None and not isinstance(rc, int):
                rc = await rc
            if rc == OK:
                r.clear_header("www-authenticate")
                r.clear_header("proxy-authenticate")
                return OK
            if rc not in (None, 401, 403, 407):
                return rc
            if rc and refusal not in (401, 407):
                refusal = rc
        if refusal == 403:
            r.log(Severity.ERR, "access forbidden by rule")
        return refusal

    return handle
