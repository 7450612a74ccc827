"""Whether a token is needed, and which keys and claims decide."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from ...http.request import Handler, Status
from ...jwt import Policy
from ...jwt.policy import Presence
from ...log import Level as LogLevel
from ...log import Log
from ..auth import Auth, key_set
from ..place import Place
from ..probe import location_of
from .account import Account
from .request import Traced


class Loud(Log):
    """A log that takes everything, for a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.level = LogLevel.INFO
        self.lines: list[str] = []

    def write(self, level: LogLevel, text: str, connection: int = 0) -> None:
        self.lines.append(text.partition(", client: ")[0])


EVERY = 8  # algorithms that are named; more of them are counted


def tell_token(place: Place, handler: Handler, r: Traced, account: Account) -> Status | str | None:
    """Tells of the demands on tokens, and what becomes of the request's own."""
    auth = place.auth
    source = auth.token.text if auth.token is not None else 'the Authorization field ("Bearer")'
    account.say(f"a token is needed, from {source}", place.switch)
    _tell_keys(place, auth, account)
    if auth.policy is not None:
        _tell_policy(place, auth.policy, account)
    for required in auth.required:
        words = " ".join(value.text for value in required.values)
        text = f'neither empty nor "0": {words}, else {required.status}'
        account.say(text, place.find("auth_jwt_require"), 2)
    return _verdict(auth, handler, r, account)


def _tell_keys(place: Place, auth: Auth, account: Account) -> None:
    where = place.find("auth_jwt_key_file", "auth_jwt_key")
    for name in auth.key_files:
        found = key_set(name, place.level)
        keys = ", ".join(_keys(found.keys)) if found is not None else "it cannot be used"
        account.say(f"keys of the file {name.text.text}: {keys}", where, 2)
    for name in auth.key_requests:
        text = f"keys that {name.text.text} answers with"
        account.say(text, place.find("auth_jwt_key_request"), 2)
        target = location_of(place.server, name.text.text.partition("?")[0])
        if target is not None:
            to = f": {target.target.text.text}" if target.target is not None else ""
            account.say(f"from {target}{to}", target.statement, 3)
    if not auth.has_keys:
        account.say("no keys are named", None, 2)
    elif not (auth.key_files or auth.key_requests):
        account.say("a key of the configuration itself", where, 2)


def _keys(keys: object) -> Iterator[str]:
    for key in keys if isinstance(keys, tuple | list) else ():
        kid, alg = getattr(key, "kid", None), getattr(key, "alg", None)
        yield " ".join(str(word) for word in (kid or "without kid", alg) if word)


def _tell_policy(place: Place, policy: Policy, account: Account) -> None:
    names = sorted(policy.algorithms)
    told = ", ".join(names) if len(names) <= EVERY else f"any of {len(names)}"
    where = place.find("auth_jwt_algorithm", "auth_jwt_alg")
    account.say(f"algorithms: {told}, as the key allows", where, 2)
    leeway = f", {policy.leeway:g}s of leeway" if policy.leeway else ""
    account.say(f"exp {policy.exp}, nbf {policy.nbf}{leeway}", place.find("auth_jwt_leeway"), 2)
    if not policy.check_signature:
        account.say("signatures are not checked", place.find("auth_jwt_validate_sig"), 2)
    for statement in place.claims:
        what = "header" if statement.name.endswith("header") else "claim"
        account.say(f"{what} {' '.join(statement.args)}", statement, 2)
    if policy.exp is Presence.REQUIRED:
        account.say('a token without "exp" is refused', None, 2)


def _verdict(auth: Auth, handler: Handler, r: Traced, account: Account) -> Status | str | None:
    r.told.clear()
    location, quiet = r.location, r.location.log
    location.log = loud = Loud()  # refusals go there, past the request
    try:
        rc = handler(r)
    finally:
        location.log = quiet
    if inspect.iscoroutine(rc):
        rc.close()
        return "the keys would have to be fetched, which is not done here"
    for text in (*r.told, *loud.lines):
        account.say(text, None, 2)
    assert rc is None or isinstance(rc, int)
    return rc
