"""Variables with members of a request's token: empty before it is verified.

Dialects differ in how a value is written; a renderer makes text of what a path leads to.
"""

from __future__ import annotations

from collections.abc import Callable

from ...http.level import Level
from ...http.module import AnyModule
from ...http.request import Request, Settle
from ...http.variables import Getter, once_at_a_time, unsettled
from ...jwt import Json, Token, Verified
from .conf import TokenConf
from .contexts import KEY, now_of, remembered

Render = Callable[[Json], str]
Look = Callable[[Request], "Verified | Token | None"]


def look_for(kind: type[TokenConf]) -> Look:
    """A function that finds the token which the request's location accepts, by the conf of a
    dialect.  Before the access phase it is verified on demand, if that needs no waiting."""

    def peek(r: Request) -> Verified | Token | None:
        gate = r.location.conf(kind).gate
        return gate.peek(r) if gate is not None else None

    # The variable with the token may depend on a claim of it.
    peek_once: Look = once_at_a_time("jwt_claim_", peek)

    def look(r: Request) -> Verified | Token | None:
        entry = r.contexts.get(KEY)
        if entry is None and r.in_background and r.parent is not None:  # in the place of that
            entry = r.parent.contexts.get(KEY)
        if entry is not None and entry[0] is r.location:
            token: Verified | Token | None = entry[1]
            return token
        return peek_once(r)

    return look


def look_lasting(kind: type[TokenConf]) -> Look:
    """As look_for(), but in a location that demands no token the one that the last location with
    a demand has verified, before an internal redirect or in the parent of a subrequest."""
    look = look_for(kind)

    def find(r: Request) -> Verified | Token | None:
        entry = r.contexts.get(KEY)
        if entry is not None and entry[0] is r.location:
            token: Verified | Token | None = entry[1]
            return token
        if r.location.conf(kind).gate is not None:
            return look(r)
        lasting = remembered(r)
        return lasting[KEY] if lasting is not None else None

    return find


def look_after_check(kind: type[TokenConf]) -> Look:
    """As look_lasting(), but None before a location has looked at the token."""
    look = look_lasting(kind)
    return lambda r: look(r) if remembered(r) is not None else None


def claim_getter(look: Look, find: Callable[[dict[str, Json]], str]) -> Getter:
    """A variable of what `find` makes of the claims."""

    def get(r: Request) -> str | None:
        token = look(r)
        return (find(token.claims) or None) if token is not None else None

    return unsettled(get)


def header_getter(look: Look, find: Callable[[dict[str, Json]], str]) -> Getter:
    """A variable of what `find` makes of the JOSE header."""

    def get(r: Request) -> str | None:
        token = look(r)
        return (find(token.header) or None) if token is not None else None

    return unsettled(get)


def add_member_variables(
    module: AnyModule, look: Look, find: Callable[[str], Callable[[dict[str, Json]], str]]
) -> None:
    """Gives a module $jwt_claim_NAME and $jwt_header_NAME; `find` makes a finder of a name."""

    @module.prefix("jwt_claim_")
    def jwt_claim(name: str) -> Getter:
        """A claim of the verified token.  The name is in lower case, as in
        all nginx variables."""
        return claim_getter(look, find(name))

    @module.prefix("jwt_header_")
    def jwt_header(name: str) -> Getter:
        """A member of the verified token's JOSE header."""
        return header_getter(look, find(name))


def settles(module: AnyModule) -> None:
    """Has what needs claims before the access phase wait for keys that have to be fetched, and
    end the request without any."""

    @module.settles
    def settle(conf: TokenConf, level: Level) -> Settle | None:
        gate = conf.gate
        keyring = gate.plan.keyring if gate is not None else None
        return gate.settle if gate is not None and keyring and keyring.has_sources else None


def now_text(r: Request) -> str:
    """Seconds since the epoch, as text."""
    return str(int(now_of(r)))
