"""The log lines of a refusal: the sentence of the dialect's own module, at its severity, and
then which check failed and how, at "notice" or above."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

from ...http.request import Request
from ...jwt import ALGORITHMS, Json, Reason, TokenRefusal
from ...jwt.encoding import encode_json
from ...log import Severity

SECRET = 16  # characters from which on something may be worth stealing


class LogLines(NamedTuple):
    """Lines of a module; our reason is added to the last, and stands alone if there is none or if
    their severity is below "notice"."""

    level: Severity
    lines: tuple[str, ...] = ()


Words = Callable[[TokenRefusal], LogLines]


def plus_words(refusal: TokenRefusal) -> LogLines:
    """The sentences of NGINX Plus are not known."""
    return LogLines(Severity.NOTICE)


_TESLA = {
    Reason.MISSING: "failed to find a JWT",
    Reason.EXPIRED: "the JWT has expired",
    Reason.CLAIM: "the JWT does not contain a subject",
}
NO_HEX = "failed to turn hex key into binary"


def tesla_words(refusal: TokenRefusal) -> LogLines:
    """TeslaGov's module knows no "nbf"."""
    reason = refusal.reason
    if reason is Reason.NOT_YET_VALID:
        return LogLines(Severity.ERR)
    if reason is Reason.DATE:
        return LogLines(Severity.ERR, () if "nbf" in refusal.facts else ("the JWT has expired",))
    if reason is Reason.NO_SOURCE and refusal.detail == NO_HEX:
        return LogLines(Severity.ERR, (NO_HEX,))
    return LogLines(Severity.ERR, (_TESLA.get(reason, "failed to parse JWT"),))


_NO_CONTEXT = "JWT: failed to get jwt from module context"


def maxlt_words(refusal: TokenRefusal) -> LogLines:
    """max-lt's module knows no "nbf", and says nothing of auth_jwt_require."""
    reason, facts = refusal.reason, refusal.facts
    alg, exp = facts.get("alg"), facts.get("exp")
    if reason is Reason.EXPIRED and _whole(exp):
        return LogLines(Severity.INFO, (f"JWT: the jwt has expired [exp={_whole(exp)}]",))
    if reason is Reason.CONDITION:
        return LogLines(Severity.INFO)
    if reason is Reason.NOT_YET_VALID or "nbf" in facts:
        return LogLines(Severity.WARN)
    if reason in (Reason.EXPIRED, Reason.DATE):
        return LogLines(Severity.WARN, (f"JWT: invalid exp date in jwt {_short(exp)}",))
    if reason is Reason.ALGORITHM and (alg in ALGORITHMS or alg == "none"):
        return LogLines(Severity.WARN, (f"JWT: invalid algorithm in jwt {alg}",))
    if reason is Reason.MISSING:
        why = (str(facts["why"]),) if "why" in facts else ()
        return LogLines(Severity.WARN, (*why, "JWT: failed to find a jwt", _NO_CONTEXT))
    if reason is Reason.NO_KEY and str(alg).startswith("HS"):
        sentence = f"JWT: {alg} algorithm cannot be used with a PEM key"
        return LogLines(Severity.WARN, (sentence, _NO_CONTEXT))
    return LogLines(Severity.WARN, ("JWT: failed to parse jwt", _NO_CONTEXT))


def _whole(value: Json) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _short(value: Json) -> str:
    return encode_json(value)[:64]


_KJDEV = {
    Reason.MISSING: "token was not provided",
    Reason.MALFORMED: "failed to parse jwt token",
    Reason.UNSUPPORTED: "failed to parse jwt token",
    Reason.NO_SOURCE: "rejected due to without signature key",
}
_UNVERIFIED = "rejected due to missing signature key or signature validate failure"


