"""What variables such as claims tell before the access phase, which settles it: handlers that find
it out for what needs it earlier, or where that phase is not run."""

from __future__ import annotations

from collections.abc import Awaitable

from .request import Request, Status


def settled(r: Request) -> Awaitable[Status | None] | Status | None:
    """Finds it out; a status if the request must not go on without."""
    settle = r.location.settle
    return settle(r, True) if settle is not None else None


def noted(r: Request) -> Awaitable[Status | None] | Status | None:
    """Finds it out, if it can be."""
    settle = r.location.settle
    return settle(r, False) if settle is not None else None
