"""The checks that a request has to pass, in the order in which they are run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...http.module import AnyModule, Phase, http_modules
from ...http.request import OK, Handler, Status
from ...modules.access import AccessConf, limit_access
from ...modules.auth_basic import AuthBasicConf
from ...modules.auth_jwt.conf import TokenConf
from ...modules.auth_request import AuthRequestConf
from ...modules.core import CoreConf
from ..place import Place
from ..probe import location_of
from .account import Account
from .request import Traced
from .tokens import tell_token

Verdict = Status | None | str  # what a check says; a text why that cannot be told
Tell = Callable[[Place, Handler, Traced, Account], Verdict]


def run_checks(place: Place, r: Traced, account: Account) -> Status | None:
    """Tells of all checks; the status that refuses the request, None if nothing does."""
    for module, handler in _handlers(place, Phase.PREACCESS):
        tell = _tell_of(module)
        if tell is not None and isinstance(rc := tell(place, handler, r, account), int) and rc:
            return rc
    checks = _handlers(place, Phase.ACCESS)
    if not checks:
        account.say("nothing restricts access: everybody gets in", place.statement)
        return None
    any_is_enough = place[CoreConf].satisfy == "any"
    if any_is_enough and len(checks) > 1:
        account.say("satisfy any: one permission is enough", place.find("satisfy"))
    return _judge(place, checks, r, account, any_is_enough=any_is_enough)


def _judge(
    place: Place,
    checks: list[tuple[AnyModule, Handler]],
    r: Traced,
    account: Account,
    *,
    any_is_enough: bool,
) -> Status | None:
    refusal: Status | None = None
    for module, handler in checks:
        tell = _tell_of(module) or _tell_any
        verdict = tell(place, handler, r, account)
        if isinstance(verdict, str):
            account.say(f"=> {verdict}", None, 2)
            continue
        account.say(f"=> {_word(verdict)}", None, 2)
        if any_is_enough and verdict == OK:
            return None
        if verdict not in (None, OK):
            if not any_is_enough:
                return verdict
            refusal = refusal if refusal == 401 else verdict
    return refusal


def _word(verdict: Status | None) -> str:
    if verdict is None:
        return "has no objection"
    return "lets it pass" if verdict == OK else f"refuses with {verdict}"


def _handlers(place: Place, phase: Phase) -> list[tuple[AnyModule, Handler]]:
    """As compile/locations.py makes them, with their modules."""
    level = place.level
    found = []
    for module in reversed(http_modules(level.scope)):
        for build in module.handlers.get(phase, ()):
            handler = build(level[module.conf], level)
            if handler is not None:
                found.append((module, handler))
    return found


def _tell_of(module: AnyModule) -> Tell | None:
    if issubclass(module.conf, TokenConf):
        return tell_token
    return _TELLERS.get(module.conf)


def _tell_any(place: Place, handler: Handler, r: Traced, account: Account) -> Verdict:
    account.say(f"{getattr(handler, '__module__', 'another module')}", place.statement)
    return "its verdict cannot be told"


def _tell_access(place: Place, handler: Handler, r: Traced, account: Account) -> Verdict:
    """The first "allow" or "deny" that fits counts."""
    for around in place.outward():
        statements = around.given("allow", "deny")
        for statement in statements:
            alone = AccessConf(place.level.scope, place.level)
            getattr(alone, statement.name)(statement.args[0])
            single = limit_access(alone, place.level)
            if single is not None and single(r) is not None:
                words = f"{statement.name} {statement.args[0]}"
                account.say(f"{words} fits {r.connection.remote_addr}", statement)
                return _plain(handler(r))
        if statements:
            account.say(f"no allow or deny fits {r.connection.remote_addr}", statements[0])
            return None
    return None


def _tell_basic(place: Place, handler: Handler, r: Traced, account: Account) -> Verdict:
    conf = place[AuthBasicConf]
    file = conf.user_file.text if conf.user_file is not None else ""
    account.say("a user and a password are needed", place.find("auth_basic"))
    account.say(f"users are in {file}", place.find("auth_basic_user_file"), 2)
    return _plain(handler(r))


def _tell_request(place: Place, handler: Handler, r: Traced, account: Account) -> Verdict:
    uri = place[AuthRequestConf].uri
    account.say(f"a subrequest to {uri} decides", place.find("auth_request"))
    target = location_of(place.server, uri.partition("?")[0])
    if target is not None:
        account.say(f"which {target} answers", target.statement, 2)
    return "2xx lets it pass, 401 and 403 refuse"


def _plain(rc: Any) -> Verdict:
    if inspect.iscoroutine(rc):
        rc.close()
        return "it has to wait for somebody to tell"
    status: Status | None = rc
    return status


def _tell_limit(place: Place, handler: Handler, r: Traced, account: Account) -> Verdict:
    for statement in place.given("limit_req", "limit_conn") or ():
        account.say(" ".join((statement.name, *statement.args)), statement)
    return None


_TELLERS: dict[type[Any], Tell] = {
    AccessConf: _tell_access,
    AuthBasicConf: _tell_basic,
    AuthRequestConf: _tell_request,
}
