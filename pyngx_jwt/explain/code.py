"""Code in Lua: it is not run, and what it would do is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..http.level import Level
from ..http.module import Phase
from ..http.request import DONE, OK, Location, Request, Status
from ..modules.lua import BoundChunk, LuaChoice, LuaHandler, LuaHeaderFilter, Runners
from .lines import Result
from .trip import Trip

UNKNOWN_ANSWER = 200


def is_code(handler: object) -> bool:
    return isinstance(handler, LuaHandler | LuaChoice)


def leave_out_filters(location: Location) -> None:
    """Filters of responses in Lua are not run either."""
    location.header_filters = tuple(
        each for each in location.header_filters if not isinstance(each, LuaHeaderFilter)
    )


@dataclass(slots=True)
class NoChoice:
    """What code that is not run chooses of the servers of a group."""

    picked: str = ""
    more_tries: int = 0
    has_failed: bool = False
    exit_code: int | None = None


def leave_out_values(runners: Runners, ask: Callable[[str], None]) -> None:
    """A variable of "set_by_lua" is empty, and which server code chooses is a question."""

    def balance(r: Request, bound: BoundChunk, has_failed: bool) -> NoChoice:
        ask(f"the server that balancer_by_lua at {bound.chunk.place} chooses")
        return NoChoice()

    runners.set, runners.balance = lambda r, chunk, arguments: "", balance


def report_code(
    handler: Any, phase: int, level: Level, r: Request, trip: Trip, denial: Status | None
) -> Status | None:
    """Adds that code decides here: it lets the request pass, or `denial` is the assumed refusal.

    The content of a client's request is an answer."""
    chosen: LuaHandler | None = handler.choose(r)
    if chosen is None:
        return None
    place = f"{chosen.phase}_by_lua at {chosen.chunk.place}"
    statement = next(iter(level.set_by(chosen.chunk.directive)), None)
    if phase == Phase.CONTENT and r.parent is None:
        line = trip.add(Result.NOTE, "content", f"Lua answers here: {place}", statement)
        trip.answer(line, 0)
        r.status = r.status or UNKNOWN_ANSWER
        return DONE
    trip.questions.append(f"what {place} decides")
    line = trip.add(Result.UNKNOWN, "lua", f"Lua decides here: {place}", statement)
    if phase == Phase.CONTENT:  # of a subrequest, whose status is the decision
        r.status = denial or UNKNOWN_ANSWER
        return r.finish()
    if denial is not None:
        trip.refuse(line, denial)
        return denial
    return OK if phase == Phase.ACCESS else None
