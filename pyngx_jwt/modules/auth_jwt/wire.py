"""A token on its way in, and the challenge on its way out."""

from __future__ import annotations

import re

from ...http.level import Level
from ...http.request import Request, Status
from ...http.template import Template, Text
from ...jwt import Reason, TokenRefusal
from .blocks import place_of, warn
from .conf import TokenConf
from .plan import NO_TOKEN, Challenger, FindToken

_CONTROL = re.compile("[\0-\x1f\x7f]")


def bearer(r: Request) -> str:
    """The token of "Authorization: Bearer TOKEN" (RFC 6750, section 2.1), "" if there is none."""
    text = r.index.get("authorization")
    if text is None or text[:7].lower() != "bearer ":
        return ""
    return text[7:].lstrip(" ")  # RFC 9110, section 11.4: one space or more


_OTHER_SCHEME = TokenRefusal(
    Reason.MISSING, 'the scheme of the Authorization header is not "Bearer"'
)


def no_bearer(r: Request) -> TokenRefusal:
    """Why bearer() has found none."""
    text = r.index.get("authorization")
    return NO_TOKEN if text is None or text[:7].lower() in ("bearer", "bearer ") else _OTHER_SCHEME


def exact_bearer(r: Request) -> str:
    """As bearer(), for dialects to which "bearer" is no scheme."""
    text = r.index.get("authorization")
    return text[7:] if text is not None and text.startswith("Bearer ") else ""


def compile_token(token: Template, level: Level, *, of_another: bool = False) -> FindToken:
    """The token of a variable; of a cookie only if all of that name have the same value.
    `of_another`: it may be a claim of a token that another location has accepted."""
    names = [name for name in token.names if not name.startswith("$")]
    if not of_another and level.variables.depends_on_unsettled(names):
        text = f'the token "{token.text}" depends on a claim of the token itself, which is empty'
        warn(level, f"{text}, in {place_of(level)}")
    if len(token.parts) == 1 and token.names[0].startswith("cookie_"):
        name = token.names[0].removeprefix("cookie_")
        return lambda r: sole_cookie(r, name)
    return token.bind(level.variables)


def sole_cookie(r: Request, name: str) -> str:
    """The value of a cookie, its name in lower case; "" if there is none, or another one."""
    values = {
        value.strip(" ")
        for field, text in r.headers_in
        if field.lower() == "cookie"
        for key, _, value in (pair.partition("=") for pair in text.split(";"))
        if key.strip(" ").lower() == name
    }
    return values.pop() if len(values) == 1 else ""


def compile_realm(realm: Template, level: Level) -> Text:
    """The realm as the inside of a quoted string (RFC 9110, section 5.6.4); a variable can
    hold anything, and no line break of it gets into the response."""
    if realm.is_constant:
        constant = quoted(realm.text)
        return lambda r: constant
    text = realm.bind(level.variables)
    return lambda r: quoted(text(r))


def quoted(text: str) -> str:
    return without_controls(text).replace("\\", "\\\\").replace('"', '\\"')


def without_controls(text: str) -> str:
    return _CONTROL.sub("", text)


def no_challenge(r: Request, token: str, status: Status) -> str:
    """Of dialects that never challenge."""
    return ""


def compile_challenge(
    conf: TokenConf, level: Level, usual: Challenger, *, always: bool = False
) -> Challenger:
    """The dialect's own, or what auth_jwt_www_authenticate puts in its place, with 401 or with
    any status."""
    chosen = conf.auth_jwt_www_authenticate
    if chosen is None or (chosen.text is None and chosen.shown):
        return usual
    if chosen.text is None:
        return no_challenge
    text = chosen.text.bind(level.variables)
    return lambda r, token, status: without_controls(text(r)) if always or status == 401 else ""


def with_realm(realm: Text) -> Challenger:
    """RFC 6750, section 3: an error code only if there was a token."""

    def challenge(r: Request, token: str, status: Status) -> str:
        if status != 401:
            return ""
        error = ', error="invalid_token"' if token else ""
        return f'Bearer realm="{realm(r)}"{error}'

    return challenge
