"""What an "if" block that follows another one keeps of it (ngx_http_update_location_config).

Both apply to the request, the configuration of the second one alone.  An upstream that the first
one has named is lost then, but not that there is to be one: the request fails, and the files that
there may be are not served instead.
"""

from __future__ import annotations

from ..log import Severity
from .contexts import LOCATION_IF
from .level import Level
from .request import Location, Request, Status

_LOST = "lost upstream"  # in r.contexts


def may_follow_another(level: Level) -> bool:
    """Whether the level is an "if" of a location that has several."""
    if not level.context & LOCATION_IF or level.outer is None:
        return False
    return len(level.outer.inner(LOCATION_IF)) > 1


def follow(r: Request, before: Location, now: Location, outer: Location) -> None:
    """The request comes from the location `before` to that of an "if" within `outer`.

    Without an upstream of its own, that has the one of `outer`, which is of no use to a protocol
    that another "if" has chosen before."""
    if before is outer or now.content_is_own:
        r.contexts.pop(_LOST, None)
    elif before.forwards and before.forwards != outer.forwards:
        r.contexts[_LOST] = True


def refuse_if_lost(r: Request) -> Status | None:
    """Stands before what a block without an upstream of its own has of the location."""
    if _LOST not in r.contexts:
        return None
    r.log(Severity.ALERT, "no upstream configuration")
    return 500
