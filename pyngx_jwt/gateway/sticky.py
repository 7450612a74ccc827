"""Keeps clients with the servers that they came to first (ngx_http_upstream_sticky_module).

What "sticky" declares is bound when its group is built, and then makes an Affinity for each
request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import md5
from mmap import PAGESIZE

from ..conf.values import parse_msec, parse_sec, parse_size
from ..errors import ConfError
from ..http.cookies import FOREVER, cookie_expiry, cookie_of
from ..http.request import Request
from ..http.template import Template, Text
from ..http.variables import Getter, Variables
from ..log import Severity
from ..upstream.affinity import Affinity
from ..upstream.peer import Peer
from ..zones.sharing import split_sync
from ..zones.store import Sessions

SAME_SITE = ("strict", "lax", "none")
SMALLEST_ZONE = 8 * PAGESIZE  # bytes
INTERVAL = 5.0  # seconds between two looks for sessions that have expired
Tie = Callable[[Request], Affinity]


# -- what the configuration says -----------------------------------------------------------------


@dataclass(slots=True)
class StickyCookie:
    """sticky cookie"""

    name: str
    expires: int | None = None  # seconds
    domain: Template | None = None
    path: str = ""
    samesite: Template | None = None
    httponly: bool = False
    secure: bool = False

    def bind(self, variables: Variables) -> Tie:
        domain = self.domain.bind(variables) if self.domain else None
        samesite = self.samesite.bind(variables) if self.samesite else None
        return lambda r: CookieTie(self, r, domain, samesite)


@dataclass(slots=True)
class StickyRoute:
    """sticky route"""

    names: tuple[str, ...]

    def bind(self, variables: Variables) -> Tie:
        getters = tuple(map(variables.resolve, self.names))
        return lambda r: RouteTie(_first(getters, r))


@dataclass(slots=True)
class StickyLearn:
    """sticky learn"""

    zone: str = ""
    size: int = 0
    timeout: float = 600.0  # seconds
    create: list[str] = field(default_factory=list)
    lookup: list[str] = field(default_factory=list)
    header: bool = False
    sync: str | None = None  # None: the sessions are those of this machine
    sessions: Sessions | None = None  # once the zone is declared

    def bind(self, variables: Variables) -> Tie:
        create = tuple(map(variables.resolve, self.create))
        lookup = tuple(map(variables.resolve, self.lookup))
        return lambda r: LearnTie(self, r, create, lookup)


Sticky = StickyCookie | StickyRoute | StickyLearn


def parse_sticky(method: str, words: tuple[str, ...]) -> Sticky:
    """The parameters of "sticky"; raises ConfError in nginx's words."""
    if method == "cookie":
        return _parse_cookie(*words)
    if method == "route":
        return StickyRoute(tuple(map(_variable, words)))
    if method == "learn":
        return _parse_learn(words)
    raise ConfError(f'unknown parameter "{method}"')


def _variable(word: str) -> str:
    if not word.startswith("$"):
        raise ConfError(f'invalid variable name "{word}"')
    return word[1:]


def _parse_cookie(name: str, *words: str) -> StickyCookie:
    if not name:
        raise _wrong("empty cookie name")
    cookie, seen = StickyCookie(name), set[str]()
    for word in words:
        key, sign, value = word.partition("=")
        is_flag = word in ("httponly", "secure")
        if not is_flag and (not sign or key not in ("domain", "path", "expires", "samesite")):
            raise ConfError(f'unknown parameter "{word}"')
        if key in seen:
            raise _wrong(f'parameter "{key}" is duplicate')
        seen.add(key)
        if is_flag:
            setattr(cookie, key, True)
        else:
            _set_attribute(cookie, key, value)
    return cookie


def _set_attribute(cookie: StickyCookie, key: str, value: str) -> None:
    if key in ("domain", "path") and not value:
        raise _wrong(f'no value for "{key}"')
    if key == "path":
        cookie.path = value
    elif key == "domain":
        cookie.domain = Template(value)
    elif key == "samesite":
        cookie.samesite = Template(value)
        if cookie.samesite.is_constant and value.lower() not in SAME_SITE:
            raise _wrong('invalid "samesite" parameter value')
    else:
        try:
            cookie.expires = FOREVER if value == "max" else parse_sec(value)
        except ValueError:
            raise _wrong('invalid "expires" parameter value') from None


def _parse_learn(words: tuple[str, ...]) -> StickyLearn:
    learn, timed = StickyLearn(), False
    words, learn.sync = split_sync(words)
    if learn.sync:
        raise ConfError(f'unknown parameter "fallback={learn.sync}"')
    for word in words:
        key, sign, value = word.partition("=")
        if word == "header":
            learn.header = True
        elif key == "zone" and sign:
            _set_zone(learn, value)
        elif key == "timeout" and sign:
            if timed:
                raise _wrong("duplicate timeout")
            learn.timeout, timed = _timeout(value), True
        elif key in ("create", "lookup") and sign:
            if not value.startswith("$"):
                raise _wrong(f'missing variable in the "{key}" parameter')
            (learn.create if key == "create" else learn.lookup).append(value[1:])
        else:
            raise ConfError(f'unknown parameter "{word}"')
    for key, given in (("lookup", learn.lookup), ("create", learn.create), ("zone", learn.zone)):
        if not given:
            raise _wrong(f'"{key}" parameter is not specified')
    return learn


