"""Access checks other than tokens: addresses, passwords, rates."""

from __future__ import annotations

from ..conf.parse import Statement
from ..http.basic import credentials
from ..http.level import Level
from ..http.request import OK, Request, Status
from ..modules.access import AccessConf, limit_access
from ..modules.limit_conn import LimitConnZones
from ..modules.limit_req import LimitReqZones
from .lines import Result, shown, statements_of
from .trip import Trip, status_text

ZONES = {"limit_req": LimitReqZones, "limit_conn": LimitConnZones}
SHOWN_BY = {"access": ("deny", "allow")}


def report_limits(module: str, level: Level, r: Request, trip: Trip) -> None:
    """Adds the zones and keys of a limit; no request is counted."""
    zones = level.scope.shared(ZONES[module])
    for statement in level.set_by(module):
        words = [word.removeprefix("zone=") for word in statement.args]
        zone = next((zones.by_name[word] for word in words if word in zones.by_name), None)
        text = f"not counted here: {shown(' '.join(statement.args))}"
        if zone is not None:
            key = zone.key.bind(level.variables)(r)
            text += f', by {shown(zone.key.text)}, which is "{shown(key)}"'
        trip.add(Result.SKIPPED, module, text, statement)


def report_access(module: str, level: Level, r: Request, rc: Status | None, trip: Trip) -> None:
    """Adds the decision of a handler of the access phase."""
    who = f"client {r.connection.remote_addr}" if module == "access" else "user"
    logged = len(trip.log)
    rules = _rule(level, r, rc) if module == "access" else level.set_by(module)
    del trip.log[logged:]  # the handler itself has logged it
    if rc == OK:
        trip.add(Result.PASSED, module, f"{who} is allowed", *rules)
    elif rc is None:
        trip.add(Result.SKIPPED, module, f"no rule for {who}", *rules)
    else:
        why = f"{who} is refused"
        if module == "auth_basic" and credentials(r) is None:
            why = f'no user and password in "{_field(r)}"'
        line = trip.add(Result.FAILED, module, f"{why}: {status_text(rc)}", *rules)
        trip.refuse(line, rc)


def _field(r: Request) -> str:
    return "Proxy-Authorization" if r.method == "CONNECT" else "Authorization"


def _rule(level: Level, r: Request, rc: Status | None) -> list[Statement]:
    """The first "allow" or "deny" that matches the client; all of them if none does."""
    rules = [s for name in SHOWN_BY["access"] for s in level.set_by(name)]
    rules.sort(key=lambda s: (s.line, s.column))
    matching = [s for s in rules if _matches(s, level, r) and (s.name == "allow") == (rc == OK)]
    return matching or statements_of(level, *SHOWN_BY["access"])


def _matches(statement: Statement, level: Level, r: Request) -> bool:
    alone = AccessConf(level.scope, level)
    getattr(alone, statement.name)(*statement.args)
    handler = limit_access(alone, level)
    return handler is not None and handler(r) is not None
