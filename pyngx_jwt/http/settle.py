"""The values of variables such as claims, which the access phase settles: handlers that find them
for what needs them earlier, or where that phase is not run."""

from __future__ import annotations

from collections.abc import Awaitable

from .request import Request, Status


def settled(r: Request) -> Awaitable[Status | None] | Status | None:
    """Finds the values; a status if the request must not go on without them."""
    settle = r.location.settle
    return settle(r, True) if settle is not None else None


def noted(r: Request) -> Awaitable[Status | None] | Status | None:
    """Finds it out, if it can be."""
    settle = r.location.settle
    return settle(r, False) if settle is not None else None
