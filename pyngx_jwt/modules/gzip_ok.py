"""Determines which clients get compressed responses; part of nginx's core module."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

from ..conf.directive import UNLIMITED, Conf, bitmask, directive, enum, flag
from ..http.browser import is_msie6
from ..http.contexts import EVERYWHERE
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.module import Module
from ..http.regex import Regex, RegexFailed
from ..http.request import Request

PROXIED = (
    *("off", "expired", "no-cache", "no-store", "private"),
    *("no_last_modified", "no_etag", "auth", "any"),
)
CACHE_CONTROL = ("no-cache", "no-store", "private")
KEY = "gzip_ok"
# After the name of a coding: an end, or a quality whose digits are in group 1 and 2.
_QUALITY = re.compile(r" *(?:,|\Z|; *(?:\Z|[qQ]=([01])(?:\.([0-9]*))?(?:[, ]|\Z)))")

GzipOk = Callable[[Request], bool]


class GzipOkConf(Conf):
    gzip_vary = flag(
        False,
        EVERYWHERE,
        'Adds "Vary: Accept-Encoding" to responses that "gzip", "gzip_static" or "gunzip" '
        "apply to, so that caches keep both forms.",
    )
    gzip_http_version = enum(
        "1.1",
        ("1.0", "1.1"),
        EVERYWHERE,
        "Sets the lowest HTTP version of requests whose responses are compressed.",
    )
    gzip_proxied = bitmask(
        frozenset({"off"}),
        PROXIED,
        EVERYWHERE,
        "Sets which responses to proxied requests (those with a Via header) are compressed, "
        "depending on the response's caching headers and the request's Authorization header.",
        shown="off",
    )
    disabled: tuple[Regex, ...] = ()
    msie6_disabled = False

    @directive(EVERYWHERE, syntax="gzip_disable regex ...", arity=(1, UNLIMITED))
    def gzip_disable(self, *patterns: str) -> None:
        """Disables compression for clients whose User-Agent matches one of the regular expressions.
        "msie6" stands for browsers that cannot read compressed responses."""
        regexes = vars(self).get("disabled", ())
        for pattern in patterns:
            if pattern == "msie6":
                self.msie6_disabled = True
            else:
                regexes = (*regexes, Regex(pattern, caseless=True))
        self.disabled = regexes


gzip_ok = Module("gzip_ok", GzipOkConf)


def bind_gzip_ok(level: Level) -> GzipOk:
    """Whether the client takes gzip, determined once per request (ngx_http_gzip_ok)."""
    test = _compile(level[GzipOkConf])

    def ok(r: Request) -> bool:
        accepted: bool | None = r.contexts.get(KEY)
        if accepted is None:
            accepted = r.contexts[KEY] = test(r)
        return accepted

    return ok


def bind_vary(level: Level) -> Callable[[Request], None]:
    """Marks the response as dependent on Accept-Encoding, if "gzip_vary" is on."""
    vary = level[GzipOkConf].gzip_vary

    def mark(r: Request) -> None:
        r.gzip_vary = vary

    return mark


def _compile(conf: GzipOkConf) -> GzipOk:
    least = 1000 if conf.gzip_http_version == "1.0" else 1001
    proxied, regexes, no_msie6 = conf.gzip_proxied, conf.disabled, conf.msie6_disabled

    def test(r: Request) -> bool:
        if r.parent is not None or not accepts(r.first_line("accept-encoding") or "", "gzip"):
            return False
        agent = r.first_line("user-agent")
        if no_msie6 and agent is not None and is_msie6(agent):
            return False
        if r.http_version < least or ("via" in r.index and not _proxied_ok(r, proxied)):
            return False
        return agent is None or not _is_disabled(r, agent, regexes)

    return test


def _is_disabled(r: Request, agent: str, regexes: Iterable[Regex]) -> bool:
    """Whether "gzip_disable" matches the browser, or cannot be evaluated."""
    try:
        return any(regex.search(r, agent) for regex in regexes)
    except RegexFailed:
        return True


def accepts(text: str, coding: str) -> bool:
    """Whether an Accept-Encoding has a coding with a quality above 0
    (ngx_http_gzip_accept_encoding, which adds the digits of the quality up)."""
    start, low, length = 0, text.lower(), len(coding)
    while True:
        at = low.find(coding, start)
        if at < 0:
            return False
        if at == start or text[at - 1] in ", ":
            break
        start = at + length
    match = _QUALITY.match(text, at + length)
    if match is None:
        return False
    if match[1] is None:
        return True
    digits = match[2] or ""
    quality = int(match[1]) * 100 + sum(map(int, digits))
    return 0 < quality <= 100 and len(digits) <= 3


def _proxied_ok(r: Request, allowed: frozenset[str]) -> bool:
    if "off" in allowed:
        return False
    if "any" in allowed or ("auth" in allowed and "authorization" in r.index):
        return True
    expires = r.sent_header("expires")
    if expires is not None:
        return "expired" in allowed and _expired(r, expires)
    cache_control = r.sent_header("cache-control")
    if cache_control is not None:
        words = {word.strip(" ").lower() for word in cache_control.split(",")}
        return any(word in words and word in allowed for word in CACHE_CONTROL)
    if "no_last_modified" in allowed and r.sent_header("last-modified") is not None:
        return False
    return not ("no_etag" in allowed and (r.etag or r.sent_header("etag")) is not None)


def _expired(r: Request, text: str) -> bool:
    expires, date = parse_http_time(text), r.sent_header("date")
    now = int(time.time()) if date is None else parse_http_time(date)
    return expires is not None and now is not None and expires < now


# -- what both directions have in common ----------------------------------------------------


def change_length(r: Request) -> None:
    """The response's body becomes another one that means the same."""
    r.content_length, r.allow_ranges = -1, False
    r.clear_header("accept-ranges")
    if r.etag is not None:
        r.etag = _weak(r.etag)
    elif (etag := r.sent_header("etag")) is not None:
        r.clear_header("etag")
        r.etag = _weak(etag)


def _weak(etag: str) -> str | None:
    """ngx_http_weak_etag: an unquoted text is not an etag."""
    if etag.startswith("W/"):
        return etag
    return f"W/{etag}" if etag.startswith('"') else None
