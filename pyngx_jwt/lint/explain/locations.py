"""Which location serves a URI, and why the others lost."""

from __future__ import annotations

from ...conf.directive import LOCATION
from ...http.engine import find_location
from ...modules.core import CoreConf
from ..model import Configuration
from ..place import Place
from .account import Account
from .request import Traced


def choose_location(
    conf: Configuration, server: Place, r: Traced, account: Account
) -> tuple[Place, int | None]:
    """Asks the compiled tables; the place, and a status if the search ends the request."""
    status = find_location(r)
    place = conf.by_location[r.location]
    if place is server:
        account.say(f"no location takes {r.uri}: the server itself", server.statement)
        return place, status
    around = place if place.is_location else place.outer
    assert around is not None
    for inner in reversed([p for p in around.outward() if p.is_location]):
        account.say(f"{inner}: {_why(inner, r.uri)}", inner.statement)
        _tell_losers(inner, r, account)
    if place is not around:
        account.say(f"{place}: the method {r.method} is not excepted", place.statement)
    if status == 404:
        account.say(f"{around} is internal: clients get 404", around.find("internal"))
    if status == 301:
        account.say(f"redirects to {r.location_out}: the slash is missing", around.statement)
    if status == 413:
        account.say("the body is too large", around.find("client_max_body_size"))
    return place, status


def _why(place: Place, uri: str) -> str:
    core = place[CoreConf]
    if core._regex:
        return "the first expression that matches"
    if core._modifier == "=":
        return "equal to the URI"
    if core._modifier == "^~":
        return "the longest prefix, and ^~ keeps expressions out"
    if core.is_named:
        return "by its name"
    return "the longest prefix"


def _tell_losers(chosen: Place, r: Traced, account: Account) -> None:
    """Siblings that match, too, and have to stand back."""
    assert chosen.outer is not None
    passed = False
    for place in chosen.outer.inner(LOCATION):
        if place is chosen:
            passed = True
            continue
        reason = _reason(place, chosen, r, passed=passed)
        if reason:
            account.say(f"not {place}: {reason}", place.statement, 2)


def _reason(place: Place, chosen: Place, r: Traced, *, passed: bool) -> str:
    core, winner = place[CoreConf], chosen[CoreConf]
    if core.is_named:
        return ""
    if core._regex:
        if core._regex.search(r, r.uri) is None:
            return ""
        if winner._regex:
            return "it stands behind the one that matched" if passed else ""
        if winner._modifier == "=":
            return "expressions are not tried once a URI is equal"
        return "^~ keeps expressions out"
    if core._modifier == "=" or not r.uri.startswith(core._name):
        return ""
    if winner._regex:
        return "an expression wins over a prefix"
    return "a shorter prefix"