def _set_zone(learn: StickyLearn, text: str) -> None:
    if learn.size:
        raise _wrong("duplicate zone")
    learn.zone, colon, size = text.partition(":")
    if not colon:
        raise _wrong("zone size is not specified")
    if not learn.zone:
        raise _wrong("zone name is not specified")
    try:
        learn.size = parse_size(size)
    except ValueError:
        raise _wrong("invalid zone size") from None
    if learn.size < SMALLEST_ZONE:
        raise _wrong("zone is too small")


def _timeout(text: str) -> float:
    try:
        timeout = parse_msec(text) / 1000
    except ValueError:
        timeout = 0.0
    if not timeout:
        raise _wrong("invalid timeout")
    return timeout


def _wrong(text: str) -> ConfError:
    return ConfError(f'"sticky" directive {text}')


class StickyZones:
    """The zones of all groups whose sessions are learned."""

    def __init__(self) -> None:
        self.by_name: dict[str, tuple[StickyLearn, str]] = {}  # with the name of the group

    def add(self, learn: StickyLearn, group: str) -> None:
        if learn.zone in self.by_name:
            other = self.by_name[learn.zone][1]
            raise ConfError(f'sticky zone "{learn.zone}" is already used in upstream "{other}"')
        self.by_name[learn.zone] = learn, group

    def check_continues(self, old: StickyZones) -> None:
        """Raises ConfError if a reload would use a zone for another group."""
        for name, (learn, group) in self.by_name.items():
            before, other = old.by_name.get(name, (learn, group))
            if other != group and before.size == learn.size:
                raise ConfError(
                    f'sticky zone "{name}" is used in upstream "{group}" '
                    f'while previously it was used in upstream "{other}"'
                ).nowhere()

    async def expire(self) -> None:
        """Removes sessions that are not used any more, until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            for learn, _ in self.by_name.values():
                assert learn.sessions is not None
                learn.sessions.expire(time.time() - learn.timeout)


# -- requests ------------------------------------------------------------------------------------


class RouteTie:
    """To the server that the request names."""

    __slots__ = ("sid",)

    def __init__(self, sid: str) -> None:
        self.sid = sid

    def wanted(self) -> str:
        return self.sid

    def chosen(self, peer: Peer) -> None:
        """The client knows it by other means."""

    def answered(self, peer: Peer) -> None:
        """The same."""

    def served(self, peer: Peer) -> None:
        """The same."""


class CookieTie(RouteTie):
    """To the server that a cookie names, which is set anew each time."""

    __slots__ = ("_cookie", "_domain", "_field", "_r", "_samesite")

    def __init__(
        self, cookie: StickyCookie, r: Request, domain: Text | None, samesite: Text | None
    ) -> None:
        super().__init__(cookie_of(r, cookie.name) or "")
        self._cookie, self._r = cookie, r
        self._domain, self._samesite = domain, samesite
        self._field: tuple[str, str] | None = None  # that was set at an earlier attempt

    def chosen(self, peer: Peer) -> None:
        fields, field = self._r.headers_out, ("Set-Cookie", self._text(peer.sid))
        if self._field is None:
            fields.append(field)
        else:
            fields[fields.index(self._field)] = field
        self._field = field

    def _text(self, sid: str) -> str:
        cookie, r = self._cookie, self._r
        parts = [f"{cookie.name}={sid}"]
        if cookie.expires is not None:
            age = 315_360_000 if cookie.expires == FOREVER else cookie.expires
            parts.append(f"expires={cookie_expiry(cookie.expires)}; max-age={age}")
        if self._domain is not None and (domain := self._domain(r)):
            parts.append(f"domain={domain}")
        if cookie.httponly:
            parts.append("httponly")
        if cookie.secure:
            parts.append("secure")
        if self._samesite is not None and (samesite := self._samesite(r)):
            parts.append(f"samesite={samesite if samesite.lower() in SAME_SITE else 'strict'}")
        if cookie.path:
            parts.append(f"path={cookie.path}")
        return "; ".join(parts)


class LearnTie:
    """To the server that has begun the session of the client."""

    __slots__ = ("_create", "_is_known", "_learn", "_r", "_session")

    def __init__(
        self, learn: StickyLearn, r: Request, create: tuple[Getter, ...], lookup: tuple[Getter, ...]
    ) -> None:
        self._learn, self._r, self._create = learn, r, create
        self._session = _first(lookup, r)
        self._is_known = False

    @property
    def _sessions(self) -> Sessions:
        sessions = self._learn.sessions
        assert sessions is not None
        return sessions

    def wanted(self) -> str:
        if not self._session:
            return ""
        since = time.time() - self._learn.timeout
        found = self._sessions.find(_digest(self._session), since)
        self._is_known = self._is_known or bool(found)
        return found

    def chosen(self, peer: Peer) -> None:
        """What the server answers decides."""

    def answered(self, peer: Peer) -> None:
        if self._learn.header:
            self._note(peer)

    def served(self, peer: Peer) -> None:
        if not self._learn.header:
            self._note(peer)

    def _note(self, peer: Peer) -> None:
        """A session that has become known meanwhile, elsewhere, is not that of this server."""
        begun = _first(self._create, self._r)
        session = begun or (self._session if self._is_known else "")
        if not session:
            return
        noted = self._sessions.note(_digest(session), peer.sid, time.time(), create=bool(begun))
        if not noted:
            text = f'could not allocate node in sticky session zone "{self._learn.zone}"'
            self._r.log(Severity.ALERT, text)


def _first(getters: Iterable[Getter], r: Request) -> str:
    """The first value that is not empty."""
    return next(filter(None, (get(r) for get in getters)), "")


def _digest(session: str) -> bytes:
    return md5(session.encode("latin-1"), usedforsecurity=False).digest()
