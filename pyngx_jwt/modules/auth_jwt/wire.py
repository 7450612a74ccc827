"""A token on its way in, the challenge on its way out, and what the log is told of both."""

from __future__ import annotations

import hashlib
import re

from ...http.level import Level
from ...http.request import Request
from ...http.template import Text
from ...log import Level as LogLevel
from .conf import Switch

SECRET = 16  # characters from which on something may be worth stealing
_CONTROL = re.compile("[\0-\x1f\x7f]")


def bearer(r: Request) -> str:
    """The token of "Authorization: Bearer TOKEN" (RFC 6750, section 2.1), "" if there is none."""
    text = r.index.get("authorization")
    if text is None or text[:7].lower() != "bearer ":
        return ""
    return text[7:]


def compile_realm(switch: Switch, level: Level) -> Text:
    """The realm as the inside of a quoted string (RFC 9110, section 5.6.4); a variable can
    hold anything, and no line break of it gets into the response."""
    if switch.realm.is_constant:
        constant = _quoted(switch.realm.text)
        return lambda r: constant
    text = switch.realm.bind(level.variables)
    return lambda r: _quoted(text(r))


def _quoted(text: str) -> str:
    return _CONTROL.sub("", text).replace("\\", "\\\\").replace('"', '\\"')


def log_refusal(r: Request, token: str, reason: str) -> None:
    """One line that says which check failed.  Of the token it has a few digits of a hash, even
    if the token is in the request line."""
    log = r.location.log
    if log.level < LogLevel.INFO:
        return
    which, rest = "", r.particulars()
    if token:
        name = f"sha256:{hashlib.sha256(token.encode('latin-1')).hexdigest()[:8]}"
        which, rest = f"token {name} ", _without(token, name, rest)
    log.write(LogLevel.INFO, f"auth_jwt: {which}refused: {reason}{rest}", r.connection.number)


def _without(token: str, name: str, particulars: str) -> str:
    """Puts the name in the token's place, but not in that of a client's address, nor of a
    word that may stand there for another reason."""
    client, mark, rest = particulars.partition(", request: ")
    if len(token) >= SECRET:
        rest = rest.replace(token, name)
    return f"{client}{mark}{rest}"
