"""Which location serves a URI, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator

from ..http.contexts import LIMIT_EXCEPT, LOCATION, LOCATION_IF, SERVER
from ..http.level import Level
from ..http.request import Request
from ..modules.core import CoreConf
from .lines import Result
from .trip import Trip, location_text


def report_location(level: Level, r: Request, trip: Trip) -> None:
    """Adds the location that the request has come to."""
    if level.context & SERVER:
        trip.add(Result.NOTE, "location", "the server itself, no location", level.statement)
        return
    trip.add(Result.NOTE, "location", location_text(level), level.statement)
    if level.context & LIMIT_EXCEPT:
        trip.add(Result.NOTE, "", f"the method {r.method} is not excepted", level.statement)
    for inner in _chain(level):
        around = "" if inner is level else f"in {location_text(inner)}: "
        trip.add(Result.NOTE, "", f"{around}{_why(inner)}", inner.statement)
        _report_losers(inner, r, trip)


def _chain(level: Level) -> list[Level]:
    """The location and those around it, from the outside in."""
    chain, at = list[Level](), level if level.context & LOCATION else level.outer
    while at is not None and at.context & (LOCATION | LOCATION_IF):
        if at.context & LOCATION:
            chain.insert(0, at)
        at = at.outer
    return chain


def _why(level: Level) -> str:
    core = level[CoreConf]
    if core.regex:
        return "the first regular expression that matches"
    if core.is_named:
        return "by its name"
    if core.modifier == "=":
        return "equal to the URI"
    if core.modifier == "^~":
        return "the longest prefix, and ^~ rules out regular expressions"
    return "the longest prefix"


def _report_losers(chosen: Level, r: Request, trip: Trip) -> None:
    """Siblings that match, too."""
    if chosen[CoreConf].is_named:
        return
    for level, reason in _losers(chosen, r):
        trip.add(Result.NOTE, "", f"not {location_text(level)}: {reason}", level.statement)


def _losers(chosen: Level, r: Request) -> Iterator[tuple[Level, str]]:
    assert chosen.outer is not None
    passed = False
    for level in chosen.outer.inner(LOCATION):
        if level is chosen:
            passed = True
        elif reason := _reason(level[CoreConf], chosen[CoreConf], r, passed=passed):
            yield level, reason


def _reason(core: CoreConf, winner: CoreConf, r: Request, *, passed: bool) -> str:
    if core.is_named:
        return ""
    if core.regex:
        if core.regex.search(r, r.uri) is None:
            return ""
        if winner.regex:
            return "it stands behind the one that matched" if passed else ""
        if winner.modifier == "=":
            return "regular expressions are not tried once a URI is equal"
        return "^~ rules out regular expressions"
    if core.modifier == "=" or not r.uri.startswith(core.name):
        return ""
    if winner.regex:
        return "a regular expression wins over a prefix"
    return "a shorter prefix"
