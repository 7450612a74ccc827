"""Operations of the rewrite phase: they run in order, until one has an opinion or waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from .request import Handler, Request, Status
from .settle import settled

EXIT: Final = -100  # stop this list of operations; never leaves the rewrite phase
Answer = Awaitable[Status | None] | Status | None
Operation = Callable[[Request], Answer]


def in_order(operations: tuple[Operation, ...]) -> Handler:
    """The handler that stands in the phase."""

    def handle(r: Request) -> Answer:
        rc = run(iter(operations), r)
        if rc is None or isinstance(rc, int):
            return None if rc == EXIT else rc
        return _left(rc)

    return handle


def run(operations: Iterator[Operation], r: Request) -> Answer:
    for operation in operations:
        rc = operation(r)
        if rc is not None:
            return rc if isinstance(rc, int) else _go_on(rc, operations, r)
    return None


async def _go_on(
    waiting: Awaitable[Status | None], operations: Iterator[Operation], r: Request
) -> Status | None:
    rc = await waiting
    if rc is not None:
        return rc
    answer = run(operations, r)
    return answer if answer is None or isinstance(answer, int) else await answer


async def _left(waiting: Awaitable[Status | None]) -> Status | None:
    rc = await waiting
    return None if rc == EXIT else rc


def once_settled(
    operation: Operation, find_out: Handler = settled, *, while_keys_are_asked_for: bool = True
) -> Operation:
    """Nothing is known in the subrequest that asks for keys: a condition does not count there,
    as it would decide about the keys, not about the client."""

    def run_settled(r: Request) -> Answer:
        if r.asks_for_keys and r.location.settle is not None:
            return operation(r) if while_keys_are_asked_for else None
        rc = find_out(r)
        if rc is None:
            return operation(r)
        return rc if isinstance(rc, int) else _go_on(rc, iter((operation,)), r)

    return run_settled


def respond_with(status: Status, body: bytes) -> Operation:
    """Answers with what is always the same."""

    def respond(r: Request) -> Status:
        return r.respond(status, body)

    return respond