def kjdev_words(refusal: TokenRefusal) -> LogLines:
    reason, facts = refusal.reason, refusal.facts
    if reason is Reason.MISSING and facts:
        return _at(Severity.ERR, "token variable specified was not provided")
    if reason is Reason.EXPIRED and _is_unreadable(facts.get("exp")):
        return _at(Severity.ERR, "rejected due to exp claim could not be obtained")
    if reason is Reason.EXPIRED or facts.get("absent") == "exp":
        return _at(Severity.INFO, _expired(refusal))
    if reason is Reason.DATE:
        name = refusal.detail.partition(" ")[0]
        return _at(Severity.ERR, f"rejected due to {name} claim could not be obtained")
    if reason in (Reason.SIGNATURE, Reason.NO_KEY) and "kid" in facts:
        failed = f'rejected due to signature validate failure: kid="{facts["kid"]}"'
        return _at(Severity.INFO, failed, _UNVERIFIED)
    if reason is Reason.ALGORITHM and facts.get("alg") == "none":
        return _at(Severity.INFO, "rejected due to none algorithm")
    if reason is Reason.CONDITION:
        return _at(Severity.INFO, f"rejected due to {facts.get('variable')} variable invalid")
    if reason in (Reason.CLAIM, Reason.REVOKED):
        return _unmet(refusal)
    return _at(Severity.INFO, _KJDEV.get(reason, _UNVERIFIED))


def _is_unreadable(value: Json) -> bool:
    """Whether it is among the numbers that the module takes for an error of its reader."""
    return value == -1 or (isinstance(value, float) and value < 0)


def _at(level: Severity, *sentences: str) -> LogLines:
    return LogLines(level, tuple(f"auth_jwt: {sentence}" for sentence in sentences))


def _expired(refusal: TokenRefusal) -> str:
    facts = {"exp": 0, "now": time.time(), "leeway": 0, **refusal.facts}
    exp, now, leeway = (facts[name] for name in ("exp", "now", "leeway"))
    assert isinstance(exp, int | float) and isinstance(now, int | float)
    assert isinstance(leeway, int | float)
    return (
        f"rejected due to token expired: exp={int(exp)}: greater than expected={int(now)} "
        f"actual={int(exp + leeway)}"
    )


def _unmet(refusal: TokenRefusal) -> LogLines:
    facts = refusal.facts
    name = facts.get("name")
    if kind := facts.get("missing"):
        return _at(Severity.ERR, f"rejected due to missing {kind}: {name}")
    if kind := facts.get("unmet"):
        value, operator, expected = (facts.get(k) for k in ("value", "operator", "expected"))
        particulars = f'"{value}" is not "{operator}" "{expected}"'
        return _at(Severity.INFO, f"rejected due to {name} {kind} requirement: {particulars}")
    if revoked := facts.get("revoked"):
        particulars = f'{revoked}="{facts.get("value")}" {facts.get("note")}'
        return _at(Severity.INFO, f"rejected due to {revoked} in revocation list: {particulars}")
    if unnamed := facts.get("unnamed"):
        text = f"rejected due to {unnamed} cannot be empty when revocation_{unnamed}s set"
        return _at(Severity.INFO, text)
    if error := facts.get("error"):
        return _at(Severity.ERR, str(error))
    return _at(Severity.INFO, f"rejected due to {refusal.detail}")


def log_refusal(r: Request, token: str, refusal: TokenRefusal, words: Words) -> None:
    """Says which check failed.  Of the token it has a few digits of a hash, even if the token
    is in the request line."""
    log = r.location.log
    entry = words(refusal)
    if log.level < min(entry.level, Severity.NOTICE):
        return
    which, rest = "", r.particulars()
    if token:
        name = f"sha256:{hashlib.sha256(token.encode('latin-1')).hexdigest()[:8]}"
        which, rest = f"token {name} ", _without(token, name, rest)
    reason = f"{which}refused: {refusal.text}"
    lines = [_printable(line) for line in entry.lines]
    if lines and entry.level <= Severity.NOTICE:
        lines[-1] += f" ({reason})"
    for line in lines:
        log.write(entry.level, line + rest, r.connection.number)
    if not lines or entry.level > Severity.NOTICE:
        level = min(entry.level, Severity.NOTICE)
        log.write(level, f"auth_jwt: {reason}{rest}", r.connection.number)


def _printable(text: str) -> str:
    """A sentence with values of claims in it, one character per byte and none a control."""
    octets = text.encode("utf-8", "backslashreplace").decode("latin-1")
    return "".join(c if c >= " " and c != "\x7f" else f"\\x{ord(c):02x}" for c in octets)


def _without(token: str, name: str, particulars: str) -> str:
    """Puts the name in the token's place, but not in that of a client's address, nor of a
    word that may stand there for another reason."""
    client, mark, rest = particulars.partition(", request: ")
    if len(token) >= SECRET:
        rest = rest.replace(token, name)
    return f"{client}{mark}{rest}"
