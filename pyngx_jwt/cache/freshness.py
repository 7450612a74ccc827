"""How long a response may be kept, and which request it answers: ngx_http_upstream.c's rules.

Nothing in here does I/O or knows the time by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Flag, auto
from hashlib import md5
from typing import NamedTuple

from ..conf.values import MAX, parse_number, parse_sec
from ..errors import ConfError
from ..http.date import parse_http_time
from .entry import MAX_VARY

Headers = Iterable[tuple[str, str]]

DEFAULT_STATUSES = (200, 301, 302)
_NORMALIZED = (b"accept-charset", b"accept-encoding", b"accept-language")
_SECONDS_END = re.compile("[,; ]")
_MAX_DIGITS = len(str(MAX))
_LEADING_DIGITS = re.compile("[0-9]+")


class Ignore(Flag):
    """What proxy_ignore_headers can name of the headers that matter to a cache."""

    NONE = 0
    X_ACCEL_EXPIRES = auto()
    EXPIRES = auto()
    CACHE_CONTROL = auto()
    SET_COOKIE = auto()
    VARY = auto()


IGNORABLE = {
    "X-Accel-Expires": Ignore.X_ACCEL_EXPIRES,
    "Expires": Ignore.EXPIRES,
    "Cache-Control": Ignore.CACHE_CONTROL,
    "Set-Cookie": Ignore.SET_COOKIE,
    "Vary": Ignore.VARY,
}


class Valid(NamedTuple):
    """A status of proxy_cache_valid, 0 for "any", and its seconds."""

    status: int
    seconds: int


def parse_valid(*words: str) -> tuple[Valid, ...]:
    """The arguments of proxy_cache_valid (ngx_http_file_cache_valid_set_slot)."""
    *statuses, text = words
    try:
        seconds = parse_sec(text)
    except ValueError:
        raise ConfError(f'invalid time value "{text}"') from None
    if not statuses:
        return tuple(Valid(status, seconds) for status in DEFAULT_STATUSES)
    return tuple(Valid(0 if x == "any" else _status(x), seconds) for x in statuses)


def _status(text: str) -> int:
    try:
        status = parse_number(text)
    except ValueError:
        status = 0
    if not 100 <= status <= 599:
        raise ConfError(f'invalid status "{text}"')
    return status


def valid_seconds(table: Sequence[Valid], status: int) -> int:
    """The seconds of the first line that fits, 0 if none does."""
    for line in table:
        if line.status in (0, status):
            return line.seconds
    return 0


class Freshness:
    """What the headers of one response say, in the order in which they came.

    ``valid_sec`` is the moment until which it is fresh (0: not said), ``updating_sec`` and
    ``error_sec`` are how many seconds longer a stale one may be used.  ``feed`` every header,
    then ask ``decide``.
    """

    __slots__ = (
        "_expires",
        "_vary",
        "_x_accel_expires",
        "cacheable",
        "error_sec",
        "expired",
        "ignore",
        "no_cache",
        "now",
        "updating_sec",
        "valid_sec",
        "vary",
    )

    def __init__(
        self, now: int, ignore: Ignore = Ignore.NONE, valid_sec: int = 0, vary: str = ""
    ) -> None:
        self.now = now
        self.ignore = ignore
        self.cacheable = True
        self.valid_sec = valid_sec
        self.updating_sec = 0
        self.error_sec = 0
        self.vary = vary
        self.no_cache = False
        self.expired = False
        self._x_accel_expires = False
        self._expires = False
        self._vary: str | None = None  # all of the header's lines

    def feed(self, headers: Headers) -> None:
        for name, value in headers:
            rule = _RULES.get(name.lower())
            if rule is not None:
                rule(self, value)

    def decide(self, status: int, table: Sequence[Valid]) -> bool:
        """Whether the response may be kept; gives ``valid_sec`` its value from the table."""
        if self.no_cache or self.expired:
            self.cacheable = False
        if self.cacheable and not self.valid_sec:
            seconds = valid_seconds(table, status)
            if seconds:
                self.valid_sec = min(self.now + seconds, MAX)
            else:
                self.cacheable = False
        return self.cacheable

    def revalidate(self, kept: Headers, status: int, table: Sequence[Valid]) -> bool:
        """After a 304 whose headers were fed: how long the ``kept`` response is good for now.

        What the 304 says comes first, then the kept headers, then the table; False if none
        of them says anything.  Unlike nginx, a 304 that must not be kept itself does not make
        the kept response lose its Vary.
        """
        said = self.valid_sec, self.updating_sec, self.error_sec
        self.cacheable = True
        self._x_accel_expires, self._expires, self._vary = False, False, None
        self.feed(kept)
        if said[0]:
            self.valid_sec, self.updating_sec, self.error_sec = said
        elif not self.valid_sec and (seconds := valid_seconds(table, status)):
            self.valid_sec = min(self.now + seconds, MAX)
        return bool(self.valid_sec)

    # -- the headers, by their names -------------------------------------------------------

    def set_cookie(self, value: str) -> None:
        if not self.ignore & Ignore.SET_COOKIE:
            self.cacheable = False

    def cache_control(self, value: str) -> None:
        if self.ignore & Ignore.CACHE_CONTROL:
            return
        text = value.lower()
        # X-Accel-Expires counts for more, wherever it stands; what it cannot say still counts.
        if not (self.valid_sec and self._x_accel_expires) and not self._max_age(text):
            return
        self._stale(text)

    def _max_age(self, text: str) -> bool:
        """Whether the rest of the header is to be read."""
        if "no-cache" in text or "no-store" in text or "private" in text:
            self.no_cache = True
            return False
        seconds = _after(text, "s-maxage=")
        if seconds is None:
            seconds = _after(text, "max-age=")
        if seconds is None:
            return True
        age = _delta_seconds(seconds)
        if age is None:
            self.cacheable = False
        elif age == 0:
            self.no_cache = True
        else:
            self.valid_sec = min(self.now + age, MAX)
            self.expired = False
        return bool(age)

    def _stale(self, text: str) -> None:
        for name in ("stale-while-revalidate=", "stale-if-error="):
            value = _after(text, name)
            if value is None:
                continue
            seconds = _delta_seconds(value)
            if seconds is None:
                self.cacheable = False
                return
            self.error_sec = seconds
            if name == "stale-while-revalidate=":
                self.updating_sec = seconds

    def expires(self, value: str) -> None:
        if self._expires:
            return
        self._expires = True
        if self.ignore & Ignore.EXPIRES or self.valid_sec:
            return
        expires = parse_http_time(value)
        if expires is None or expires < self.now:
            self.expired = True
        else:
            self.valid_sec = expires

    def x_accel_expires(self, value: str) -> None:
        if self._x_accel_expires:
            return
        self._x_accel_expires = True
        if self.ignore & Ignore.X_ACCEL_EXPIRES:
            return
        absolute = value.startswith("@")
        try:
            number = parse_number(value.removeprefix("@"))
        except ValueError:
            return
        if not number and not absolute:
            self.cacheable = False
            return
        self.valid_sec = number if absolute else min(self.now + number, MAX)
        self.no_cache = self.expired = False

    def vary_header(self, value: str) -> None:
        joined = value if self._vary is None else f"{self._vary}, {value}"
        self._vary = joined
        if self.ignore & Ignore.VARY or not self.cacheable:
            return
        if value == "*":
            self.cacheable = False
            return
        if len(joined) > MAX_VARY:
            self.cacheable = False
        self.vary = joined


_RULES = {
    "set-cookie": Freshness.set_cookie,
    "cache-control": Freshness.cache_control,
    "expires": Freshness.expires,
    "x-accel-expires": Freshness.x_accel_expires,
    "vary": Freshness.vary_header,
}


def _after(text: str, name: str) -> str | None:
    """What follows the first occurrence of the name, wherever that is, as nginx looks for it."""
    at = text.find(name)
    return None if at < 0 else text[at + len(name) :]


def _delta_seconds(text: str) -> int | None:
    """Digits up to a separator, no more than 64 bits hold; None for anything else."""
    digits = _SECONDS_END.split(text, maxsplit=1)[0]
    if not digits:
        return 0
    match = _LEADING_DIGITS.match(digits)
    if match is None:
        return None
    number = match[0].lstrip("0")
    if len(number) > _MAX_DIGITS or int(number or "0") > MAX:
        return MAX  # nginx stops there and does not see what follows
    return int(number or "0") if match[0] == digits else None


def variant(main: bytes, vary: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """The key of the response for these request headers: 16 bytes (ngx_http_file_cache_vary).

    ``main`` is the digest of the cache key.  Of lists of charsets, encodings and languages only
    the items count, not the blanks and empty items between them.
    """
    digest = md5(main)
    for name in _items(vary.encode("latin-1").lower()):
        values = [
            value.encode("latin-1")
            for key, value in headers
            if len(key) == len(name) and key.encode("latin-1").lower() == name
        ]
        if name in _NORMALIZED:
            values = [item for value in values for item in _items(value)]
        digest.update(b"%s:%s\r\n" % (name, b",".join(values)))
    return digest.digest()


def _items(text: bytes) -> list[bytes]:
    """Divided at commas and blanks; a tab is none."""
    return [item for item in text.replace(b",", b" ").split(b" ") if item]
