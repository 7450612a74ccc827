"""Requests that remove entries from a cache, as in NGINX Plus and in ngx_cache_purge."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ..cache import Cache, CacheKey, Caches
from ..errors import ConfError
from ..http.cidr import Network, Networks, parse_network
from ..http.level import Level
from ..http.request import Request, Status
from ..http.template import Template, any_is_set
from ..log import Severity

PURGED = (
    b"<html>\r\n<head><title>Successful purge</title></head>\r\n<body>\r\n"
    b"<center><h1>Successful purge</h1></center>\r\n</body>\r\n</html>\r\n"
)
_METHOD = re.compile(r"[A-Z]+\Z")
FromWhom = Networks | None  # None is all


class PurgeRule(NamedTuple):
    """Which requests of a location purge what others of it are answered with.

    Those for which one of `conditions` holds, or those with a `method` from some addresses."""

    conditions: tuple[Template, ...] = ()
    method: str = ""
    addresses: FromWhom = None


class PurgedEntry(NamedTuple):
    """What each request of a location purges."""

    zone: Template
    key: Template


def parse_purge(words: tuple[str, ...]) -> PurgeRule | PurgedEntry | None:
    """The arguments of "proxy_cache_purge"; None is "off".  Raises ConfError.

    What is constant would purge with every request, so it can only be meant as ngx_cache_purge
    has it: "off", "on", "PURGE from all", "PURGE from 10.0.0.0/8 ...", or a zone and a key."""
    texts = tuple(map(Template, words))
    first = words[0]
    if not texts[0].is_constant or first in ("", "0"):
        return PurgeRule(texts)
    if words == ("off",):
        return None
    if first == "on" or (_METHOD.match(first) and words[1:2] in ((), ("from",))):
        return PurgeRule((), "PURGE" if first == "on" else first, _addresses(words[1:]))
    if len(words) == 2:
        return PurgedEntry(*texts)
    raise ConfError(f'invalid parameter "{first}"')


def _addresses(words: tuple[str, ...]) -> FromWhom:
    if words == () or words == ("from", "all"):
        return None
    if words[0] != "from" or len(words) == 1:
        raise ConfError(f'invalid parameter "{words[0]}"')
    return Networks([_network(word) for word in words[1:]])


def _network(text: str) -> Network:
    try:
        return parse_network(text)[0]
    except ValueError:
        raise ConfError(f'invalid parameter "{text}"') from None


PurgeAnswer = tuple[Status, bytes]
Purges = Callable[[Request], PurgeAnswer | Status | None]


def compile_purge(rule: PurgeRule, level: Level) -> Purges:
    """A function that finds out whether a request purges: the status and body of the answer if
    it does, a status if it may not, None if it does not."""
    conditions = tuple(text.bind(level.variables) for text in rule.conditions)
    method, addresses = rule.method, rule.addresses

    def purges(r: Request) -> PurgeAnswer | Status | None:
        if conditions:
            return (204, b"") if any_is_set(conditions, r) else None
        if r.method != method:
            return None
        if addresses is not None and r.connection.binary_remote_addr not in addresses:
            r.log(Severity.ERR, "access forbidden by rule")
            return 403
        return 200, PURGED

    return purges


def purge(r: Request, cache: Cache, key: CacheKey, answer: PurgeAnswer) -> Status:
    """Removes the entry of a key, or all entries of keys with its beginning if a "*" ends it."""
    if key.text.endswith(b"*"):
        if not cache.purge_all(key.text[:-1]):
            r.log(Severity.ALERT, f'too many purged keys in cache "{cache.name}"')
            return 500
    elif not cache.purge(key.md5):
        return 404
    return r.respond(*answer, "text/html" if answer[1] else None)


class EntryPurger:
    """A location whose requests purge one entry each."""

    def __init__(self, entry: PurgedEntry, level: Level) -> None:
        self.caches = level.scope.shared(Caches).by_name
        self.zone = entry.zone.bind(level.variables)
        self.key = entry.key.bind(level.variables)

    def handle(self, r: Request) -> Status:
        """The content handler."""
        if r.method not in ("GET", "HEAD", "DELETE", "PURGE"):
            return 405
        zone = self.zone(r)
        cache = self.caches.get(zone)
        if cache is None:
            r.log(Severity.ERR, f'cache "{zone}" not found')
            return 500
        return purge(r, cache, CacheKey.of(self.key(r)), (200, PURGED))
