"""What variables tell of a request's token: nothing before it is verified.

Dialects differ in how a value is written; a renderer makes text of what a path leads to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...http.module import AnyModule
from ...http.request import Request
from ...http.variables import Getter, once_at_a_time, unsettled
from ...jwt import Json, Token, Verified
from .conf import TokenConf

KEY = "auth_jwt"  # in r.contexts: the location that looked at the token, and what it found
NOW = "auth_jwt now"  # in r.contexts: the time that counts, if that is not the clock's

Render = Callable[[Json], str]
Look = Callable[[Request], "Verified | Token | None"]


def look_for(kind: type[TokenConf]) -> Look:
    """A function that finds the token which the request's location accepts, by the conf of a
    dialect.  Before the access phase it is verified on demand, if that needs no waiting."""

    def peek(r: Request) -> Verified | Token | None:
        gate = r.location.conf(kind).gate
        return gate.peek(r) if gate is not None else None

    # Where the token is may be told by a claim of it.
    peek_once: Look = once_at_a_time("jwt_claim_", peek)

    def look(r: Request) -> Verified | Token | None:
        found = r.contexts.get(KEY)
        if found is None and r.in_background and r.parent is not None:  # in the place of that
            found = r.parent.contexts.get(KEY)
        if found is not None and found[0] is r.location:
            token: Verified | Token | None = found[1]
            return token
        return peek_once(r)

    return look


def look_lasting(kind: type[TokenConf]) -> Look:
    """As look_for(), but a location that demands no token tells what the last one that did has
    verified, be it before an internal redirect or in the request whose subrequest this is."""
    look = look_for(kind)

    def find(r: Request) -> Verified | Token | None:
        found = r.contexts.get(KEY)
        if found is not None and found[0] is r.location:
            token: Verified | Token | None = found[1]
            return token
        if r.location.conf(kind).gate is not None:
            return look(r)
        lasting = remembered(r)
        return lasting[KEY] if lasting is not None else None

    return find


def look_after_check(kind: type[TokenConf]) -> Look:
    """As look_lasting(), but nothing is told before a location has looked at the token."""
    look = look_lasting(kind)
    return lambda r: look(r) if remembered(r) is not None else None


@contextmanager
def choosing_keys(r: Request, token: Token | None) -> Iterator[None]:
    """Meanwhile variables tell what the token says of itself, though nobody has verified it:
    that chooses the keys it is verified with, and counts for nothing else."""
    before = r.contexts.get(KEY)
    r.contexts[KEY] = (r.location, token)
    try:
        yield
    finally:
        if before is None:
            del r.contexts[KEY]
        else:
            r.contexts[KEY] = before


def remember(r: Request, token: Verified | Token | None) -> None:
    """Keeps what look_lasting() tells; None of a token that was refused."""
    if r.lasting is None:
        r.lasting = {}
    r.lasting[KEY] = token


def remembered(r: Request) -> dict[str, Any] | None:
    """Where that is kept, of the request or else of that whose subrequest it is; None if no
    location has looked at a token."""
    at: Request | None = r
    while at is not None:
        lasting: dict[str, Any] | None = at.lasting
        if lasting is not None and KEY in lasting:
            return lasting
        at = at.parent
    return None


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


def now_of(r: Request) -> float:
    """Seconds since the epoch."""
    now: float | None = r.contexts.get(NOW)
    return time.time() if now is None else now


def now_text(r: Request) -> str:
    """Seconds since the epoch, as text."""
    return str(int(now_of(r)))
