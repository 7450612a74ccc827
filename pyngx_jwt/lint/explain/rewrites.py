"""The rewrite phase, directive by directive."""

from __future__ import annotations

from ...http.request import Status
from ...modules.rewrite import EXIT, RewriteConf
from ..place import Place
from .account import Account
from .request import Traced

NAMES = ("rewrite", "return", "set", "break", "if")


def run_rewrites(place: Place, r: Traced, account: Account) -> Status | None:
    """Runs the operations of a place one by one; a status if one of them ends the request."""
    builds = place[RewriteConf]._operations
    statements = place.given(*NAMES)
    for build, statement in zip(builds, statements, strict=False):
        uri, args, location, before = r.uri, r.args, r.location, dict(r.variables)
        rc = build(place.level.variables)(r)
        assert rc is None or isinstance(rc, int)  # nothing waits for keys here
        words = " ".join((statement.name, *statement.args))
        changed = _changes(r, uri, args, before)
        if r.location is not location:
            changed.insert(0, "the condition holds")
        elif statement.name == "if":
            changed.insert(0, "the condition does not hold")
        elif statement.name == "rewrite" and not changed and rc is None:
            changed.append("does not match")
        account.say(f"{words}: {', '.join(changed) or _end(rc)}", statement)
        if rc == EXIT:
            return None
        if rc is not None:
            return rc
    return None


def _changes(r: Traced, uri: str, args: str, before: dict[str, str]) -> list[str]:
    told = []
    if (r.uri, r.args) != (uri, args):
        told.append(f"{_whole(uri, args)} becomes {_whole(r.uri, r.args)}")
    for name, value in r.variables.items():
        if before.get(name) != value:
            told.append(f'${name} is "{value}"')
    return told


def _whole(uri: str, args: str) -> str:
    return f"{uri}?{args}" if args else uri


def _end(rc: Status | None) -> str:
    return "ends the phase" if rc == EXIT else "answers" if rc is not None else "done"
