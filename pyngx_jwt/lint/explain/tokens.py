"""Whether a token is needed, and which keys and claims decide."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from ...conf.parse import Statement
from ...http.request import Handler, Status
from ...jwt import ALGORITHMS, Form, Key, KeySet, Policy, Presence
from ...log import Level as LogLevel
from ...log import Log
from ...modules.auth_jwt.conf import Required
from ...modules.auth_jwt.sources import FixedKeys, KeyFile
from ..auth import Auth, key_set
from ..jwks import REQUEST
from ..keys import NAMES, key_set_of, naming, sources_of
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

    def write(
        self, level: LogLevel, text: str, connection: int = 0, *, lines: bool = False
    ) -> None:
        self.lines.append(text.partition(", client: ")[0])


def tell_token(place: Place, handler: Handler, r: Traced, account: Account) -> Status | str | None:
    """Tells of the demands on tokens, and what becomes of the request's own."""
    auth = place.auth
    account.say(f"a token is needed, from {_origin(auth)}", place.switch)
    known = _tell_keys(place, auth, account)
    if auth.policy is not None:
        _tell_policy(place, auth.policy, known, account)
    for required in _required(auth):
        texts = tuple(value.text for value in required.values)
        account.say(
            f'neither empty nor "0": {" ".join(texts)}, else {required.status}',
            _given_with(place, "auth_jwt_require", texts),
            2,
        )
    return _verdict(auth, handler, r, account)


def _origin(auth: Auth) -> str:
    """Where the token is taken from."""
    if auth.token is not None:
        return auth.token.text
    location = getattr(auth.conf, "auth_jwt_location", "")  # of TeslaGov's module
    kind, _, name = location.partition("=")
    if name and kind == "COOKIE":
        return f"the cookie {name}"
    if name and kind == "HEADER":
        return f'the {name} field (with or without "Bearer")'
    if location:
        return f'nowhere: "auth_jwt_location {location}" names no place'
    return 'the Authorization field ("Bearer")'


def _required(auth: Auth) -> Iterator[Required]:
    yield from auth.required
    conf: Any = auth.conf
    if values := getattr(conf, "required_values", ()):  # of max-lt's module
        yield Required(values, conf.required_status)


def _given_with(place: Place, name: str, words: tuple[str, ...]) -> Statement | None:
    """The nearest statement of a name that begins with these words."""
    given = (statement for around in place.outward() for statement in around.given(name))
    return next((s for s in given if s.args[: len(words)] == words), None)


def _tell_keys(place: Place, auth: Auth, account: Account) -> tuple[Key, ...] | None:
    """The keys, None if not all of them are known."""
    sources = sources_of(place)
    known: list[KeySet | None] = [key_set_of(source) for source in sources]
    for name in auth.key_files:
        path = place.level.scope.conf_name(name.text.text)
        what = f"keys of the file {name.text.text}"
        if name.text.is_constant:
            what = f"{what}: {_keys(key_set(name, place.level))}"
        account.say(what, naming(path, place), 2)
    named = {place.level.scope.conf_name(name.text.text) for name in auth.key_files}
    for source, found in zip(sources, known, strict=True):
        if isinstance(source, FixedKeys):
            account.say("a key of the configuration itself", place.find("auth_jwt_key"), 2)
        elif isinstance(source, KeyFile) and source.path not in named:
            statement = naming(source.path, place)
            bad = ": it cannot be used" if found is None else ""
            account.say(f"the key of the file {statement.args[0]}{bad}", statement, 2)
    for name in auth.key_requests:
        text = f"keys that {name.text.text} answers with"
        account.say(text, _given_with(place, REQUEST, (name.text.text,)), 2)
        target = location_of(place.server, name.text.text.partition("?")[0])
        if target is not None:
            to = f": {target.target.text.text}" if target.target is not None else ""
            account.say(f"from {target}{to}", target.statement, 3)
    if not (sources or auth.key_files or auth.key_requests):
        where = place.find(*NAMES, REQUEST)
        account.say("no keys are named" if where is None else "no key can be used", where, 2)
    sets = [found for found in known if found is not None]
    if not sources or len(sets) < len(known):
        return None
    return tuple(key for found in sets for key in found.keys)


def _keys(found: KeySet | None) -> str:
    if found is None:
        return "it cannot be used"
    return ", ".join(" ".join((k.kid or "without kid", *filter(None, [k.alg]))) for k in found.keys)


def _algorithms(policy: Policy, known: tuple[Key, ...] | None) -> str:
    """Those that the keys allow, too, as far as these are known."""
    if known is not None and policy.form is not Form.ENCRYPTED:
        fitting = {name for key in known for name in key.checks} & policy.algorithms
        return ", ".join(sorted(fitting)) or "none, no key allows one that is accepted"
    if len(policy.algorithms) == len(ALGORITHMS):
        return "any that a key allows"
    return ", ".join(sorted(policy.algorithms)) + ", as the key allows"


def _tell_policy(
    place: Place, policy: Policy, known: tuple[Key, ...] | None, account: Account
) -> None:
    where = place.find("auth_jwt_algorithm", "auth_jwt_alg")
    account.say(f"algorithms: {_algorithms(policy, known)}", where, 2)
    leeway = f", {policy.leeway:g}s of leeway" if policy.leeway else ""
    account.say(f"exp {policy.exp}, nbf {policy.nbf}{leeway}", place.find("auth_jwt_leeway"), 2)
    if not policy.check_signature:
        account.say("signatures are not checked", place.find("auth_jwt_validate_sig"), 2)
    for statement in place.claims:
        _tell_claim(statement, account)
    if policy.exp is Presence.REQUIRED:
        account.say('a token without "exp" is refused', None, 2)


def _tell_claim(statement: Statement, account: Account) -> None:
    if statement.name == "auth_jwt_validate_sub":
        if statement.args == ("on",):
            account.say('"sub" has to be a string', statement, 2)
        return
    what = "header" if statement.name.endswith("header") else "claim"
    account.say(f"{what} {' '.join(statement.args)}", statement, 2)


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
